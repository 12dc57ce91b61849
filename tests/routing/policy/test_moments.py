"""How a moment reads."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from routing.policy.moments import told, until

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")  # one hour ahead of UTC in November


@pytest.mark.parametrize(
    ("moment", "zone", "words"),
    [
        pytest.param(NOON + timedelta(minutes=5), UTC, "12:05", id="today"),
        pytest.param(NOON + timedelta(minutes=5), BERLIN, "13:05", id="in the reader's zone"),
        pytest.param(NOON + timedelta(seconds=40), UTC, "12:00:40", id="so soon that seconds count"),
        pytest.param(datetime(2027, 2, 3, tzinfo=UTC), UTC, "3 Feb 2027", id="midnight is a day"),
        pytest.param(datetime(2026, 12, 3, 9, 30, tzinfo=UTC), UTC, "3 Dec 09:30", id="another day of this year"),
        pytest.param(datetime(2026, 11, 22, 23, 0, tzinfo=UTC), BERLIN, "23 Nov", id="midnight of the zone"),
    ],
)
def test_a_moment_reads_as_the_reader_would_say_it(moment, zone, words):
    assert told(moment, NOON, zone) == words


def test_who_knows_no_end_names_none():
    assert until("cooling down", None, NOON, UTC) == "cooling down"
    assert until("cooling down", datetime.max.replace(tzinfo=UTC), NOON, BERLIN) == "cooling down"
