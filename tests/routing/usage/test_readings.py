"""Readings and thresholds: the highest counts, each threshold is told once a window, what is stale is unknown."""

from datetime import UTC, datetime, timedelta

import pytest

from routing import usage
from routing.models import Alert, Curve, Provider, Quota, UsageReading
from routing.policy.health import STALE_AFTER
from routing.terms.words import ProviderKind, Severity

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)  # a Wednesday
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _providers(db: None) -> None:
    for slug in ("anthropic", "openai"):
        Provider.objects.create(slug=slug, kind=ProviderKind(slug))


def push(
    percent: float, at: datetime = NOW, window: str = "weekly", resets_at: datetime | None = None
) -> tuple[int, ...]:
    return usage.record("anthropic", window, percent, resets_at, at).crossed


def open_titles() -> list[str]:
    return list(Alert.objects.filter(kind="usage", resolved_at=None).order_by("pk").values_list("title", flat=True))


def test_a_jump_from_10_to_85_tells_20_40_60_and_80_once() -> None:
    assert push(10) == ()
    assert push(85, NOW + HOUR) == (20, 40, 60, 80)
    assert push(86, NOW + 2 * HOUR) == ()
    assert open_titles() == [f"anthropic weekly has reached {step} % of its usage" for step in (20, 40, 60, 80)]


def test_80_95_and_100_are_worth_an_interruption_unless_somebody_sets_others(settings) -> None:
    push(100)
    told = Alert.objects.filter(kind="usage").order_by("pk")
    assert [one.severity for one in told] == [*[Severity.INFO] * 3, "warning", "info", "warning", "critical"]
    settings.USAGE_NOTIFY_AT = (90,)
    push(100, window="5h")
    assert [one.severity for one in told.filter(title__contains="5h")] == [
        *[Severity.INFO] * 4,
        "warning",
        "info",
        "info",
    ]


def test_each_says_when_it_will_be_full_at_todays_pace() -> None:
    push(10, NOW - 4 * HOUR)
    push(50)
    assert {one.detail for one in Alert.objects.all()} == {"It is at 50 %. At today's pace it is full at 17:00."}


def test_after_its_reset_a_window_is_told_of_again() -> None:
    reset = NOW + 5 * HOUR
    assert push(45, resets_at=reset) == (20, 40)
    assert push(45, NOW + HOUR, resets_at=reset + timedelta(seconds=40)) == (), "a reset named a little differently"
    assert usage.close(reset - HOUR) == 0
    assert usage.close(reset) == 2
    assert open_titles() == []
    assert push(25, reset + HOUR, resets_at=reset + 5 * HOUR) == (20,)


def test_a_window_whose_reset_nobody_names_is_told_of_again_once_it_has_emptied() -> None:
    assert push(45) == (20, 40)
    assert push(39, NOW + HOUR) == (), "a vendor's rounding is no reset"
    assert push(41, NOW + 2 * HOUR) == ()
    assert push(3, NOW + 3 * HOUR) == ()
    assert open_titles() == []
    assert push(41, NOW + 4 * HOUR) == (20, 40)


def test_a_reading_of_a_window_that_is_over_tells_nothing() -> None:
    assert push(90, resets_at=NOW - HOUR) == ()


def test_of_a_pushed_and_a_computed_reading_the_higher_counts_and_an_old_one_not_at_all() -> None:
    push(50)
    usage.record("anthropic", "weekly", 60, None, NOW + HOUR, source="computed")
    assert [(each.percent, each.source) for each in usage.readings(NOW + HOUR)] == [(60, "computed")]
    assert [each.percent for each in usage.readings(NOW + STALE_AFTER + HOUR / 2)] == [60]
    assert usage.readings(NOW + STALE_AFTER + HOUR) == ()


def test_a_computed_reading_that_stays_is_not_written_again_within_the_hour() -> None:
    for minutes in (0, 1, 30, 61):
        usage.record("anthropic", "weekly", 50, None, NOW + timedelta(minutes=minutes), source="computed")
    assert UsageReading.objects.count() == 2


def test_stale_and_missing_windows_are_unknown_with_the_reason() -> None:
    push(50)
    Quota.objects.create(
        slug="codex-cli",
        provider=Provider.objects.get(slug="openai"),
        windows=[{"name": "weekly", "limit": None}, {"name": "pool", "limit": 5}, {"name": "5h", "limit": 5}],
    )
    told = {each.window: (each.percent, each.reason) for each in usage.windows(NOW + timedelta(hours=7))}
    assert told == {
        "weekly": (None, "not read since 25 Nov 12:00"),
        "codex-cli weekly": (None, "never read, and no limit is set to compute it from"),
        "codex-cli pool": (None, "never read, and neither its hours nor its name say how long it is"),
        "codex-cli 5h": (None, "not read yet"),
    }


def test_a_window_that_nobody_reads_any_more_is_told_of_once_until_it_is_read() -> None:
    push(50)
    late = NOW + timedelta(hours=7)
    assert [usage.warn_of_unknown(NOW + HOUR), usage.warn_of_unknown(late), usage.warn_of_unknown(late)] == [0, 1, 0]
    assert "is unknown" in Alert.objects.get(kind="usage_unknown", resolved_at=None).title
    push(51, late)
    assert not Alert.objects.filter(kind="usage_unknown", resolved_at=None).exists()


def test_todays_readings_are_of_the_day_in_the_configured_zone(settings) -> None:
    settings.TIME_ZONE = "Europe/Berlin"  # its day began at 23:00 UTC
    for hours in (14, 12.5, 1):
        push(10, NOW - timedelta(hours=hours))
    ((provider, window, points),) = usage.today(NOW)
    assert (provider, window, len(points)) == ("anthropic", "weekly", 2)


def test_old_readings_are_forgotten() -> None:
    push(10, NOW - timedelta(days=36))
    push(10)
    assert (usage.prune(NOW), UsageReading.objects.count()) == (1, 1)


def test_a_reading_of_an_unknown_provider_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(usage.Unknown, match="Known: anthropic, openai"):
        usage.record("mars", "weekly", 1, None, NOW)


def test_no_curve_needs_no_reading() -> None:
    assert not Curve.objects.exists()
    assert usage.windows(NOW) == []
