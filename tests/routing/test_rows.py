"""Calls that are new take a shorter way to the tables: nothing else may tell the two ways apart."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from routing import rows
from routing.drain import folders, lines
from routing.models import Attempt, Call, WorkItem
from routing.recorder import _encode
from routing.terms.record import Intent, Outcome
from routing.terms.words import Status
from tests.routing.spooled import T0, attempt, failed, intent, outcome

pytestmark = pytest.mark.django_db


def row(call: Intent, end: Outcome) -> lines.Rows:
    """As the drain reads it out of the spool."""
    line = lines.LINE.decode(b'{"intent":%b,"outcome":%b}' % (_encode(call), _encode(end)))
    return lines.finished(line.intent, line.outcome)


def several() -> list[lines.Rows]:
    """Two of a session, one over two months, one that fell back, one refused, one without a price."""
    first, second = (intent(T0 + timedelta(seconds=n), session="s1", item=T0_ITEM) for n in (5, 2))
    later = intent(datetime(2031, 3, 1, tzinfo=UTC), client="other\t\\N")
    fallen, refused, unpriced = (intent(T0 + timedelta(minutes=n)) for n in (1, 2, 3))
    return [
        row(first, outcome(first.id)),
        row(second, outcome(second.id)),
        row(later, outcome(later.id)),
        row(fallen, outcome(fallen.id, failed(cost_usd=Decimal("0.1")), attempt(2, cost_usd=Decimal("0.00000000005")))),
        row(refused, Outcome(refused.id, T0, Status.BLOCKED, ())),
        row(unpriced, outcome(unpriced.id, attempt(cost_usd=None))),
    ]


T0_ITEM = intent().item


def write(made: list[lines.Rows]) -> rows.Written:
    with transaction.atomic(), connection.cursor() as cursor:
        return rows.write(cursor, [call for call, _ in made], [each for _, of_call in made for each in of_call])


def tables() -> list[list[dict[str, Any]]]:
    of_calls = Call.objects.order_by("id").values(*rows.CALL_COLUMNS)
    return [
        list(of_calls),
        list(Attempt.objects.order_by("call_id", "attempt").values()),
        list(WorkItem.objects.order_by("id").values()),
    ]


def test_both_ways_write_the_same_and_tell_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    made = several()
    told, seen = [], []
    for is_new in (True, False):
        if not is_new:
            monkeypatch.setattr(rows, "_stage_new", lambda *_: False)
        sid = transaction.savepoint()
        written = write(made)
        told.append((written.calls, written.attempts, written.items, sorted(written.costs, key=repr)))
        seen.append(tables())
        transaction.savepoint_rollback(sid)
    assert told[0] == told[1]
    assert told[0][:3] == (6, 6, 4)
    assert seen[0] == seen[1]


@pytest.mark.parametrize("known", [slice(0, 1), slice(2, 5), slice(0, 6)], ids=["one", "some", "all"])
def test_a_batch_with_calls_that_are_there_adds_only_the_others(known: slice) -> None:
    made = several()
    before = write(made[known])
    written = write(made)
    assert (before.calls + written.calls, Call.objects.count()) == (6, 6)
    write(made + made)
    assert (Call.objects.count(), Attempt.objects.count()) == (6, 6)


def test_calls_that_another_writes_between_the_look_and_the_copy_are_rows_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = several()
    write(made[:3])
    look: Callable[..., bool] = rows._stage_new
    monkeypatch.setattr(rows, "_stage_new", lambda *given: look(*given) or True)  # as it was a moment ago
    with pytest.raises(IntegrityError):
        write(made)
    done = folders.Drained()
    assert folders._written([(0, b"", each) for each in made], done) == []
    assert (done.calls, Call.objects.count(), Attempt.objects.count()) == (3, 6, 6)
