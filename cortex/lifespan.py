"""What a web worker starts before its first request, and stops after its last."""

import asyncio
import gc
import logging
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from routing import budgets, drain, idempotency, recorder, snapshot
from routing.credentials import background as renewals
from routing.dispatch import opinion
from routing.providers import registry

logger = logging.getLogger(__name__)

SWITCH_S = 0.0005  # how long one thread keeps the interpreter from another

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


async def run(receive: Receive, send: Send) -> None:
    """Speak ASGI's lifespan protocol."""
    await receive()
    try:
        await start()
    except Exception as error:
        logger.exception("The web worker did not start")
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await stop()
    await send({"type": "lifespan.shutdown.complete"})


async def start() -> None:
    await asyncio.to_thread(snapshot.start_background)
    drain.start_background()
    await idempotency.in_thread(idempotency.begin)
    await asyncio.to_thread(idempotency.close)  # a worker that no key is sent to holds no connection for it
    renewals.start()
    # A full collection over all of Django's and the SDKs' objects stalls the loop for 80-100 ms. They live for ever: take them out.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    # The threads behind the loop ask PostgreSQL several times a second: calls wait for their Python no longer than this, not 5 ms each time.
    sys.setswitchinterval(SWITCH_S)


async def stop() -> None:
    await opinion.settled()
    await registry.close_all()
    await asyncio.to_thread(renewals.stop)
    await asyncio.to_thread(idempotency.close)
    await asyncio.to_thread(drain.stop_background, flush=True)
    await asyncio.to_thread(budgets.close)
    await asyncio.to_thread(snapshot.stop_background)
    recorder.close()
    idempotency.let_go()
