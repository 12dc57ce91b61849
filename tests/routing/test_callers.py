"""Keys that no snapshot holds: the database is asked for all of them that have come meanwhile at once, and each gets its own answer."""

import asyncio
import secrets
from collections.abc import Collection

import pytest
from django.db import OperationalError

from routing import clients, snapshot
from routing.audit import SYSTEM
from routing.callers import NoKey, caller_in_loop
from routing.clients import Caller

pytestmark = pytest.mark.django_db(transaction=True)
MANY = 200


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many keys each query was for."""
    told, lookups = [], clients.lookups

    def counted(sha256s: Collection[str]) -> dict[str, Caller]:
        told.append(len(sha256s))
        return lookups(sha256s)

    snapshot.load_now()
    monkeypatch.setattr(clients, "lookups", counted)
    return told


def made_up() -> str:
    return "ck_" + "".join(secrets.choice("abcdefghijklmnop") for _ in range(47))


async def _answers(keys: list[str]) -> list[object]:
    return await asyncio.gather(*map(caller_in_loop, keys), return_exceptions=True)


def test_many_keys_that_nobody_has_cost_a_query_or_two_and_hide_no_key_that_somebody_was_just_given(
    asked: list[int],
) -> None:
    made = clients.create_key("ci", by=SYSTEM)  # the snapshot does not know it yet
    keys = [made_up() for _ in range(MANY)]
    *refused, twice, own = asyncio.run(_answers([*keys, keys[0], made.key]))
    assert all(isinstance(each, NoKey) for each in [*refused, twice])
    assert isinstance(own, Caller)
    assert own.prefix == made.prefix
    assert sum(asked) == MANY + 1
    assert len(asked) <= 2


def test_one_that_gives_up_takes_no_answer_from_another_who_sent_the_same(asked: list[int]) -> None:
    made = clients.create_key("ci", by=SYSTEM)

    async def both() -> Caller:
        first, second = (asyncio.ensure_future(caller_in_loop(made.key)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert asyncio.run(both()).prefix == made.prefix
    assert asked == [1]


def test_each_is_told_that_the_database_is_away_and_the_next_is_asked_for_again(
    asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = clients.lookups

    def away(sha256s: Collection[str]) -> dict[str, Caller]:
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(clients, "lookups", away)
    assert {type(each) for each in asyncio.run(_answers([made_up(), made_up()]))} == {OperationalError}
    monkeypatch.setattr(clients, "lookups", counted)
    assert {type(each) for each in asyncio.run(_answers([made_up()]))} == {NoKey}
