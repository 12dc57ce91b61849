"""How many calls a process has at a time. One more is told to come back before its body is read: that costs next to nothing.

Each call keeps memory and a turn of the event loop; without a bound a rush makes all of them late, and none is answered in time.
Console pages, health checks and the rest of the API are never counted: they answer whatever comes.
"""

from prometheus_client import Counter, Gauge

RETRY_S = 1  # by then calls have ended: a process works off all it may have in a few seconds
CALLS = Gauge("cortex_calls_at_a_time", "Calls on their way through this process.")
SHED = Counter("cortex_shed", "Calls that were told to come back because the process had as many as it may.")


class Admission:
    """Of the running process."""

    def __init__(self) -> None:
        self.inside = 0
        CALLS.set_function(lambda: self.inside)

    def enter(self, most: int) -> bool:
        """Whether one more may come in; who does must `leave`."""
        if self.inside >= most:
            SHED.inc()
            return False
        self.inside += 1
        return True

    def leave(self) -> None:
        self.inside -= 1
