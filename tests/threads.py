"""The same work in many threads at once."""

import threading
from collections.abc import Callable

from django.db import connection


def at_once(work: Callable[[], object], times: int) -> None:
    """Each thread with a database connection of its own, which is closed again. Raises what the first of them raised."""
    failed: list[Exception] = []

    def one() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - told below, for a thread's own is lost
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
