"""Where a budget stands is said alike by the API, the status, the terminal and the spend page."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client

from routing import budgets, snapshot
from routing.models import Budget
from routing.terms.words import BudgetAction
from tests.routing.budgets.conftest import budget
from tests.routing.seeded import seeded  # noqa: F401

NOON = datetime(2026, 11, 16, tzinfo=UTC)  # half of November is over
pytestmark = pytest.mark.django_db


@pytest.fixture
def spent() -> Budget:
    month = budgets.month_of(datetime.now(UTC))[0].date()
    return budget(
        "task:bulk_ops", "50", BudgetAction.DEGRADE, month=month, spent_usd=Decimal(20), reserved_usd=Decimal("2.5")
    )


def test_a_forecast_goes_on_at_the_pace_so_far_and_a_past_month_is_none_of_this_ones(spent: Budget) -> None:
    Budget.objects.update(month=NOON.date().replace(day=1))
    (one,) = budgets.standings(NOON)
    assert (one.left, one.forecast, one.share, one.state, one.goes_beyond) == (
        Decimal("27.5"),
        40,
        0.4,
        "within",
        False,
    )
    (next_,) = budgets.standings(NOON + timedelta(days=30))
    assert (next_.spent, next_.reserved, next_.left) == (0, 0, 50)


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({"spent_usd": 50}, "degraded"),
        ({"spent_usd": 50, "at_limit": "block"}, "blocked"),
        ({"spent_usd": 51, "at_limit": "alert"}, "reached"),
        ({"spent_usd": 51, "enabled": False}, "off"),
    ],
)  # fmt: skip
def test_the_state_says_what_the_limit_does(spent: Budget, change: dict[str, object], state: str) -> None:
    Budget.objects.update(**change)
    assert budgets.standings(datetime.now(UTC))[0].state == state


def test_the_api_the_status_and_the_terminal_say_the_same(seeded: str, spent: Budget) -> None:  # noqa: F811
    said = {"spent_usd": "20", "reserved_usd": "2.5", "left_usd": "27.5", "state": "within"}

    def get(path: str) -> dict[str, object]:
        told: dict[str, object] = Client().get(f"/api/v1/{path}", headers={"X-Cortex-Key": seeded}).json()
        return told

    assert get("budgets/task:bulk_ops").items() >= ({"scope": "task:bulk_ops", "monthly_usd": "50"} | said).items()
    status = get("status")["budgets"]
    assert isinstance(status, list)
    assert status[0].items() >= ({"scope": "task:bulk_ops", "at_limit": "degrade"} | said).items()
    out = StringIO()
    call_command("routing", "status", stdout=out)
    assert "budget of task:bulk_ops: $20 of $50 spent, $2.5 reserved, $27.5 left" in out.getvalue()


def test_explain_and_the_pre_flight_name_the_budget_that_degrades(seeded: str, spent: Budget) -> None:  # noqa: F811
    Budget.objects.filter(pk=spent.pk).update(scope="task:complex_reasoning", spent_usd=50)
    snapshot.load_now()
    answer = Client().post(
        "/api/v1/route/explain",
        json.dumps({"task_type": "complex_reasoning", "prompt": "x"}),
        content_type="application/json",
        headers={"X-Cortex-Key": seeded},
    )
    why = "degraded by the budget of task:complex_reasoning"
    told = answer.json()
    assert next(each for each in told["skipped"] if each["model"] == "opus")["detail"] == why
    assert told["candidates"][0]["model"] == "gpt-4o"
    checked = Client().get("/api/v1/preflight?task=complex_reasoning", headers={"X-Cortex-Key": seeded}).json()
    assert (checked["model"], why in checked["reason"]) == ("openai:gpt-4o", True)
