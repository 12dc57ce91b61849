"""What this process knows: one revision of the table and the health of everything in it. Read without a query, refreshed behind.

A thread polls the state version (`POLL_S`), reads anew when it has moved, and writes what `routing.circuits` has learned. When PostgreSQL is
away the last snapshot stands. Commands and tests, which have no thread, call `load_now()` or `fresh()`.
"""

import asyncio
import hashlib
import hmac
from bisect import bisect_left
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, TypeVar

from django.conf import settings

from routing import budgets, circuits, clients, credentials, limits, quotas, sessions, usage
from routing.budgets import Payer
from routing.clients import Caller
from routing.credentials import Access
from routing.models import Provider as ProviderRow
from routing.policy.cost import Rates, compared
from routing.policy.health import Health
from routing.policy.plan import plan
from routing.policy.table import Table
from routing.providers.base import Endpoint
from routing.snapshot import background
from routing.snapshot.prices import read_rates
from routing.snapshot.reading import PIN_REFUSED_S, read_endpoints, read_table
from routing.terms.candidate import Candidate, Plan
from routing.terms.request import Ask
from routing.terms.words import CredentialKind
from routing.versions import bump_revision as touch_revision
from routing.versions import bump_state as touch_state
from routing.versions import current_version

__all__ = [
    "NotLoaded",
    "Snapshot",
    "current",
    "forget",
    "fresh",
    "in_event_loop",
    "load_now",
    "start_background",
    "stop_background",
    "touch_revision",
    "touch_state",
]

READ_ANYWAY = timedelta(minutes=5)
READ_AFTER_REFUSAL = timedelta(seconds=PIN_REFUSED_S)
MOST_PLANS = 4096  # remembered between two changes
MOST_READS = 20  # of a table that keeps moving while it is read


Made = TypeVar("Made")


class NotLoaded(RuntimeError):
    """This process has not read the table yet: PostgreSQL was away when it began."""


# What a plan looks at as it is; of the sizes it sees only which windows hold them, of the payers only which are spent, and never the client.
_LOOKED_AT = attrgetter(
    *(each.name for each in fields(Ask) if each.name not in ("size", "max_tokens", "client", "scopes"))
)


@dataclass(frozen=True, eq=False)
class Snapshot:
    table: Table
    health: Health
    keys: Mapping[str, Caller]  # by SHA-256
    rates: Mapping[str, Rates]  # by "provider:model"
    endpoints: Mapping[tuple[str, str | None], Endpoint]  # by (provider, credential), without a model
    capacity: Mapping[str, tuple[int, int | None]]  # by provider: calls at a time, and waiting (None: as many)
    draw_key: bytes
    version: tuple[int, int]  # (revision, state) it was read at
    read_at: datetime
    read_health: Health  # without what this process has learned since
    accesses: Mapping[tuple[str, str], Access] = field(default_factory=dict)  # by (provider, credential)
    payers: Mapping[str, Payer] = field(default_factory=dict)  # the budgets that must hold, by scope
    plans: dict[tuple[Any, frozenset[str], int], tuple[Plan, datetime]] = field(default_factory=dict, repr=False)
    # What follows from table, keys and endpoints alone, as long as they stand: `remembered`.
    memo: dict[Any, Any] = field(default_factory=dict, repr=False)

    def plan(self, ask: Ask, now: datetime) -> Plan:
        """`policy.plan` of this table and health, remembered until something that it looked at would look otherwise."""
        need = ask.size + (ask.max_tokens or 0)
        reached = ask.scopes & (self.health.spent | self.health.degraded)
        key = _LOOKED_AT(ask), reached, bisect_left(self.table.windows, need)
        known = self.plans.get(key)
        if known is not None and now < known[1]:
            return known[0]
        made = plan(self.table, ask, self.health, now)
        if len(self.plans) >= MOST_PLANS:
            self.plans.clear()
        self.plans[key] = made, self._valid_until(now)
        return made

    def cheaper_plan(self, ask: Ask, degraded: frozenset[str], now: datetime) -> Plan:
        """The plan as if the limits of these budgets were reached, which no snapshot tells yet."""
        return plan(self.table, ask, replace(self.health, degraded=self.health.degraded | degraded), now)

    def _valid_until(self, now: datetime) -> datetime:
        midnight = (now + timedelta(days=1)).replace(
            hour=0, minute=0, second=0, microsecond=0
        )  # retire_at, explorations
        change = self.health.valid_until(now)
        return min(midnight, change) if change else midnight

    def is_old(self, now: datetime) -> bool:
        """Whether prices (by date) and addresses (by DNS) should be looked up anew; soon where an address was refused.

        At once where a quota has become due: who reads it then resets it; and where a token, or a month of budgets, has ended since.
        """
        if any(each.expires_at and self.read_at < each.expires_at <= now for each in self.accesses.values()):
            return True
        if any(not rest.holds(now) for rest in self.read_health.quotas.values()):
            return True
        if self.payers and self.read_at < budgets.month_of(now)[0]:
            return True
        was_refused = any(not credential for _, credential in self.read_health.not_ready)
        return now > self.read_at + (READ_AFTER_REFUSAL if was_refused else READ_ANYWAY)

    def endpoint(self, candidate: Candidate) -> Endpoint | None:
        """Where to call the candidate; None when its credential went away since."""
        return self.remembered(candidate, lambda: self._endpoint(candidate))

    def remembered(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What `make` makes, made once for the key while this table stands. It may look at table, keys and endpoints only."""
        found: Made | None = self.memo.get(key)
        if found is None:
            if len(self.memo) >= MOST_PLANS:
                self.memo.clear()
            found = self.memo[key] = make()
        return found

    def _endpoint(self, candidate: Candidate) -> Endpoint | None:
        kind = candidate.credential_kind
        is_callers = kind is CredentialKind.CALLER
        found = self.endpoints.get((candidate.provider, None if is_callers else candidate.credential))
        if found is None:
            return None
        model = self.table.models.get(candidate.key)
        most = model.max_output_tokens if model else None
        told = kind if is_callers else found.credential_kind
        return replace(found, upstream_id=candidate.upstream_id, max_output_tokens=most, credential_kind=told)


_current: Snapshot | None = None


def current() -> Snapshot:
    """What is known now, without a query. Raises NotLoaded."""
    global _current
    known = _current
    if known is None:
        raise NotLoaded("The routing table has not been read yet: the database was away when this process began.")
    if known.health.version != circuits.version():
        known = _current = replace(known, health=_health(known.read_health), plans={})
    return known


def fresh() -> Snapshot:
    """As `current`, for a process without the refreshing thread: reads anew when the version has moved. One query then."""
    if background.is_running() or in_event_loop():
        return current()
    if _current is None or _current.version != current_version() or _current.is_old(datetime.now(UTC)):
        return load_now()
    return current()


def load_now() -> Snapshot:
    """Read everything, from one moment of the database."""
    global _current
    for _ in range(MOST_READS):
        version = current_version()
        read = _read(version)
        if current_version() == version:  # nothing was committed in between: all of it is of one revision
            break
    sessions.read(read.table, read.read_at)  # before anybody goes by the new table
    _current = read
    return read


def _read(version: tuple[int, int]) -> Snapshot:
    now = datetime.now(UTC)
    circuits.load(now)
    accesses = credentials.read_all(now)
    providers = list(ProviderRow.objects.order_by("slug"))
    endpoints, not_ready = read_endpoints(accesses, providers)
    table = read_table(version[0], accesses, providers)
    rates = read_rates(table.models.values(), table.providers, now)
    table = replace(table, prices={key: compared(each) for key, each in rates.items()})
    holding = budgets.holding(now)
    health = Health(
        not_ready=not_ready,
        renewals={(each.provider, each.name): each.until for each in accesses if each.until},
        quotas=quotas.exhausted(now),
        readings=usage.readings(now),
        spent=holding.spent,
        degraded=holding.degraded,
    )
    return Snapshot(
        table=table,
        health=_health(health),
        keys=clients.all_keys(),
        rates=rates,
        endpoints=endpoints,
        capacity={row.slug: (row.max_concurrency, row.max_waiting) for row in providers},
        draw_key=_draw_key(),
        version=version,
        read_at=now,
        read_health=health,
        accesses={(each.provider, each.name): each for each in accesses},
        payers=holding.payers,
    )


def refresh() -> None:
    """Read anew if the version has moved, or if prices and addresses have become old."""
    old = _current
    now = datetime.now(UTC)
    if old is None or old.version != current_version() or old.is_old(now):
        load_now()
    else:
        sessions.read(old.table, now)


def start_background() -> None:
    """Begin to refresh behind; the first read has been tried when this returns."""
    background.start(refresh)


def stop_background() -> None:
    """End the refreshing, after what waits to be written was written."""
    background.stop()


def forget() -> None:
    """Know nothing, as a new process: for tests."""
    global _current
    _current = None
    circuits.forget()
    limits.forget()
    sessions.forget()


def _health(read: Health) -> Health:
    """What was read, and what this process knows beyond it."""
    version = circuits.version()  # first: a change in between makes another Health, never a stale one
    return replace(
        read,
        version=version,
        cooldowns=circuits.cooldowns(),
        circuits=circuits.broken(),
        not_ready={**read.not_ready, **circuits.not_ready()},
    )


def _draw_key() -> bytes:
    return hmac.digest(settings.SECRET_KEY.encode(), b"the draw of an arm", hashlib.sha256)


def in_event_loop() -> bool:
    """Whether a query here would block everybody."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
