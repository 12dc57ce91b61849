"""How long a window is, and when the one that is open began and ends."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from routing.usage.spans import bounds, hours_of

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)  # a Wednesday


@pytest.mark.parametrize(
    ("name", "hours"),
    [
        ("5h", 5), ("5 h", 5), ("weekly", 168), ("Codex weekly", 168), ("daily", 24), ("7 days", 168), ("1.5 hours", 1.5), ("24-hour", 24),
        ("monthly", None), ("0h", None), ("opus", None), ("gpt-5.2", None), ("", None),
    ],
)  # fmt: skip
def test_a_name_says_how_long_a_window_is(name: str, hours: float | None) -> None:
    assert hours_of(name) == hours


def test_set_hours_win_over_the_name() -> None:
    assert hours_of("weekly", 100) == 100


def test_a_week_begins_on_monday_at_midnight_in_the_zone() -> None:
    begin, end = bounds(168, NOON, BERLIN)
    assert (begin.isoformat(), end.isoformat()) == ("2026-11-23T00:00:00+01:00", "2026-11-30T00:00:00+01:00")


def test_a_day_of_summer_times_end_has_25_hours() -> None:
    begin, end = bounds(24, datetime(2026, 10, 25, 12, tzinfo=UTC), BERLIN)
    assert end.astimezone(UTC) - begin.astimezone(UTC) == timedelta(hours=25)


def test_a_named_reset_past_or_to_come_places_the_window() -> None:
    for reset in (NOON + timedelta(hours=2), NOON - timedelta(hours=8)):
        assert bounds(5, NOON, BERLIN, reset) == (NOON - timedelta(hours=3), NOON + timedelta(hours=2))


def test_at_the_very_reset_the_next_window_is_open() -> None:
    assert bounds(5, NOON, BERLIN, NOON) == (NOON, NOON + timedelta(hours=5))


def test_short_windows_follow_each_other_from_monday_and_never_pass_the_next() -> None:
    sunday = datetime(
        2026, 11, 29, 22, 30, tzinfo=UTC
    )  # 23:30 there, in the last three hours of a week of 33 windows of 5 h
    begin, end = bounds(5, sunday, BERLIN)
    assert (begin.isoformat(), end.isoformat()) == ("2026-11-29T21:00:00+01:00", "2026-11-30T00:00:00+01:00")
