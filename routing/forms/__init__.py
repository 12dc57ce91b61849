"""What people fill in on the routing pages. A form checks the form of things; whether a table may be so, `routing.changes` says."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from routing.credentials import Given
from routing.dispatch.asked import Wish
from routing.forms.client import ClientKeyForm
from routing.forms.route import RouteForm
from routing.inventory import Entry
from routing.models import Project, TaskType
from routing.records import Filters
from routing.terms.secret import Secret
from routing.terms.words import Role, Status

__all__ = [
    "SINCE",
    "CallFilter",
    "CatalogueFilter",
    "ExplainForm",
    "KeyForm",
    "NewRouteForm",
    "RouteForm",
    "SecretForm",
]


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
    size = forms.IntegerField(
        label="Prompt, tokens",
        required=False,
        min_value=0,
        max_value=100_000_000,
        help_text="Models with a smaller window are skipped.",
    )
    max_tokens = forms.IntegerField(label="Answer at most", required=False, min_value=1, max_value=100_000_000)
    client = forms.CharField(required=False, max_length=120, help_text="Its project, models and budgets hold.")
    session = forms.CharField(required=False, max_length=200, help_text="One that has begun keeps its model.")
    background = forms.BooleanField(label="Background work", required=False)
    alone = forms.BooleanField(label="No fallback", required=False)

    def wish(self) -> Wish:
        """As dispatch takes it. Only when valid."""
        data = self.cleaned_data
        is_phrase = " " in data["override"].strip()
        return Wish(
            messages=(),
            size_bytes=4 * (data["size"] or 0),  # as a call's size is estimated: four bytes a token
            max_tokens=data["max_tokens"],
            task_type=data["task_type"],
            project=data["project"] or None,
            context=tuple(word for word in re.split(r"[\s,]+", data["context"]) if word),
            override=None if is_phrase else data["override"].strip() or None,
            override_text=data["override"] if is_phrase else None,
            author=data["author"] or None,
            session=data["session"],
            background=data["background"],
            fallback="none" if data["alone"] else "route",
        )


class KeyForm(ClientKeyForm):
    """A new key, of a client that is there or is made with it."""

    client = forms.CharField(max_length=120, help_text="Lower case; a client of this name gets another key.")
    project = forms.CharField(required=False, max_length=120)


class CatalogueFilter(forms.Form):
    """Which models the catalogue shows; it lives in the address. A choice that is none of them leaves none."""

    q = forms.CharField(required=False, max_length=200)
    provider = forms.CharField(required=False, max_length=120, widget=forms.Select)
    tier = forms.CharField(required=False, max_length=24, widget=forms.Select)
    role = forms.CharField(required=False, max_length=24, widget=forms.Select)
    tag = forms.CharField(required=False, max_length=24, widget=forms.Select)

    def __init__(self, *args: Any, entries: Iterable[Entry], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = [entry.now for entry in entries]
        offered = {
            "provider": {each.provider for each in known},
            "tier": {each.tier for each in known},
            "role": {each.role for each in known},
            "tag": {tag for each in known for tag in each.tags},
        }
        for name, values in offered.items():
            choices = [("", f"any {name}"), *((each, each) for each in sorted(values - {""}))]
            self.fields[name].widget.choices = choices

    def takes(self, entry: Entry) -> bool:
        """Whether the filter lets it through."""
        if not self.is_valid():
            return False
        data, now = self.cleaned_data, entry.now
        return (
            now.answers(f"{data['q']}")
            and data["provider"] in ("", now.provider)
            and data["tier"] in ("", now.tier)
            and data["role"] in ("", now.role)
            and (not data["tag"] or data["tag"] in now.tags)
        )

    @property
    def asks(self) -> bool:
        """Whether anything is filtered at all."""
        return any(self.data.get(name) for name in self.fields)


def _secret(**kwargs: Any) -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    return forms.CharField(max_length=20_000, widget=widget, **kwargs)


class SecretForm(forms.Form):
    """A secret on its way in. It is never filled in again, not even after a mistake."""

    secret = _secret(required=False, help_text="Stored encrypted. No page, export or log ever shows it.")
    client_secret = _secret(
        label="Client secret", required=False, help_text="Beside a refresh token, of a client that has one."
    )

    def __init__(self, *args: Any, oauth: Mapping[str, Any] | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        grant = (oauth or {}).get("grant")
        if oauth:
            self.fields["secret"].label = "Client secret" if grant == "client_credentials" else "Refresh token"
        if grant != "refresh_token":
            del self.fields["client_secret"]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not any(data.get(name) for name in self.fields) and not self.errors:
            self.add_error("secret", "Nothing was entered: what is stored stays.")
        return data

    def given(self) -> Given:
        """What is to be stored. Only when valid."""
        found = {name: Secret(text) for name in self.fields if (text := self.cleaned_data[name].strip())}
        return Given(**found)
