"""The form of each section of the table but the routes."""

from routing.forms.models import CurveForm, ModelForm, QuotaForm
from routing.forms.part import PartForm
from routing.forms.providers import CredentialForm, ProviderForm
from routing.forms.tasks import ProjectForm, RuleForm, TaskTypeForm

FORMS: dict[str, type[PartForm]] = {
    form.section: form
    for form in (
        ProviderForm, CredentialForm, ModelForm, QuotaForm, CurveForm, ProjectForm, TaskTypeForm, RuleForm,
    )
}  # fmt: skip
