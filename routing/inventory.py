"""What there is to route to, in full: every model with its price, its end and the routes that use it, its tier chain, every way in.

For the pages about models, and for `GET /models/{slug}/chain`. Health and prices are those of this process's snapshot, as dispatch sees them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from routing import catalogue, credentials, snapshot
from routing.catalogue import ModelNow
from routing.document import rows
from routing.models import Credential, Price
from routing.policy.availability import refusal
from routing.policy.chain import chain
from routing.policy.curve import level
from routing.policy.warnings import RETIRING
from routing.terms.words import CredentialKind

ADMIN, PUBLISHED = "admin", "genai-prices"


@dataclass(frozen=True, slots=True)
class HopNow:
    """A hop of a model's tier chain, and whether a call could take it now."""

    hop: int
    model: str  # "provider:model"
    credential_kind: CredentialKind
    available: bool
    reason: str = ""  # why it is not
    until: datetime | None = None


def chain_of(model: str, now: datetime | None = None) -> tuple[HopNow, ...]:
    """The hops after the model ("provider:model") when it fails, each with what keeps it; () for a model without a tier."""
    now, known = now or datetime.now(UTC), snapshot.fresh()
    return tuple(
        _hop(known, number, hop.model, hop.credential_kind, now)
        for number, hop in enumerate(chain(known.table, model), 1)
    )


def _hop(known: snapshot.Snapshot, number: int, key: str, kind: CredentialKind, now: datetime) -> HopNow:
    model = known.table.models[key]
    provider = known.table.providers[model.provider]
    if not (model.enabled and provider.enabled):
        return HopNow(number, key, kind, False, "switched off")
    if model.retire_at is not None and model.retire_at <= now.date():
        return HopNow(number, key, kind, False, f"retired on {model.retire_at}")
    there = level(known.table.curve, known.health, now)
    if there.removes(key):
        return HopNow(number, key, kind, False, there.words)
    objection = refusal(provider, model, known.health, now, kind, zone=known.table.zone)
    if objection is not None:
        return HopNow(number, key, kind, False, objection.detail.removeprefix("has "), objection.until)
    return HopNow(number, key, kind, True)


@dataclass(frozen=True, slots=True)
class PriceRow:
    """An admin's price of a model, USD per million tokens."""

    input: Decimal
    output: Decimal
    cache_read: Decimal | None
    cache_write: Decimal | None
    valid_from: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """A model of the catalogue."""

    part: Mapping[str, Any]  # as the document has it
    now: ModelNow
    prices: tuple[PriceRow, ...]  # an admin's own, the newest first; those of days to come too
    routes: tuple[str, ...]  # that name it, and at which step: "coding", "debugging?batch"
    today: date

    @property
    def price_source(self) -> str:
        """ "admin", "genai-prices", or "" where nobody knows what it costs."""
        if self.now.input_usd is None:
            return ""
        return ADMIN if self.own_price else PUBLISHED

    @property
    def own_price(self) -> PriceRow | None:
        """The admin's price in force."""
        now = datetime.now(UTC)
        return next((each for each in self.prices if each.valid_from <= now), None)

    @property
    def days_left(self) -> int | None:
        """Until it retires; negative when it has."""
        return (self.now.retire_at - self.today).days if self.now.retire_at else None

    @property
    def deprecated_at(self) -> date | None:
        """Since when the vendor calls it deprecated; None as long as it does not."""
        text = self.part["deprecated_at"]
        day = date.fromisoformat(text) if text else None
        return day if day and day <= self.today else None

    @property
    def lifecycle(self) -> str:
        """current, deprecated, retiring (within 30 days) or retired: words of the console's states."""
        left = self.days_left
        if left is not None and left <= 0:
            return "retired"
        if left is not None and left <= RETIRING.days:
            return "retiring"
        return "deprecated" if self.deprecated_at else "current"


def entries(now: datetime | None = None) -> list[Entry]:
    """Every model, those that may be called first."""
    today = (now or datetime.now(UTC)).date()
    table, prices = rows.dump(), _prices()
    used = _used(table["routes"])
    return [
        Entry(table["models"][key], each, tuple(prices.get(key, ())), tuple(used.get(key, ())), today)
        for key, each in catalogue.models_now(now).items()
        if key in table["models"]
    ]


def _used(routes: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, route in routes.items():
        for step in route["steps"]:
            found.setdefault(step, []).append(name)
    return found


def _prices() -> dict[str, list[PriceRow]]:
    found: dict[str, list[PriceRow]] = {}
    for row in Price.objects.select_related("model__provider").order_by("-valid_from"):
        price = PriceRow(row.input, row.output, row.cache_read, row.cache_write, row.valid_from)
        found.setdefault(row.model.key, []).append(price)
    return found


@dataclass(frozen=True, slots=True)
class CredentialNow:
    """A way in: whether it is ready, and what is known of it. Never what it is."""

    provider: str
    name: str
    kind: str
    ready: bool
    reason: str
    env: str  # the variable of the server it comes from, where nothing is stored
    is_stored: bool
    expires_at: datetime | None
    checked_at: datetime | None  # when it was last tested, refused or refreshed
    until: datetime | None  # when one that is not ready is tried again by itself
    problem: str  # what keeps a ready one from being renewed
    oauth: Mapping[str, Any]  # where its tokens come from; {} for an API key

    @property
    def key(self) -> str:
        return f"{self.provider}:{self.name}"


def credentials_now() -> list[CredentialNow]:
    """Every credential that a person can make, by provider and priority."""
    facts = {
        (row["provider__slug"], row["name"]): row
        for row in Credential.objects.values("provider__slug", "name", "env", "checked_at", "oauth")
    }
    stored = set(Credential.objects.exclude(secret=None).values_list("provider__slug", "name"))
    return [
        CredentialNow(
            provider=each.provider,
            name=each.name,
            kind=each.kind,
            ready=each.ready,
            reason=each.reason,
            env=fact["env"],
            is_stored=(each.provider, each.name) in stored,
            expires_at=each.expires_at,
            checked_at=fact["checked_at"],
            until=each.until,
            problem=each.problem,
            oauth=fact["oauth"] if each.kind == CredentialKind.OAUTH else {},
        )
        for each in credentials.read_all()
        if each.kind in (CredentialKind.API_KEY, CredentialKind.OAUTH)
        and (fact := facts.get((each.provider, each.name)))
    ]
