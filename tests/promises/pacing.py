"""Calls at an even rate, whatever becomes of them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

Ended = TypeVar("Ended")


async def paced(make: Callable[[], Awaitable[Ended]], number: int, a_second: float) -> list[Ended]:
    """How so many calls ended, begun so many a second. Late ones are begun at once: the rate holds over the whole."""
    loop = asyncio.get_running_loop()
    begun, running = loop.time(), []
    for place in range(number):
        await asyncio.sleep(max(begun + place / a_second - loop.time(), 0))
        running.append(asyncio.ensure_future(make()))
    return list(await asyncio.gather(*running))
