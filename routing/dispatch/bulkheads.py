"""One provider's slowness stays its own: at most so many calls of it at a time, at most so many waiting, none for long.

Of this process: with several workers a provider gets that many from each.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from weakref import WeakKeyDictionary

USUAL = (64, None)  # of a provider that came after the snapshot was read
WAIT_S = 2.0  # after that a call is better told to come back


class Busy(Exception):
    """As many calls as the provider may have are on their way, and as many wait."""


class Bulkhead:
    """`async with` it: within, one has a place among the calls on their way. Raises Busy at once when too many wait, or after WAIT_S."""

    def __init__(self, capacity: int, queue: int) -> None:
        self.capacity, self.queue = capacity, queue
        self.taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def enter(self) -> None:
        if self.taken < self.capacity and not self._waiting:
            self.taken += 1
            return
        if len(self._waiting) >= self.queue:
            raise Busy
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(WAIT_S):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.leave()  # its turn came as it gave up
            elif turn in self._waiting:
                self._waiting.remove(turn)
            if isinstance(error, TimeoutError):
                raise Busy from None
            raise

    def leave(self) -> None:
        self.taken -= 1
        self.let_in()

    async def __aenter__(self) -> None:
        await self.enter()

    async def __aexit__(self, *_: object) -> None:
        self.leave()

    def let_in(self) -> None:
        """Those who wait, as far as there are places: in the order in which they came."""
        while self._waiting and self.taken < self.capacity:
            turn = self._waiting.popleft()
            if not turn.done():
                self.taken += 1
                turn.set_result(None)


_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Bulkhead]] = WeakKeyDictionary()


def bulkhead(provider: str, capacities: Mapping[str, tuple[int, int | None]]) -> Bulkhead:
    """The provider's, in the running loop, by (calls at a time, calls waiting; None: as many). New numbers hold at once."""
    capacity, queue = capacities.get(provider, USUAL)
    queue = capacity if queue is None else queue
    bulkheads = _by_loop.setdefault(asyncio.get_running_loop(), {})
    found = bulkheads.get(provider)
    if found is None:
        found = bulkheads[provider] = Bulkhead(capacity, queue)
    elif found.capacity != capacity or found.queue != queue:
        found.capacity, found.queue = capacity, queue
        found.let_in()
    return found
