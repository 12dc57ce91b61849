"""What people fill in on the routing pages. A form checks the form of things; whether a table may be so, `routing.changes` says."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from routing.clients import DEFAULT_SCOPES
from routing.dispatch.asked import Wish
from routing.document import Problem
from routing.document.form import Timeouts
from routing.models import Project, TaskType
from routing.records import Filters
from routing.terms.words import Role, Scope, Status

TIMEOUTS = tuple(Timeouts.model_fields)
FLAGS = ("fallback", "tier_chain", "terminal_local", "background", "second_opinion")


class Steps(forms.Field):
    """The chain as so many inputs of one name, in the order of the page."""

    widget = forms.MultipleHiddenInput

    def clean(self, value: Any) -> list[str]:
        return [step for step in value or () if step]


class RouteForm(forms.Form):
    """One route, with the revision it was read from and what of it was shown before publishing."""

    steps = Steps(label="Chain", required=False)
    note = forms.CharField(required=False, max_length=4000, widget=forms.Textarea(attrs={"rows": 2}))
    fallback = forms.BooleanField(label="When a step fails, try the next one", required=False)
    tier_chain = forms.BooleanField(label="After the last step, follow the tier chain", required=False)
    terminal_local = forms.BooleanField(label="End with the local model: never hit zero", required=False)
    background = forms.BooleanField(label="Background work: skip models kept for interactive use", required=False)
    second_opinion = forms.BooleanField(label="Ask a second provider too, and keep both answers", required=False)
    cooldown_s = forms.FloatField(
        label="Cooldown, seconds",
        min_value=1,
        max_value=3600,
        help_text="How long a model rests after a rate limit that names no time.",
    )
    connect_s = forms.FloatField(label="To connect, seconds", min_value=0.01, max_value=86_400)
    first_token_s = forms.FloatField(label="To the first token, seconds", min_value=0.01, max_value=86_400)
    idle_s = forms.FloatField(label="Between tokens, seconds", min_value=0.01, max_value=86_400)
    total_s = forms.FloatField(label="In all, seconds", min_value=0.01, max_value=86_400)
    reason = forms.CharField(required=False, max_length=2000)
    revision = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    previewed = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)

    @classmethod
    def of(cls, part: Mapping[str, Any], revision: int) -> "RouteForm":
        """The form as a route of the document fills it."""
        plain = {name: part[name] for name in ("steps", "note", "cooldown_s", *FLAGS)}
        return cls(initial={**plain, **part["timeouts"], "revision": revision})

    def fields_of_route(self) -> dict[str, Any]:
        """What was filled in, as the document says it. Only when valid."""
        data = self.cleaned_data
        plain = {name: data[name] for name in ("steps", "note", "cooldown_s", *FLAGS)}
        return {**plain, "timeouts": {name: data[name] for name in TIMEOUTS}}

    def fingerprint(self) -> str:
        """The same for the same route: whether what is published is what was previewed."""
        return hashlib.sha256(json.dumps(self.fields_of_route(), sort_keys=True).encode()).hexdigest()

    def take(self, problems: Iterable[Problem]) -> None:
        """Show the problems of an edit at the fields they are about; what is about none, over the form."""
        for problem in problems:
            field = problem.path.rpartition("].")[2].partition("[")[0].rpartition(".")[2]
            place = field if field in self.fields else None
            self.add_error(place, problem.message if place else str(problem))


class NewRouteForm(forms.Form):
    """Which route: of a task type, for every project or one, always or under a condition."""

    task_type = forms.ModelChoiceField(TaskType.objects.order_by("slug"), to_field_name="slug", empty_label=None)
    project = forms.ModelChoiceField(
        Project.objects.order_by("slug"), to_field_name="slug", required=False, empty_label="every project"
    )
    condition = forms.RegexField(
        r"\A[a-z0-9_]*\Z",
        required=False,
        max_length=60,
        help_text="A word of the caller's context, such as batch. Empty: always.",
        error_messages={"invalid": "Lower-case letters, digits and _ only."},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["task_type"].label_from_instance = lambda row: row.name or row.slug  # type: ignore[attr-defined]
        self.fields["project"].label_from_instance = lambda row: row.name or row.slug  # type: ignore[attr-defined]


SINCE = {"1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}


class CallFilter(forms.Form):
    """Which calls the page shows; it lives in the address. What is not understood is left out, and said."""

    task_type = forms.CharField(label="Task type", required=False, max_length=120)
    model = forms.CharField(label="Model", required=False, max_length=250)
    provider = forms.CharField(label="Provider", required=False, max_length=120)
    role = forms.ChoiceField(
        required=False, choices=[("", "any role"), *((each, each.replace("_", " ")) for each in Role)]
    )
    status = forms.ChoiceField(required=False, choices=[("", "any status"), *((each, each) for each in Status)])
    client = forms.CharField(required=False, max_length=120)
    session = forms.CharField(required=False, max_length=200)
    since = forms.CharField(label="Since", required=False, max_length=40)

    def clean_since(self) -> datetime | None:
        """A stretch back from now ("24h"), or a moment in ISO 8601."""
        text = self.cleaned_data["since"]
        if text in SINCE:
            return timezone.now() - SINCE[text]
        try:
            moment = datetime.fromisoformat(text) if text else None
        except ValueError:
            raise forms.ValidationError("Not a time such as 2026-11-22T14:00Z, nor 1h, 24h, 7d or 30d.") from None
        return timezone.make_aware(moment) if moment and timezone.is_naive(moment) else moment

    def filters(self) -> Filters:
        """As `routing.records` takes them."""
        self.is_valid()
        known = {name: value for name, value in self.cleaned_data.items() if value and "\0" not in str(value)}
        return Filters(**known)

    @property
    def asks(self) -> bool:
        """Whether anything is filtered at all."""
        return any(self.data.get(name) for name in self.fields)


class ExplainForm(forms.Form):
    """A call that is not made: what `POST /route/explain` takes, without a prompt."""

    task_type = forms.CharField(label="Task", max_length=200, help_text="A slug, an alias, or words.")
    project = forms.CharField(required=False, max_length=120)
    context = forms.CharField(
        required=False, max_length=200, help_text="Conditions that hold, such as batch or in_session."
    )
    override = forms.CharField(required=False, max_length=241, help_text="A model, or a phrase: send this to Codex.")
    author = forms.CharField(
        label="Written by", required=False, max_length=241, help_text="The model whose work is to be reviewed."
    )
    background = forms.BooleanField(label="Background work", required=False)
    alone = forms.BooleanField(label="No fallback", required=False)

    def wish(self) -> Wish:
        """As dispatch takes it. Only when valid."""
        data = self.cleaned_data
        is_phrase = " " in data["override"].strip()
        return Wish(
            messages=(),
            size_bytes=0,
            task_type=data["task_type"],
            project=data["project"] or None,
            context=tuple(word for word in re.split(r"[\s,]+", data["context"]) if word),
            override=None if is_phrase else data["override"].strip() or None,
            override_text=data["override"] if is_phrase else None,
            author=data["author"] or None,
            background=data["background"],
            fallback="none" if data["alone"] else "route",
        )


class KeyForm(forms.Form):
    """A new key, of a client that is there or is made with it."""

    client = forms.CharField(max_length=120, help_text="Lower case; a client of this name gets another key.")
    project = forms.CharField(required=False, max_length=120)
    scopes = forms.MultipleChoiceField(
        label="It may",
        choices=[(each, each) for each in Scope],
        initial=list(DEFAULT_SCOPES),
        widget=forms.CheckboxSelectMultiple,
    )
    budget_usd = forms.DecimalField(
        label="Monthly limit, USD", required=False, min_value=0, max_digits=20, decimal_places=10
    )

    def clean_scopes(self) -> list[Scope]:
        return [Scope(each) for each in self.cleaned_data["scopes"]]
