"""A provider's places: so many at a time, so many waiting, in order, none lost whatever becomes of those who wait."""

import asyncio

import pytest

from routing.dispatch import bulkheads
from routing.dispatch.bulkheads import Bulkhead, Busy, bulkhead

ONE = {"openai": (1, 0), "anthropic": (1, 0)}


class Guest:
    """Holds a place until told to leave."""

    def __init__(self, there: Bulkhead) -> None:
        self.leave, self.is_in = asyncio.Event(), False
        self.task = asyncio.create_task(self._stay(there))

    async def _stay(self, there: Bulkhead) -> None:
        async with there:
            self.is_in = True
            await self.leave.wait()


async def guests(there: Bulkhead, number: int) -> list[Guest]:
    made = [Guest(there) for _ in range(number)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return made


async def end(*there: Guest) -> None:
    for guest in there:
        guest.leave.set()
    await asyncio.gather(*(guest.task for guest in there))


async def test_so_many_are_in_so_many_wait_and_the_next_is_told_at_once() -> None:
    there = Bulkhead(2, 1)
    first, second, third = await guests(there, 3)
    assert [each.is_in for each in (first, second, third)] == [True, True, False]
    with pytest.raises(Busy):
        await there.enter()
    await end(first)
    await asyncio.sleep(0)
    assert third.is_in
    await end(second, third)
    assert (there.taken, there.waiting) == (0, 0)


async def test_who_waits_too_long_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulkheads, "WAIT_S", 0.01)
    there = Bulkhead(1, 1)
    (first,) = await guests(there, 1)
    with pytest.raises(Busy):
        await there.enter()
    assert there.waiting == 0
    await end(first)
    assert there.taken == 0


async def test_who_gives_up_waiting_leaves_no_gap() -> None:
    there = Bulkhead(1, 2)
    first, second, third = await guests(there, 3)
    second.task.cancel()
    await asyncio.gather(second.task, return_exceptions=True)
    await end(first)
    await end(third)
    assert (third.is_in, there.taken, there.waiting) == (True, 0, 0)


async def test_who_gives_up_as_its_turn_comes_hands_it_on() -> None:
    there = Bulkhead(1, 2)
    first, second, third = await guests(there, 3)
    there.leave()  # the second's turn
    second.task.cancel()
    await asyncio.gather(second.task, return_exceptions=True)
    await asyncio.sleep(0)
    assert third.is_in
    there.taken += 1  # the first has not left yet after all
    await end(first, third)
    assert there.taken == 0


async def test_another_capacity_holds_at_once_for_those_who_wait_too() -> None:
    there = bulkhead("openai", {"openai": (1, None)})
    first, second = await guests(there, 2)
    assert not second.is_in
    assert bulkhead("openai", {"openai": (2, None)}) is there
    await asyncio.sleep(0)
    assert second.is_in
    bulkhead("openai", {"openai": (1, None)})
    (third,) = await guests(there, 1)
    await end(first)
    assert not third.is_in, "one of one is still in"
    await end(second, third)


async def test_one_providers_places_are_nothing_to_another() -> None:
    (full,) = await guests(bulkhead("openai", ONE), 1)
    async with bulkhead("anthropic", ONE):
        with pytest.raises(Busy):
            await bulkhead("openai", ONE).enter()
    await end(full)
