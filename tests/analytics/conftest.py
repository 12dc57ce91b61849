import datetime as dt
import random
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from analytics import nightly
from routing import changes, people
from routing.audit import SYSTEM, Actor
from routing.terms.words import Group
from tests.analytics.rows import NIGHT, World, at, partitions
from tests.remembered import remembered

DAY = dt.timedelta(days=1)
TABLE = {
    "providers": [{"slug": "anthropic", "kind": "anthropic"}],
    "models": [
        {"provider": "anthropic", "slug": slug, "upstream_id": f"claude-{slug}"} for slug in ("haiku", "sonnet", "opus")
    ],
    "task_types": [{"slug": "meeting_summary", "name": "Meeting summary"}],
    "routes": [{"task_type": "meeting_summary", "steps": ["anthropic:haiku", "anthropic:opus"]}],
}


@pytest.fixture
def table(db: None) -> None:
    """Meeting summaries go to haiku, then opus."""
    remembered("meeting summaries", lambda: changes.publish(TABLE, by=SYSTEM, reason="test", source="load"))


@pytest.fixture
def person(db: None) -> Callable[[str], Actor]:
    """Makes an approver of that name."""

    def make(name: str) -> Actor:
        user = User.objects.create_user(name)
        people.put(user, Group.APPROVER)
        return Actor.of_user(user)

    return make


def summaries(
    nights: int, *, first: dt.date = NIGHT, per_night: int = 60, haiku: float = 0.7, sonnet: float = 0.93,
    cost: tuple[str, str] = ("0.01", "0.01"), seed: int = 5,
    models: tuple[str, str] = ("anthropic:haiku", "anthropic:sonnet"),
) -> dt.date:  # fmt: skip
    """Nights of meeting summaries by haiku, a third explored with sonnet; their success rates as given. The last night."""
    partitions((first, first + (nights - 1) * DAY))  # those of no more than two months
    given = (nights, first, per_night, haiku, sonnet, cost, seed, models)
    return remembered(("summaries", *given), lambda: _summaries(*given))


def _summaries(
    nights: int, first: dt.date, per_night: int, haiku: float, sonnet: float, cost: tuple[str, str], seed: int,
    models: tuple[str, str],
) -> dt.date:  # fmt: skip
    world, rng = World(), random.Random(seed)
    for night in (first + days * DAY for days in range(nights)):
        for number in range(per_night):
            explores = rng.random() < 1 / 3
            item = world.call(
                night,
                seconds=rng.randrange(80_000),
                name=f"{seed} {night} {number}",
                task_type="meeting_summary",
                model=models[explores],
                role="explore" if explores else "primary",
                propensity=1 / 3 if explores else 2 / 3,
                shares=f"{models[0]}=0.666667|{models[1]}=0.333333",
                cost=cost[explores],
                total_ms=900,
            )
            world.label(item, rng.random() < (sonnet if explores else haiku), at(night, 85_000))
    world.save()
    last = first + (nights - 1) * DAY
    nightly.run_until(last)
    return last
