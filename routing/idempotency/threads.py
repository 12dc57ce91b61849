"""The few threads that ask the disk and PostgreSQL for keyed calls, so that the event loop never waits. Calls without a key make none."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from threading import Barrier
from typing import Any, TypeVar

from django.db import connections

THREADS = 4  # so many connections to PostgreSQL a process, at most
Made = TypeVar("Made")
_pool: ThreadPoolExecutor | None = None


async def in_thread(work: Callable[..., Made], *arguments: Any) -> Made:
    """What `work` returns or raises. It ends even when nobody waits for it any more."""
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(THREADS, thread_name_prefix="claims")
    return await asyncio.get_running_loop().run_in_executor(_pool, partial(work, *arguments))


def close() -> None:
    """End the threads, each with its connection, after what they are about."""
    global _pool
    pool, _pool = _pool, None
    if pool is None:
        return
    together = Barrier(THREADS)  # so that no thread takes two of them

    def disconnect() -> None:
        together.wait(30)
        connections.close_all()

    wait([pool.submit(disconnect) for _ in range(THREADS)])
    pool.shutdown()
