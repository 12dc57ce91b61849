"""Usage as our own calls tell it: what a quota's models were called for since the window began, as a share of its limit."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from routing import usage
from routing.models import Attempt, Model, Provider, Quota
from routing.terms.ids import uuid7
from routing.terms.words import ProviderKind, Role, Status

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)  # a Wednesday
HOUR = timedelta(hours=1)


@pytest.fixture
def quota(db: None) -> Quota:
    with connection.cursor() as cursor:
        cursor.execute("SELECT routing_partition(%s)", [NOW.date()])
    provider = Provider.objects.create(slug="openai", kind=ProviderKind.OPENAI)
    made = Quota.objects.create(slug="codex-cli", provider=provider, windows=[{"name": "weekly", "limit": 50}])
    for slug, its in (("codex", made), ("gpt-4o", None)):
        Model.objects.create(provider=provider, slug=slug, upstream_id=slug, quota=its)
    return made


def called(at: datetime, model: str = "codex", *, status: Status = Status.OK, **values: Any) -> None:
    Attempt.objects.create(
        call_id=uuid7(at),
        attempt=1,
        started_at=at,
        provider="openai",
        model=model,
        role=Role.PRIMARY,
        status=status,
        **values,
    )


def percents() -> dict[str, float]:
    usage.compute(NOW)
    return {each.window: each.percent for each in usage.readings(NOW)}


def test_answered_calls_of_its_models_since_monday_count(quota: Quota) -> None:
    monday = datetime(2026, 11, 23, tzinfo=UTC)
    for moment in (monday, monday + HOUR, NOW - HOUR):
        called(moment)
    called(monday - timedelta(milliseconds=1))
    called(NOW - HOUR, "gpt-4o")
    called(NOW - HOUR, status=Status.ERROR)
    called(NOW - HOUR, simulated=True)
    assert percents() == {"codex-cli weekly": 6.0}  # 3 of 50


def test_the_window_begins_where_its_provider_said_that_it_resets(quota: Quota) -> None:
    usage.record("openai", "weekly", 1, NOW + HOUR, NOW)  # so it began 167 hours ago, last Wednesday
    called(NOW - timedelta(hours=166))
    called(NOW - timedelta(hours=168))
    assert percents()["codex-cli weekly"] == 2.0
    assert next(each for each in usage.windows(NOW) if each.source == "computed").resets_at == NOW + HOUR


def test_tokens_and_money_are_counted_by_their_own_unit(quota: Quota) -> None:
    called(NOW - HOUR, input_tokens=900, output_tokens=100, cost_usd=Decimal("1.25"))
    called(NOW - HOUR, input_tokens=None, output_tokens=None, cost_usd=Decimal("0.75"))
    # The eight hours that are open at noon began at 08:00: Monday at midnight and seven times eight hours.
    quota.windows = [{"name": "8h", "limit": 4000, "unit": "tokens"}, {"name": "weekly", "limit": 10, "unit": "usd"}]
    quota.save()
    assert percents() == {"codex-cli 8h": 25.0, "codex-cli weekly": 20.0}


def test_money_without_a_price_is_unknown_and_never_nothing(quota: Quota) -> None:
    called(NOW - HOUR, cost_usd=None)
    quota.windows = [{"name": "weekly", "limit": 10, "unit": "usd"}]
    quota.save()
    assert percents() == {}


def test_simulated_calls_fill_the_window_of_a_simulated_provider_alone(quota: Quota) -> None:
    Provider.objects.update(simulate=True)
    called(NOW - HOUR, simulated=True)
    called(NOW - HOUR)
    assert percents() == {"codex-cli weekly": 2.0}


@pytest.mark.parametrize(
    "window", [{"name": "weekly"}, {"name": "weekly", "limit": None}, {"name": "pool", "limit": 5}]
)
def test_without_a_limit_or_a_length_nothing_is_computed(quota: Quota, window: dict[str, Any]) -> None:
    quota.windows = [window]
    quota.save()
    called(NOW - HOUR)
    assert percents() == {}
