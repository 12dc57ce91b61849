"""The real sets load as they are. Their numbers are those of benchmarks/data/README.md and of the files themselves."""

import csv
import io
from decimal import Decimal

import pytest
from django.db.models import Max

from benchmarks import datasets, replay
from routing.imports import load
from routing.models import Attempt, Call, Label, Model, Route

pytestmark = pytest.mark.django_db


def as_file(name: str) -> io.BytesIO:
    text = io.StringIO()
    writer = csv.DictWriter(text, datasets.COLUMNS, restval="")
    writer.writeheader()
    writer.writerows(datasets.SETS[name]())
    return io.BytesIO(text.getvalue().encode())


def test_the_aider_trace_loads_with_its_failures_and_its_outlier() -> None:
    done = load(as_file("aider"), "aider.csv")
    assert (done.added, done.bad, done.errors) == (6509, 0, ())
    assert Model.objects.count() == 108
    statuses = {
        status: Call.objects.filter(status=status).count() for status in ("ok", "unknown", "error", "cancelled")
    }
    assert statuses == {
        "ok": 5563,
        "unknown": 885,
        "error": 59,
        "cancelled": 2,
    }  # of 61 exceptions 2 were the user's own
    assert Attempt.objects.aggregate(Max("cost_usd"))["cost_usd__max"] == Decimal("9990.01252875")
    assert Call.objects.filter(cost_usd=None).count() == 885 + 61
    assert Route.objects.count() == 13  # the kinds of work, one of them unsaid
    assert load(as_file("aider"), "aider.csv").unchanged == 6509


def test_the_provider_latency_set_loads() -> None:
    done = load(as_file("llmperf"), "llmperf.csv")
    assert (done.added, done.bad) == (2845, 0)
    assert (Attempt.objects.filter(error_kind="rate_limit").count(), Call.objects.filter(status="error").count()) == (
        392,
        393,
    )
    assert Label.objects.filter(verdict="bad").count() == 146


def test_the_bfcl_replay_loads() -> None:
    rows = replay.import_rows(replay.load(), nights=2, per_night=20, share=0.1, seed=1)
    content = rows.to_csv(index=False).encode()
    done = load(io.BytesIO(content), "bfcl.csv")
    assert (done.added, done.bad) == (12 * 2 * 20, 0)
    assert {route.steps.get().model.key for route in Route.objects.all()} == {replay.PRIMARY}
    assert load(io.BytesIO(content), "bfcl.csv").unchanged == done.added
