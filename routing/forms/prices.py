"""The fields of a price: one input a part, and the prices of its service tiers as lines of words."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms

from routing.forms.fields import HeadersInput
from routing.policy.cost import FEES, TOKEN_PARTS
from routing.terms.words import STANDARD_TIERS

AMOUNTS = (*TOKEN_PARTS, *FEES)
PRICES = (*AMOUNTS, "service_tiers")
# "input 1.5", and "input>200000 3" where more tokens than that are read
_WORD = re.compile(r"(?P<name>[a-z_0-9]+?)(?:>(?P<above>[0-9]{1,10}))?\s+\$?(?P<usd>[0-9]{1,10}(?:\.[0-9]{1,10})?)")


def amount(label: str, help_text: str = "") -> forms.DecimalField:
    return forms.DecimalField(
        label=label, required=False, min_value=0, max_digits=20, decimal_places=10, help_text=help_text
    )


class ServiceTiersInput(HeadersInput):
    def format_value(self, value: Any) -> str:
        tiers = {tier: _words(price) for tier, price in value.items()} if isinstance(value, Mapping) else value
        return super().format_value(tiers)


class ServiceTiers(forms.CharField):
    """A price of its own for each service tier, a line each: "flex: input 1, output 5"."""

    widget = ServiceTiersInput(attrs={"rows": 2})

    def __init__(self, label: str) -> None:
        super().__init__(
            label=label,
            required=False,
            max_length=8000,
            help_text='Per 1M tokens, a tier a line: "flex: input 1, output 5, cache_read 0.1". Calls in a tier not named are unpriced.',
        )

    def clean(self, value: Any) -> dict[str, Any]:
        lines = [line for line in map(str.strip, super().clean(value).splitlines()) if line]
        return {_tier(line): _price(line) for line in lines}


def _tier(line: str) -> str:
    name = line.partition(":")[0].strip()
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,23}", name) or name in STANDARD_TIERS:
        raise forms.ValidationError(f"'{name[:60]}' is no service tier beside the standard one: write flex, or batch.")
    return name


def _price(line: str) -> dict[str, Any]:
    """As the document says it. A tier of long contexts stands among its words."""
    price: dict[str, Any] = {}
    above: dict[int, dict[str, Any]] = {}
    for words in filter(None, map(str.strip, line.partition(":")[2].split(","))):
        found = _WORD.fullmatch(words)
        if found is None or found["name"] not in TOKEN_PARTS:
            raise forms.ValidationError(
                f"'{words[:60]}' is not a price: write one of {', '.join(TOKEN_PARTS)} and its USD."
            )
        start = int(found["above"] or 0)
        (above.setdefault(start, {"above": start}) if start else price)[found["name"]] = found["usd"]
    for each in (price, *above.values()):
        if not {"input", "output"} <= each.keys():
            raise forms.ValidationError(f"'{line[:60]}' needs both, input and output, at each length.")
    return {**price, "tiers": [above[start] for start in sorted(above)]}


def _words(price: Mapping[str, Any]) -> str:
    told = [f"{name} {price[name]}" for name in TOKEN_PARTS if price.get(name) is not None]
    for tier in price.get("tiers", ()):
        told += [f"{name}>{tier['above']} {tier[name]}" for name in TOKEN_PARTS if tier.get(name) is not None]
    return ", ".join(told)


def said(values: Mapping[str, Any]) -> dict[str, Any] | None:
    """The price that was filled in, as the document says it; tiers of long contexts are left as they are."""
    if values["input"] is None:
        return None
    amounts: dict[str, Decimal | None] = {name: values[name] for name in AMOUNTS}
    told = {name: None if value is None else format(value, "f") for name, value in amounts.items()}
    return told | {"service_tiers": values["service_tiers"]}
