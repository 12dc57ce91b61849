"""The sample history: made once, continued daily, and judged by the real nightly job."""

import csv
import datetime as dt
import io

import pytest
import time_machine

from analytics import queries
from analytics.models import Comparison, Review
from cortex import sample
from routing import records
from routing.models import Attempt, Call, JobRun, Label, WorkItem

NOW = dt.datetime(2026, 11, 22, 9, tzinfo=dt.UTC)


@pytest.mark.django_db
def test_it_is_made_once_and_continued_the_next_day() -> None:
    with time_machine.travel(NOW, tick=False):
        first = sample.ensure(days=9)
        assert first.added_calls == Call.objects.count() > 2_000
        again = sample.ensure(days=9)
        assert (again.added_calls, Call.objects.count()) == (0, first.added_calls)
    with time_machine.travel(NOW + dt.timedelta(days=1), tick=False):
        later = sample.ensure(days=9)
    days = WorkItem.objects.dates("opened_at", "day")
    assert (days[0], days[len(days) - 1], len(days)) == (dt.date(2026, 11, 13), dt.date(2026, 11, 22), 10)
    assert Call.objects.count() == first.added_calls + later.added_calls
    assert JobRun.objects.filter(job="nightly", status="done", dirty=False).count() == 10
    assert [one.week for one in Review.objects.order_by("week")] == ["2026-W46", "2026-W47"]


@pytest.mark.django_db
def test_every_row_says_that_it_is_simulated_and_nothing_lies_ahead() -> None:
    with time_machine.travel(NOW, tick=False):
        sample.ensure(days=3)
    assert not Call.objects.filter(simulated=False).exists()
    assert not Attempt.objects.filter(simulated=False).exists()
    assert not WorkItem.objects.filter(simulated=False).exists()
    assert not Attempt.objects.filter(status="ok", cost_usd=None).exists()
    midnight = NOW.replace(hour=0)
    assert not Call.objects.filter(started_at__gte=midnight).exists()
    assert not Label.objects.filter(observed_at__gte=midnight).exists()
    assert Comparison.objects.filter(simulated=True, task_type="code_search", challenger="gemini:gemini-flash").exists()


@pytest.mark.django_db
def test_its_export_says_of_every_graded_item_what_the_pages_say() -> None:
    with time_machine.travel(NOW, tick=False):
        sample.ensure(days=3)
        lines = csv.DictReader(io.StringIO("".join(records.export(records.Filters(task_type="code_search"), "csv"))))
        said = [line["success"] for line in lines if line["success"]]
        success = queries.totals((NOW - dt.timedelta(days=3)).date(), NOW.date(), "code_search").success
    assert success is not None
    assert (said.count("1"), len(said)) == (success.successes, success.n)


@pytest.mark.django_db
def test_the_same_days_are_the_same_rows() -> None:
    with time_machine.travel(NOW, tick=False):
        sample.ensure(days=2)
    before = set(Call.objects.values_list("id", "routed_model", "cost_usd", "total_ms"))
    Call.objects.all().delete()
    Attempt.objects.all().delete()
    WorkItem.objects.all().delete()
    with time_machine.travel(NOW, tick=False):
        sample.ensure(days=2)
    assert set(Call.objects.values_list("id", "routed_model", "cost_usd", "total_ms")) == before
