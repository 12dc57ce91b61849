"""The forms of a model, of the quotas it draws on, and of the curve that governs it."""

from collections.abc import Mapping
from typing import Any

from django import forms

from routing.document.form import Model as ModelPart
from routing.forms.fields import CurveSteps, Named, Suggest, Windows, Words, words
from routing.forms.part import PartForm
from routing.forms.prices import PRICES, ServiceTiers, amount
from routing.forms.prices import said as said_price
from routing.models import Provider, Quota
from routing.policy.table import TIERS
from routing.terms.words import TaskKind

LACKS = ModelPart.model_fields["lacks"].annotation.__args__[0].__args__  # type: ignore[union-attr]


class ModelForm(PartForm):
    section = "models"
    rare = (
        *(f"price_{name}" for name in PRICES if name not in ("input", "output", "cache_read", "cache_write")),
        *("next_price_from", *(f"next_price_{name}" for name in PRICES)),
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
    price_input = amount("USD per 1M tokens in", "Your own price; empty: genai-prices decides.")
    price_output = amount("USD per 1M tokens out")
    price_cache_read = amount("… read from a cache")
    price_cache_write = amount("… written to a cache")
    price_cache_write_1h = amount("… written to a cache for an hour or longer")
    price_reasoning = amount("… written while reasoning", "Empty: as all that is written.")
    price_searches_1k = amount("USD per 1,000 web searches", "Empty: as genai-prices says.")
    price_requests_1k = amount("USD per 1,000 requests", "Beside the tokens. Empty: as genai-prices says.")
    price_service_tiers = ServiceTiers("In other service tiers")
    next_price_from = forms.DateField(
        label="Another price of your own, from",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="It takes the place of the one above on that day.",
    )
    next_price_input = amount("From then, per 1M tokens in")
    next_price_output = amount("From then, out")
    next_price_cache_read = amount("From then, read from a cache")
    next_price_cache_write = amount("From then, written to a cache")
    next_price_cache_write_1h = amount("From then, written for an hour or longer")
    next_price_reasoning = amount("From then, written while reasoning")
    next_price_searches_1k = amount("From then, per 1,000 web searches")
    next_price_requests_1k = amount("From then, per 1,000 requests")
    next_price_service_tiers = ServiceTiers("From then, in other service tiers")
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
            for name in needed if any(value not in (None, {}) for value in given) else ():
                if data.get(f"{which}_{name}") is None and f"{which}_{name}" not in self.errors:
                    whole = "both, in and out" if which == "price" else "its day and both, in and out"
                    self.add_error(f"{which}_{name}", f"A price of your own needs {whole}.")
        return data

    def said(self, data: dict[str, Any]) -> dict[str, Any]:
        own, coming = ({name: data.pop(f"{which}_{name}") for name in PRICES} for which in ("price", "next_price"))
        valid_from = data.pop("next_price_from")
        days = {name: data[name] and data[name].isoformat() for name in ("retire_at", "deprecated_at")}
        prices = {"price": said_price(own), "next_price": None}
        if valid_from is not None:
            prices["next_price"] = {**(said_price(coming) or {}), "valid_from": valid_from.isoformat()}
        return {**data, **days, **prices}


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
