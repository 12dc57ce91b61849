"""Models that end: told in time, with the routes that name them, and never dispatched to afterwards."""

from datetime import date, timedelta

import pytest
from django.test import Client as Http

from routing import changes, clients, lifecycle, snapshot
from routing.audit import SYSTEM
from routing.models import Alert
from routing.policy.plan import plan
from routing.terms.request import Ask
from routing.terms.words import Scope, SkipReason
from tests.routing.seeded import load_simulated

pytestmark = pytest.mark.django_db

# platform.claude.com/docs/en/about-claude/model-deprecations: claude-sonnet-4-5-20250929
DEPRECATED, RETIRES = date(2026, 9, 30), date(2026, 11, 30)
OLD = "anthropic:sonnet-4.5"


@pytest.fixture(autouse=True)
def _seed(db: None) -> None:
    load_simulated()


def use_it() -> None:
    changes.change_route("general", [OLD, "anthropic:haiku"], by=SYSTEM, reason="")


def test_the_seed_knows_when_its_one_old_model_ends() -> None:
    (only,) = lifecycle.listed(date(2026, 11, 22))
    assert (only.model, only.deprecated_at, only.retire_at) == (OLD, DEPRECATED, RETIRES)
    assert (only.days_left, only.routes) == (8, ())


@pytest.mark.parametrize(
    ("today", "state"),
    [
        (DEPRECATED - timedelta(days=1), lifecycle.CURRENT),
        (DEPRECATED, lifecycle.DEPRECATED),
        (RETIRES - timedelta(days=31), lifecycle.DEPRECATED),
        (RETIRES - timedelta(days=30), lifecycle.ENDING),
        (RETIRES - timedelta(days=1), lifecycle.ENDING),
        (RETIRES, lifecycle.RETIRED),
    ],
)
def test_a_model_goes_from_current_to_retired(today: date, state: str) -> None:
    assert lifecycle.listed(today)[0].state == state


def test_a_route_within_thirty_days_of_the_end_is_an_alert_until_it_is_settled() -> None:
    assert lifecycle.warn(date(2026, 11, 22)) == []  # nobody uses it
    use_it()
    lifecycle.warn(date(2026, 11, 22))
    lifecycle.warn(date(2026, 11, 23))
    alert = Alert.objects.get()
    assert alert.title == "sonnet-4.5 retires on 30 November 2026"
    assert alert.detail.endswith("Routes that name it: general.")
    changes.change_route("general", ["anthropic:sonnet"], by=SYSTEM, reason="its successor")
    lifecycle.warn(date(2026, 11, 24))
    assert Alert.objects.get().resolved_at is not None


def test_a_retired_model_is_another_alert_and_is_not_dispatched_to() -> None:
    use_it()
    lifecycle.warn(RETIRES - timedelta(days=1))
    lifecycle.warn(RETIRES)
    ending, over = Alert.objects.order_by("created_at")
    assert ending.resolved_at is not None
    assert (over.title, over.severity, over.resolved_at) == (
        "sonnet-4.5 retired on 30 November 2026 and will be skipped",
        "critical",
        None,
    )
    known = snapshot.load_now()
    at = known.read_at.replace(year=2026, month=11, day=30, hour=0, minute=0)
    made = plan(known.table, Ask("general"), known.health, at)
    assert [each.key for each in made.candidates] == ["anthropic:haiku"]
    assert next(each.reason for each in made.skipped if each.key == OLD) is SkipReason.RETIRED


def test_endings_over_http() -> None:
    use_it()
    key = clients.create_key("ops", by=SYSTEM, scopes=[Scope.READ]).key
    (item,) = Http().get("/api/v1/lifecycle", headers={"X-Cortex-Key": key}).json()["items"]
    assert (item["model"], item["retire_at"], item["routes"]) == (OLD, "2026-11-30", ["general"])
