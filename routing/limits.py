"""Requests and tokens per minute of each client, shared by all processes: a part of each pool here, the pools in PostgreSQL.

`take` is called on the way of every call of a limited client and never waits; `asked` waits until the thread of `routing.snapshot` has
asked the pools (`exchange`). While PostgreSQL is away, and in a process without that thread, each goes by what it knows: an even share
among the workers of this host, or those that used the pool last where they were more; and never more than the limit with all that is
known to be used.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from django.conf import settings
from django.db import connection, transaction

from routing.models import LimitPool
from routing.policy import limits
from routing.policy.limits import Hold, Meter, Pool, Telling, Verdict
from routing.terms.ids import process_name

ASK_S = 1.0  # a call waits no longer for units that the pool may yet have
AWAY_S = 3.0  # a pool that does not answer for so long is away; sooner it may be this process that is late, and all the rest is used
AGAIN_S = 0.1  # between two questions to the pools, however many wait


class Measure(StrEnum):
    REQUESTS = "requests"
    TOKENS = "tokens"


Metered = tuple[str, Measure]  # client, measure


@dataclass(frozen=True, slots=True)
class Full:
    """Why a call must wait."""

    measure: Measure
    limit: int
    retry_after_s: float


class _Here:
    """This process's meters, guarded by one lock that is never held while anything is waited for."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.meters: dict[Metered, Meter] = {}
        self.waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self.wake: Callable[[], None] | None = None  # of the thread that asks; None: there is none
        self.is_away = False
        self.asked_at = 0.0
        self.name = process_name()


_here = _Here()


def on_change(wake: Callable[[], None] | None) -> None:
    """Call `wake` whenever a call waits for a pool. None: nobody asks them from now on."""
    _here.wake = wake
    if wake is None:
        _answer()


def forget() -> None:
    """Begin anew, without touching the database: for a test, or a forked child."""
    global _here
    wake, _here = _here.wake, _Here()
    _here.wake = wake


def take(
    client: str, wanted: Mapping[Measure, tuple[int, int]], now: float, *, waited: bool = False
) -> Full | Verdict | None:
    """Use, of each measure, (limit, units) now: all or nothing. None: taken. `Verdict.ASK`: wait for `asked` and try again.

    Who has `waited` is told yes or no, as soon as the pool has answered.
    """
    taken: list[tuple[Meter, int]] = []
    asks = _here.wake is not None and not _here.is_away
    with _here.lock:
        for measure, (limit, units) in wanted.items():
            meter = _meter(client, measure, limit)
            verdict = meter.take(units, now, asks=asks, waited=waited)
            if verdict is Verdict.TAKEN:
                taken.append((meter, min(units, limit)))
                continue
            for other, back in taken:
                other.correct(int(now), -back)
            return Full(measure, limit, meter.frees_in(units, now)) if verdict is Verdict.FULL else Verdict.ASK
    return None


def _meter(client: str, measure: Measure, limit: int) -> Meter:
    meter = _here.meters.get((client, measure))
    if meter is None:
        meter = _here.meters[client, measure] = Meter(limit, settings.WORKERS)
    meter.limit = limit
    return meter


def correct(client: str, measure: Measure, second: int, units: int) -> None:
    """Of what was taken in that second, so much more was used (below 0: less)."""
    meter = _here.meters.get((client, measure))
    if meter is not None and units:
        with _here.lock:
            meter.correct(second, units)


def room(client: str, measure: Measure, limit: int, now: float) -> tuple[int, float]:
    """(units left of this minute, seconds until all of them are), as this process knows it."""
    with _here.lock:
        meter = _meter(client, measure, limit)
        return meter.room(now), limits.frees_in(limits.added(meter.mine, meter.others), limit, limit, now)


async def asked(within_s: float = ASK_S) -> None:
    """Returns when the pools have been asked, or after so long."""
    if _here.wake is None:
        return
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[None] = loop.create_future()
    with _here.lock:
        _here.waiting.append((loop, answered))
    pause = _here.asked_at + AGAIN_S - time.monotonic()
    if pause > 0:
        loop.call_later(pause, _here.wake)
    else:
        _here.wake()
    await asyncio.wait((answered,), timeout=within_s)


def exchange(now: float) -> None:
    """Tell the pools what was used here and get new parts. Raises what PostgreSQL raises; then it stays to be told."""
    _here.asked_at = time.monotonic()
    with _here.lock:
        _forget_idle(now)
        due = {metered: meter for metered, meter in _here.meters.items() if meter.is_due(now)}
    if not due:
        return
    telling: dict[Metered, Telling] = {}
    try:
        with transaction.atomic():
            rows = _locked(due)
            with _here.lock:
                telling.update({metered: meter.tell(now) for metered, meter in due.items()})
            pools = {
                metered: _exchanged(rows.get(metered), due[metered].limit, telling[metered], now) for metered in due
            }
    except Exception:
        with _here.lock:
            for metered, told in telling.items():
                due[metered].not_told(told)
        raise
    with _here.lock:
        for metered, told in telling.items():
            due[metered].told(pools[metered], _here.name, told, now)
    _here.is_away = False
    _answer()


def _exchanged(row: LimitPool | None, limit: int, telling: Telling, now: float) -> Pool:
    """The pool with what was told, and our new part. Without a row the client is gone: its last calls share with nobody."""
    pool = limits.exchanged(_pool(row) if row else Pool(), _here.name, telling, limit=limit, now=now)
    if row is not None:
        _write(row, pool)
    return pool


_MAKE = """
INSERT INTO routing_limitpool (client_id, measure, slots, holds, told_at)
SELECT id, %s, '{}', '{}', now() FROM routing_client WHERE slug = %s
ON CONFLICT (client_id, measure) DO NOTHING
"""


def _locked(metered: Iterable[Metered]) -> dict[Metered, LimitPool]:
    """The rows of the pools, made where there are none yet, locked in one order."""
    wanted = sorted(metered)
    found = _rows(wanted)
    if len(found) < len(wanted):
        with connection.cursor() as cursor:
            for client, measure in wanted:
                if (client, measure) not in found:
                    cursor.execute(_MAKE, [measure.value, client])
        found = _rows(wanted)
    return found


def _rows(wanted: list[Metered]) -> dict[Metered, LimitPool]:
    rows = LimitPool.objects.select_for_update(of=("self",)).select_related("client").order_by("pk")
    found = {
        (row.client.slug, Measure(row.measure)): row for row in rows.filter(client__slug__in={c for c, _ in wanted})
    }
    return {metered: found[metered] for metered in wanted if metered in found}


def _pool(row: LimitPool) -> Pool:
    slots = {int(second): units for second, units in row.slots.items()}
    return Pool(slots, {name: Hold(*hold) for name, hold in row.holds.items()})


def _write(row: LimitPool, pool: Pool) -> None:
    row.slots = {str(second): units for second, units in pool.slots.items()}
    row.holds = {name: [hold.units, hold.told_at, hold.is_hungry] for name, hold in pool.holds.items()}
    row.told_at = datetime.now(UTC)
    row.save(update_fields=["slots", "holds", "told_at"])


def _forget_idle(now: float) -> None:
    """Leave the pools of clients that have not called here for long. A part that is not confirmed any more is free soon."""
    for metered, meter in list(_here.meters.items()):
        if meter.used_at + limits.WINDOW_S + limits.SLOT_S < now and not meter.untold and not meter.wanted:
            del _here.meters[metered]


def away() -> None:
    """PostgreSQL cannot be asked: go by what is known until `exchange` succeeds."""
    _here.is_away = True
    _answer()


def _answer() -> None:
    with _here.lock:
        waiting, _here.waiting = _here.waiting, []
    for loop, answered in waiting:
        if not loop.is_closed():
            loop.call_soon_threadsafe(_done, answered)


def _done(answered: "asyncio.Future[None]") -> None:
    if not answered.done():
        answered.set_result(None)


def usage(now: float) -> dict[Metered, int]:
    """What all processes together used in the last minute, as they last told: for pages and the API."""
    rows = LimitPool.objects.select_related("client")
    return {(row.client.slug, Measure(row.measure)): max(limits.used(_pool(row).slots, now), 0) for row in rows}
