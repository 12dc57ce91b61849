"""Doubles of providers on loopback, for every test that needs a real wire.

    async with doubles.provider(rate_limited("7"), answer("Hello")) as double:
        Endpoint(ProviderKind.OPENAI, "openai", "gpt-6", base_url=double.openai, …)
        assert len(double.requests) == 2

The acts are played in order, one a request; `then` (a sound answer) is played for all that come after. In a test without a
running loop, or whose subject must not share one, `with doubles.serve_in_thread(…) as double:` gives the same object; in a
process of its own it is `python -m tests.doubles --port 8123`, told by `POST /_double/script` and asked by `GET /_double/requests`.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from tests.doubles.script import Act
from tests.doubles.server import Double, Seen, double

__all__ = ["Act", "Double", "Seen", "provider", "serve_in_thread"]

_left: list[int] = []  # ports of doubles that have gone, the last of them first


@asynccontextmanager
async def provider(*acts: Act, then: Act | None = None) -> AsyncIterator[Double]:
    """A double on the running loop."""
    made = double(acts, then)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


@contextmanager
def serve_in_thread(*acts: Act, then: Act | None = None) -> Iterator[Double]:
    """A double on a loop of its own, in a thread; at the port of one that has gone, so that its world is one that was made before."""
    made, ready = double(acts, then), threading.Event()
    port = _left.pop() if _left else 0
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        try:
            await made.start(port)
        except OSError:  # somebody else has the port by now
            await made.start()
        ready.set()
        await stop.wait()
        await made.stop()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name="double", daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        _left.append(made.port)
