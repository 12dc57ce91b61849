"""The form of a route."""

from collections.abc import Mapping
from typing import Any

from django import forms

from routing.document.form import Timeouts
from routing.forms.fields import Steps, Words
from routing.forms.part import PartForm

TIMEOUTS = tuple(Timeouts.model_fields)
KEYS = ("task_type", "project", "condition")


class RouteForm(PartForm):
    """One route: its chain, and how its calls are made."""

    section = "routes"
    places = {f"timeouts.{name}": name for name in TIMEOUTS}

    steps = Steps(label="Chain", required=False)
    note = forms.CharField(required=False, max_length=4000, widget=forms.Textarea(attrs={"rows": 2}))
    fallback = forms.BooleanField(label="When a step fails, try the next one", required=False)
    tier_chain = forms.BooleanField(label="After the last step, follow the tier chain", required=False)
    rotation = Words(
        label="Providers of its tier chain, in order", help_text="Empty: as each provider says for itself."
    )
    lower_tier_max_hops = forms.IntegerField(
        label="Hops to the next lower tier, at most",
        required=False,
        min_value=0,
        max_value=100,
        help_text="Empty: all.",
    )
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

    @classmethod
    def filled(cls, part: Mapping[str, Any]) -> dict[str, Any]:
        plain = {name: value for name, value in part.items() if name not in (*KEYS, "timeouts")}
        return {**plain, **part["timeouts"]}

    def said(self, data: dict[str, Any]) -> dict[str, Any]:
        plain = {name: value for name, value in data.items() if name not in TIMEOUTS}
        return {**plain, "timeouts": {name: data[name] for name in TIMEOUTS}}
