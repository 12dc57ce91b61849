"""When a window will be full at today's pace."""

from datetime import UTC, datetime, timedelta

import pytest

from routing.usage.pace import Point, full_at, said
from routing.usage.spans import ZoneInfo

ZONE = ZoneInfo("UTC")
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def points(*pairs: tuple[float, float]) -> tuple[Point, ...]:
    """(hours ago, per cent), the oldest first."""
    return tuple(Point(NOW - timedelta(hours=hours), percent) for hours, percent in pairs)


def test_it_goes_on_as_it_did_since_the_days_first_reading() -> None:
    # 40 points in 4 hours are 10 an hour; 50 are left.
    assert full_at(points((4, 10), (2, 20), (0, 50)), NOW, ZONE) == NOW + timedelta(hours=5)


def test_yesterdays_readings_say_nothing_about_today() -> None:
    assert full_at(points((20, 0), (0, 50)), NOW, ZONE) is None


def test_a_window_that_began_today_began_empty() -> None:
    # 80 points in 4 hours: 20 are left, which is one hour.
    assert full_at(points((0, 80)), NOW, ZONE, NOW - timedelta(hours=4)) == NOW + timedelta(hours=1)


def test_a_reset_in_between_begins_anew() -> None:
    assert full_at(points((6, 90), (3, 0), (0, 30)), NOW, ZONE) == NOW + timedelta(hours=7)


@pytest.mark.parametrize("flat", [points(), points((3, 50)), points((3, 50), (0, 50)), points((0.05, 10), (0, 60))])
def test_without_growth_or_history_it_is_never_full(flat: tuple[Point, ...]) -> None:
    assert full_at(flat, NOW, ZONE) is None


@pytest.mark.parametrize(
    ("of", "resets_in_h", "sentence"),
    [
        (points((4, 10), (0, 50)), None, "At today's pace it is full at 17:00."),
        (points((4, 10), (0, 50)), 40, "At today's pace it is full at 17:00. It resets on Fri 27 Nov at 04:00."),
        (points((4, 10), (0, 50)), 2, "At today's pace it is at 70 % when it resets at 14:00."),
        (points((4, 50), (0, 50)), None, "It does not grow today."),
        (points((0, 50)), None, "Today's pace is not known yet."),
        (points((4, 10), (0, 100)), 2, "It is full. It resets at 14:00."),
    ],
)
def test_the_sentence(of: tuple[Point, ...], resets_in_h: float | None, sentence: str) -> None:
    resets_at = NOW + timedelta(hours=resets_in_h) if resets_in_h else None
    assert said(of, NOW, ZONE, resets_at=resets_at) == sentence
