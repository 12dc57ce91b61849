"""The forms of a client: how it is set up, its mapping line by line, its keys."""

from typing import Any

from django import forms
from django.utils import timezone

from routing import snapshot
from routing.adoption import LONGEST_NAME, MOST_RULES
from routing.clients import DEFAULT_SCOPES
from routing.forms.fields import LinesInput, Named, Words
from routing.models import Project, TaskType
from routing.models._fields import SLUG
from routing.policy import resolve
from routing.terms.words import ClientMode, Scope

LARGEST = 2_000_000_000
MODES = {
    ClientMode.OBSERVE: "observe: every call is served by the model that it names",
    ClientMode.ROUTE: "route: names that the mapping knows go by their route",
}


class ClientForm(forms.Form):
    """How a client is set up, apart from its mode and its mapping."""

    name = forms.CharField(required=False, max_length=120, help_text="What people call it.")
    project = Named(
        Project, empty="none", required=False, help_text="Its calls are of this project unless they say another."
    )
    default_task_type = Named(
        TaskType, empty="none", label="Default task type", required=False, help_text="What auto means."
    )
    allowed_models = Words(help_text="provider:model, apart by commas; no other is asked for it. Empty: all.")
    requests_per_minute = forms.IntegerField(
        required=False, min_value=1, max_value=LARGEST, help_text="Empty: no limit."
    )
    tokens_per_minute = forms.IntegerField(required=False, min_value=1, max_value=LARGEST, help_text="Empty: no limit.")
    enabled = forms.BooleanField(label="Its keys may call", required=False)
    version = forms.IntegerField(min_value=0, max_value=LARGEST, widget=forms.HiddenInput)

    def clean_allowed_models(self) -> list[str]:
        """By their whole names, whatever they were called by."""
        table = snapshot.fresh().table
        try:
            return list(dict.fromkeys(resolve.model(table, name) for name in self.cleaned_data["allowed_models"]))
        except (resolve.Unknown, resolve.Ambiguous) as error:
            raise forms.ValidationError(str(error)) from None

    def fields_of(self) -> dict[str, Any]:
        """As `clients.save_client` takes them. Only when valid."""
        data = {name: value for name, value in self.cleaned_data.items() if name != "version"}
        return {**data, "allowed_models": data["allowed_models"] or None}


class NewClientForm(forms.Form):
    """A client that is not there yet."""

    slug = forms.CharField(
        max_length=120, validators=[SLUG], help_text="Lower case: what its calls are filed under for good."
    )
    name = forms.CharField(required=False, max_length=120, help_text="What people call it.")
    mode = forms.ChoiceField(
        choices=list(MODES.items()),
        initial=ClientMode.OBSERVE,
        widget=forms.RadioSelect(attrs={"class": "form-check-input"}),
    )
    project = Named(Project, empty="none", required=False)
    default_task_type = Named(
        TaskType, empty="none", label="Default task type", required=False, help_text="What auto means."
    )


class Rules(forms.Field):
    """The rules of a mapping in their order; a line without anything in it is none."""

    widget = LinesInput(("requested", "task_type"))

    def clean(self, value: Any) -> list[dict[str, str]]:
        rules = [
            {"requested": line["requested"].strip(), "task_type": line["task_type"].strip()}
            for line in value or ()
            if line["requested"].strip() or line["task_type"].strip()
        ]
        if len(rules) > MOST_RULES:
            raise forms.ValidationError(
                f"A mapping has at most {MOST_RULES} rules: let a pattern with * stand for several."
            )
        for place, rule in enumerate(rules, 1):
            if not rule["requested"] or not rule["task_type"]:
                lacks = "a name or pattern" if not rule["requested"] else "a task type"
                raise forms.ValidationError(f"Rule {place} lacks {lacks}.")
            if len(rule["requested"]) > LONGEST_NAME or "\0" in rule["requested"]:
                raise forms.ValidationError(f"Rule {place}: a name has 1 to {LONGEST_NAME} characters.")
        return rules


class MappingForm(forms.Form):
    """What a client's model names mean, first match."""

    mapping = Rules(required=False)
    version = forms.IntegerField(min_value=0, max_value=LARGEST, widget=forms.HiddenInput)


class ClientKeyForm(forms.Form):
    """A new key of a client."""

    scopes = forms.MultipleChoiceField(
        label="It may",
        choices=[(each, each) for each in Scope],
        initial=list(DEFAULT_SCOPES),
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
    )
    budget_usd = forms.DecimalField(
        label="Monthly limit, USD", required=False, min_value=0, max_digits=20, decimal_places=10
    )
    expires_at = forms.DateTimeField(
        label="Ends at",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text="Empty: when it is revoked.",
    )

    def clean_scopes(self) -> list[Scope]:
        return [Scope(each) for each in self.cleaned_data["scopes"]]

    def clean_expires_at(self) -> Any:
        moment = self.cleaned_data["expires_at"]
        if moment is not None and moment <= timezone.now():
            raise forms.ValidationError("That is over already.")
        return moment


class FirstKeyForm(forms.Form):
    """A key made where it is pasted from, for a client that is there or is made with it."""

    client = forms.CharField(
        max_length=120, validators=[SLUG], help_text="Lower case; one that is there gets another key."
    )
    mode = forms.ChoiceField(
        label="A new one begins in mode",
        choices=list(MODES.items()),
        initial=ClientMode.OBSERVE,
        widget=forms.RadioSelect(attrs={"class": "form-check-input"}),
    )
