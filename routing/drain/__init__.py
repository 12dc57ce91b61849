"""From the spool to PostgreSQL: the lines that `routing.recorder` wrote become calls, attempts and work items.

One process of a host drains it: whoever holds drain.lock. Where a process does nothing else (`keep`), it is that one; when it dies, a process that
dispatches stands in. PostgreSQL may go away as long as it likes: nobody waits for it but the drain.
"""

from routing.drain.background import flush, keep, start_background, stop_background, wait_for
from routing.drain.folders import Drained, SpoolStatus, drain_folder, held_lock, host_folders, status

__all__ = [
    "Drained",
    "SpoolStatus",
    "drain_folder",
    "flush",
    "held_lock",
    "host_folders",
    "keep",
    "start_background",
    "status",
    "stop_background",
    "wait_for",
]
