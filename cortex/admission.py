"""How many calls a process has at a time. One more is told to come back before its body is read: that costs next to nothing.

Each call keeps memory and a turn of the event loop; without a bound a rush makes all of them late, and none is answered in time.
Console pages, health checks and the rest of the API are never counted: they answer whatever comes.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from prometheus_client import Counter, Gauge

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

RETRY_S = 1  # by then calls have ended: a process works off all it may have in a few seconds
CALLS = Gauge("cortex_calls_at_a_time", "Calls on their way through this process.")
SHED = Counter("cortex_shed", "Calls that were told to come back because the process had as many as it may.")


class Admission:
    """Of the running process."""

    def __init__(self) -> None:
        self.inside = 0

    async def serve(self, app: App, most: int, refuse: App, scope: Scope, receive: Receive, send: Send) -> None:
        """`app`, or `refuse` where `most` calls are inside."""
        if self.inside >= most:
            SHED.inc()
            await refuse(scope, receive, send)
            return
        self.inside += 1
        CALLS.set(self.inside)
        try:
            await app(scope, receive, send)
        finally:
            self.inside -= 1
            CALLS.set(self.inside)
