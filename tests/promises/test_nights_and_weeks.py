"""Nightly and weekly: on time, twice, five times at once, delivered again or a week late, one result a date and the same bytes."""

import datetime as dt
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import models

from analytics import tasks
from analytics.models import Block, Comparison, Proposal, Review, Rollup, Tally, YardstickState
from routing.models import JobRun
from tests import threads
from tests.analytics.conftest import DAY, NIGHT, summaries, table  # noqa: F401

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("table")]

RESULTS = (Review, Proposal, Comparison, Block, Rollup, Tally, YardstickState)
NIGHTS, CALLS = 15, 8  # from Wednesday of 2026-W24 on; in the first of them there are calls
WEEKS = ["2026-W24", "2026-W25"]  # that are over by then
Deliver = Callable[[], None]


def results() -> dict[str, list[str]]:
    """All that nights and weeks leave, without the names of rows and the moments of their making."""
    found = {}
    for model in RESULTS:
        names = [
            field.name
            for field in model._meta.concrete_fields
            if not (field.primary_key or field.is_relation or isinstance(field, models.DateTimeField))
        ]
        found[model.__name__] = sorted(map(str, model.objects.values(*names)))
    runs = JobRun.objects.filter(job__in=("nightly", "weekly")).order_by("job", "key")
    found["runs"] = [str(each) for each in runs.values_list("job", "key", "status", "dirty", "result_sha256")]
    return found


def wipe() -> None:
    for model in (*RESULTS, JobRun):
        model.objects.all().delete()


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Callable[[dt.date], None]:
    """It is the morning of that day for who sends the jobs."""

    def at(day: dt.date) -> None:
        moment = dt.datetime.combine(day, dt.time(2), dt.UTC)
        monkeypatch.setattr(tasks, "timezone", SimpleNamespace(now=lambda: moment))

    return at


def both() -> None:
    tasks.nightly()
    tasks.weekly()


def daily(on: Callable[[dt.date], None], deliver: Deliver) -> None:
    for number in range(1, NIGHTS + 1):
        on(NIGHT + number * DAY)
        deliver()


def at_once() -> None:
    """Five workers take the same messages."""
    threads.at_once(both, 5)


def twice(on: Callable[[dt.date], None]) -> None:
    daily(on, lambda: (both(), both()))  # type: ignore[arg-type, return-value]


def redelivered(on: Callable[[dt.date], None]) -> None:
    """Each message comes once more when all is done: the broker had not heard that it was."""
    daily(on, both)
    daily(on, both)


def five_at_once(on: Callable[[dt.date], None]) -> None:
    daily(on, at_once)


def a_week_late(on: Callable[[dt.date], None]) -> None:
    """The last message that came was that of a week ago."""
    for number in (1, NIGHTS - 7, NIGHTS):
        on(NIGHT + number * DAY)
        both()


_in_time: dict[str, list[str]] = {}  # what each night and week leaves when it is done once, on its day


@pytest.mark.parametrize("way", [twice, redelivered, five_at_once, a_week_late], ids=lambda way: way.__name__)
def test_it_is_one_result_a_date_and_the_same_bytes(on: Any, way: Callable[[Any], None]) -> None:
    summaries(CALLS, per_night=12)
    wipe()  # what the world's making has run
    if not _in_time:
        daily(on, both)
        _in_time.update(results())
        wipe()
    done = [f"('nightly', '{NIGHT + number * DAY}', 'done', False, " for number in range(NIGHTS)]
    done += [f"('weekly', '{week}', 'done', False, " for week in WEEKS]
    assert [told.startswith(run) for told, run in zip(_in_time["runs"], done, strict=True)] == [True] * len(done)
    assert len(_in_time["Review"]) == len(WEEKS)

    way(on)
    assert results() == _in_time
