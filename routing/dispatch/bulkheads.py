"""One provider's slowness stays its own: at most so many calls of it at a time, at most as many waiting, none for long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

WAIT_S = 2.0  # after that a call is better told to come back


class Busy(Exception):
    """As many calls as the provider may have are on their way, and as many wait."""


class Bulkhead:
    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.waiting = 0
        self._places = asyncio.Semaphore(capacity)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place among the calls on their way. Raises Busy at once when too many wait, or after WAIT_S."""
        if self._places.locked():
            await self._wait()
        else:
            await self._places.acquire()
        try:
            yield
        finally:
            self._places.release()

    async def _wait(self) -> None:
        if self.waiting >= self.capacity:
            raise Busy
        self.waiting += 1
        try:
            async with asyncio.timeout(WAIT_S):
                await self._places.acquire()
        except TimeoutError:
            raise Busy from None
        finally:
            self.waiting -= 1


_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Bulkhead]] = WeakKeyDictionary()


def bulkhead(provider: str, capacity: int) -> Bulkhead:
    """The provider's, in the running loop. A changed capacity begins a new one; calls on their way leave by the old."""
    bulkheads = _by_loop.setdefault(asyncio.get_running_loop(), {})
    found = bulkheads.get(provider)
    if found is None or found.capacity != capacity:
        found = bulkheads[provider] = Bulkhead(capacity)
    return found
