"""The forms of a model, of the quotas it draws on, and of the curve that governs it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms

from routing.document.form import Model as ModelPart
from routing.forms.fields import CurveSteps, Named, Suggest, Windows, Words, words
from routing.forms.part import PartForm
from routing.models import Provider, Quota
from routing.policy.table import TIERS
from routing.terms.words import TaskKind

PRICES = ("input", "output", "cache_read", "cache_write", "cache_write_1h")
LACKS = ModelPart.model_fields["lacks"].annotation.__args__[0].__args__  # type: ignore[union-attr]


class ModelForm(PartForm):
    section = "models"
    rare = (
        *("price_cache_write_1h", "next_price_from", *(f"next_price_{name}" for name in PRICES)),
        *("lacks", "max_output_tokens", "deprecated_at", "imported"),
    )
    places = {
        **{f"{which}.{name}": f"{which}_{name}" for which in ("price", "next_price") for name in PRICES},
        "price": "price_input",
        "next_price": "next_price_input",
        "next_price.valid_from": "next_price_from",
    }

    provider = Named(Provider, label="Provider")
    slug = forms.CharField(max_length=120, help_text="What routes call it by. It stays when the vendor's name changes.")
    name = forms.CharField(required=False, max_length=120)
    upstream_id = forms.CharField(
        label="Asked for as",
        max_length=200,
        help_text="The vendor's own name. Another one is another model: its evidence begins anew.",
    )
    enabled = forms.BooleanField(label="Calls may go to it", required=False)
    interactive_only = forms.BooleanField(
        label="Kept for interactive use: background work never gets it", required=False
    )
    role = forms.CharField(required=False, max_length=24, widget=Suggest(("T0", "T1", "T2", "T3", "T4")))
    used_for = forms.CharField(label="When it is used", required=False, max_length=200)
    tier = forms.CharField(required=False, max_length=24, widget=Suggest(TIERS), help_text="Of the fallback chain.")
    tags = Words(help_text="Strengths: reasoning, content, code, cheap, fast.")
    aliases = Words(help_text="Other names it answers to.")
    kind = forms.ChoiceField(choices=words(TaskKind), initial="chat")
    context_window = forms.IntegerField(label="Window, tokens", required=False, min_value=1, max_value=2_000_000_000)
    quota = Named(Quota, required=False)
    retire_at = forms.DateField(
        label="Retires on", required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    price_input = forms.DecimalField(
        label="USD per 1M tokens in",
        required=False,
        min_value=0,
        max_digits=20,
        decimal_places=10,
        help_text="Your own price; empty: genai-prices decides.",
    )
    price_output = forms.DecimalField(
        label="USD per 1M tokens out", required=False, min_value=0, max_digits=20, decimal_places=10
    )
    price_cache_read = forms.DecimalField(
        label="… read from a cache", required=False, min_value=0, max_digits=20, decimal_places=10
    )
    price_cache_write = forms.DecimalField(
        label="… written to a cache", required=False, min_value=0, max_digits=20, decimal_places=10
    )
    price_cache_write_1h = forms.DecimalField(
        label="… written to a cache for an hour", required=False, min_value=0, max_digits=20, decimal_places=10
    )
    next_price_from = forms.DateField(
        label="Another price of your own, from",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="It takes the place of the one above on that day.",
    )
    next_price_input = forms.DecimalField(
        label="From then, per 1M tokens in", required=False, min_value=0, max_digits=20, decimal_places=10
    )
    next_price_output = forms.DecimalField(
        label="From then, out", required=False, min_value=0, max_digits=20, decimal_places=10
    )
    next_price_cache_read = forms.DecimalField(
        label="From then, read from a cache", required=False, min_value=0, max_digits=20, decimal_places=10
    )
    next_price_cache_write = forms.DecimalField(
        label="From then, written to a cache", required=False, min_value=0, max_digits=20, decimal_places=10
    )
    next_price_cache_write_1h = forms.DecimalField(
        label="From then, written for an hour", required=False, min_value=0, max_digits=20, decimal_places=10
    )
    lacks = forms.MultipleChoiceField(
        label="It cannot do", required=False, choices=words(LACKS), widget=forms.CheckboxSelectMultiple
    )
    max_output_tokens = forms.IntegerField(
        label="Most tokens out", required=False, min_value=1, max_value=2_000_000_000
    )
    deprecated_at = forms.DateField(
        label="Deprecated since", required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    imported = forms.BooleanField(label="Came with an import", required=False)

    @classmethod
    def filled(cls, part: Mapping[str, Any]) -> dict[str, Any]:
        own, coming = part["price"] or {}, part["next_price"] or {}
        prices = {f"price_{name}": own.get(name) for name in PRICES}
        prices |= {f"next_price_{name}": coming.get(name) for name in PRICES}
        return {**part, "quota": part["quota"] or "", **prices, "next_price_from": coming.get("valid_from")}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        for which, needed in (("price", ("input", "output")), ("next_price", ("input", "output", "from"))):
            given = [data.get(f"{which}_{name}") for name in (*PRICES, "from")]
            for name in needed if any(value is not None for value in given) else ():
                if data.get(f"{which}_{name}") is None and f"{which}_{name}" not in self.errors:
                    whole = "both, in and out" if which == "price" else "its day and both, in and out"
                    self.add_error(f"{which}_{name}", f"A price of your own needs {whole}.")
        return data

    def said(self, data: dict[str, Any]) -> dict[str, Any]:
        own, coming = ({name: data.pop(f"{which}_{name}") for name in PRICES} for which in ("price", "next_price"))
        valid_from = data.pop("next_price_from")
        days = {name: data[name] and data[name].isoformat() for name in ("retire_at", "deprecated_at")}
        prices = {"price": _price(own), "next_price": None}
        if valid_from is not None:
            prices["next_price"] = {**(_price(coming) or {}), "valid_from": valid_from.isoformat()}
        return {**data, **days, **prices}


def _price(amounts: Mapping[str, Decimal | None]) -> dict[str, str | None] | None:
    """As the document says it; tiers of long contexts are left as they are."""
    if amounts["input"] is None:
        return None
    return {name: None if value is None else format(value, "f") for name, value in amounts.items()}


class QuotaForm(PartForm):
    section = "quotas"

    slug = forms.CharField(max_length=120)
    name = forms.CharField(required=False, max_length=120)
    provider = Named(Provider, required=False, help_text="Whose usage its windows count.")
    windows = Windows(required=False)

    @classmethod
    def filled(cls, part: Mapping[str, Any]) -> dict[str, Any]:
        windows = [{**each, "hours": each["hours"] and f"{each['hours']:g}"} for each in part["windows"]]
        return {**part, "provider": part["provider"] or "", "windows": windows}


class CurveForm(PartForm):
    section = "curves"

    name = forms.CharField(max_length=120)
    active = forms.BooleanField(label="In force (one curve can be)", required=False)
    when_unknown = forms.ChoiceField(
        label="When nobody has said lately how full the windows are",
        choices=[("allow", "stay on the first level, and say so"), ("degrade", "stand on the second level")],
    )
    steps = CurveSteps(required=False)

    @classmethod
    def fresh(cls) -> dict[str, Any]:
        return {**super().fresh(), "steps": [{"from": "0", "allowed": [], "note": ""}]}

    @classmethod
    def filled(cls, part: Mapping[str, Any]) -> dict[str, Any]:
        return {**part, "steps": [{**step, "from": f"{step['from']:g}"} for step in part["steps"]]}
