"""The forms of what callers may name: task types, word rules and projects."""

from django import forms

from routing.forms.fields import Named, Words, words
from routing.forms.part import PartForm
from routing.models import TaskType
from routing.terms.words import LabelSource, SuccessFrom, TaskKind


class ProjectForm(PartForm):
    section = "projects"

    slug = forms.CharField(max_length=120)
    name = forms.CharField(required=False, max_length=120)


class TaskTypeForm(PartForm):
    section = "task_types"
    rare = ("kind", "grading_share", "complete_sources", "auto_rollback", "keep_payloads", "imported")

    slug = forms.CharField(max_length=120, help_text="What callers name. It cannot change later.")
    name = forms.CharField(required=False, max_length=120)
    description = forms.CharField(required=False, max_length=4000, widget=forms.Textarea(attrs={"rows": 2}))
    aliases = Words(help_text="Other names that callers may use.")
    enabled = forms.BooleanField(label="Callers may ask for it", required=False)
    wants = Words(label="Wants models tagged", help_text="A primary without these tags is warned about.")
    success_from = forms.ChoiceField(
        label="A success is",
        choices=[
            (SuccessFrom.LABELS, "what somebody or something judged good"),
            (SuccessFrom.TRANSPORT, "any answer: nobody grades these"),
        ],
    )
    label_sources = Words(
        label="Whose word counts",
        help_text=f"The first that spoke decides. Empty: the usual four. Known: {', '.join(LabelSource)}.",
    )
    label_horizon_days = forms.IntegerField(
        label="Labels may come for, days",
        min_value=0,
        max_value=60,
        help_text="Changing what a success is restarts the evidence.",
    )
    target_success = forms.FloatField(label="Aim, share of successes", required=False, min_value=0, max_value=1)
    margin = forms.FloatField(
        label="Margin, share",
        min_value=0.0001,
        max_value=0.5,
        help_text="How much worse still counts as equal: 0.03 is 3 points.",
    )
    four_eyes = forms.BooleanField(label="Who proposed a change may not approve it", required=False)
    kind = forms.ChoiceField(choices=words(TaskKind), initial="chat")
    grading_share = forms.FloatField(label="Share drawn for grading", min_value=0, max_value=1)
    complete_sources = Words(
        label="Sources that judge everything", help_text="Their silence is told as missing, not as unknown."
    )
    auto_rollback = forms.BooleanField(label="A guard that fires puts the old route back by itself", required=False)
    keep_payloads = forms.BooleanField(label="Keep prompts and answers, encrypted", required=False)
    imported = forms.BooleanField(label="Came with an import", required=False)


class RuleForm(PartForm):
    section = "rules"

    pattern = forms.CharField(
        label="Words", max_length=200, help_text="Where they stand as whole words in what a caller typed."
    )
    task_type = Named(TaskType, label="Task type")
    position = forms.IntegerField(
        min_value=0, max_value=2_000_000_000, initial=0, help_text="The lowest is looked at first."
    )
