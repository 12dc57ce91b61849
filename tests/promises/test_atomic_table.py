"""A change of the table is atomic: while it is changed over and over, every call goes by exactly one revision."""

import asyncio
from decimal import Decimal

import pytest
from django.db import connection

from routing import changes, snapshot
from routing.audit import SYSTEM
from routing.dispatch import Result, dispatch
from routing.providers.registry import close_all
from routing.terms.request import Ask
from routing.versions import current_revision
from tests.cortex.processes import until
from tests.promises.pacing import paced
from tests.routing.two_providers import CALLER, REQUEST, two_providers

pytestmark = pytest.mark.django_db(transaction=True)


def flip(number: int) -> int:
    """A revision that moves the route, a model's name at its vendor and its price at once. Which revision it is."""
    steps = ["first:one", "second:two"] if number % 2 else ["second:two", "first:one"]
    models = [
        {"provider": provider, "slug": slug, "upstream_id": f"{slug}-{number}", "price": {"input": number, "output": 0}}
        for provider, slug in (("first", "one"), ("second", "two"))
    ]
    document = {"models": models, "routes": [{"task_type": "talk", "project": None, "steps": steps}]}
    changes.publish(document, by=SYSTEM, reason=f"flip {number}", source="load")
    return current_revision()


def flipped(flips: int, calls: int, a_second: float) -> None:
    with two_providers() as there:
        numbers = {flip(1): 1}
        snapshot.start_background()

        def flip_all() -> None:
            for number in range(2, flips + 1):
                numbers[revision := flip(number)] = number
                if number % 4 == 0:  # or all of them are made before the process looks for the second time
                    until(lambda revision=revision: snapshot.current().version[0] >= revision)
            connection.close()  # the thread's own

        async def run() -> list[Result]:
            flipping = asyncio.get_running_loop().run_in_executor(None, flip_all)
            ended: list[Result] = []
            try:
                while not flipping.done() or len(ended) < calls:
                    ended += await paced(lambda: dispatch(Ask("talk"), REQUEST, CALLER), 10, a_second)
                await flipping
                return ended
            finally:
                await close_all()

        ended = asyncio.run(run())
        snapshot.stop_background()
        assert len(there.primary.requests) + len(there.fallback.requests) == len(ended)
    seen = {result.revision for result in ended}
    assert len(seen) > 2, "the calls went by several revisions"
    for result in ended:
        number = numbers[result.revision]
        assert (result.model, result.used_fallback) == ("one" if number % 2 else "two", False)
        assert result.attempts[0].upstream_id == f"{result.model}-{number}"
        # 100 tokens at as many dollars a million as the revision's number
        assert result.cost_usd == Decimal(number) / 10_000


def test_of_twelve_revisions_every_call_goes_by_exactly_one() -> None:
    flipped(12, 20, 50)


@pytest.mark.soak
def test_of_two_hundred_revisions_at_fifty_calls_a_second_every_call_goes_by_exactly_one() -> None:
    flipped(200, 1000, 50)
