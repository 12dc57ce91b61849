"""What a person is told of a comparison that is no proposal yet."""

from types import SimpleNamespace
from typing import Any

import pytest

from analytics.sentences import not_yet
from analytics.stats.results import Lack, Missing


@pytest.mark.parametrize(
    ("lack", "days", "told"),
    [
        pytest.param(
            Missing(Lack.EVIDENCE, 170, 12),
            4,
            "Needs about 170 more graded calls of opus; at today's rate 12 days, or 4 days with 10 % of the items explored.",
            id="more exploration would bring it sooner",
        ),
        pytest.param(
            Missing(Lack.VOLUME, 6087, 1813),
            None,
            "Undecidable at this volume: it needs about 6,087 more graded calls of opus; at today's rate 1,813 days.",
            id="undecidable says how far away",
        ),
        pytest.param(
            Missing(Lack.COST),
            0,
            "Good enough, but at least 20 % cheaper is not shown.",
            id="more of the same would not help",
        ),
    ],
)
def test_what_is_missing_is_said(lack: Missing, days: int | None, told: str) -> None:
    one: Any = SimpleNamespace(
        verdict=None,
        lacks=[lack],
        challenger="anthropic:opus",
        faster_days=days,
        faster_share=None if days is None else 0.1,
    )
    assert not_yet(one) == told
