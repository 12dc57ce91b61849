"""The last 30 s of each process, told to the others: half of 20 calls may have failed over all workers and of none of them.

A process tells of a model only while it, or another, has seen it fail. While all is well nothing is written.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Sum

from routing.circuits.shared import Shared
from routing.circuits.writing import Served
from routing.models import CircuitWindow
from routing.policy.circuit import is_bad, recent_of

FRESH_S = 5.0  # what a process told longer ago than that says nothing of now
AGAIN_S = 2.0  # what has not changed is told again after that

_TELL = """
INSERT INTO routing_circuitwindow (provider, model, process, calls, failures, told_at) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (provider, model, process) DO UPDATE SET
    calls = EXCLUDED.calls, failures = EXCLUDED.failures, told_at = EXCLUDED.told_at
"""


def share(shared: Shared, now: datetime) -> list[Served]:
    """Tell what this process saw, and read what the others did. The models that failed here too and that all together find bad."""
    mine = dict(_mine(shared, now))
    if not mine and not shared.told:
        return []
    _tell(shared, mine, now)
    others = _others(shared, now)
    shared.watched = set(others)
    return [
        served
        for served, (calls, failures) in mine.items()
        if failures and served in others and is_bad(calls + others[served][0], failures + others[served][1])
    ]


def _mine(shared: Shared, now: datetime) -> Iterator[tuple[Served, tuple[int, int]]]:
    with shared.lock:
        circuits = list(shared.circuits.items())
    for served, circuit in circuits:
        seen = (0, 0) if circuit.is_open else recent_of(circuit, now)
        if seen[0]:
            yield served, seen


def _tell(shared: Shared, mine: dict[Served, tuple[int, int]], now: datetime) -> None:
    moment = now.timestamp()
    for served, (calls, failures) in mine.items():
        before = shared.told.get(served)
        is_news = before is None or before[:2] != (calls, failures) or before[2] + AGAIN_S < moment
        if (failures or served in shared.watched) and is_news:
            with connection.cursor() as cursor:
                cursor.execute(_TELL, [*served, shared.process, calls, failures, now])
            shared.told[served] = calls, failures, moment
    for served in shared.told.keys() - mine.keys():
        CircuitWindow.objects.filter(provider=served[0], model=served[1], process=shared.process).delete()
        del shared.told[served]


def _others(shared: Shared, now: datetime) -> dict[Served, tuple[int, int]]:
    rows = CircuitWindow.objects.filter(told_at__gt=now - timedelta(seconds=FRESH_S)).exclude(process=shared.process)
    sums = rows.values_list("provider", "model").annotate(calls=Sum("calls"), failures=Sum("failures"))
    return {(provider, model): (calls, failures) for provider, model, calls, failures in sums}


def prune(now: datetime) -> None:
    """Forget what dead processes told."""
    CircuitWindow.objects.filter(told_at__lt=now - timedelta(minutes=1)).delete()
