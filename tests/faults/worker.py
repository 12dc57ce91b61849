"""A process that records calls as a worker does, and says on its standard output what it did: what faults are tried on.

    python -m tests.faults.worker FOLDER            as fast as it can, until it is killed
    python -m tests.faults.worker FOLDER drain      100 a second, draining in the background, until its standard input ends

"asked ID" is said before the provider would be called, "answered ID" when the outcome is written.
"""

import os
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import django

from routing.terms.ids import uuid7
from tests.routing.spooled import failed, intent, outcome


def main(folder: Path, drains: bool) -> None:
    from routing import drain, recorder  # after Django is set up

    # Many rotations: a kill may fall into one.
    spool = recorder.Spool(folder, segment_bytes=50_000)
    stopping = threading.Event()
    if drains:
        drain.start_background(folder)
        threading.Thread(target=lambda: (sys.stdin.read(), stopping.set()), daemon=True).start()
    number = 0
    while not stopping.is_set():
        number += 1
        now = datetime.now(UTC)
        call = intent(now, id=uuid7(now))
        spool.start(call)
        print("asked", call.id, flush=True)
        if number % 5 == 0:
            spool.fall_back(call.id, failed(1), then="openai:codex")
        spool.finish(outcome(call.id, at=now))
        print("answered", call.id, flush=True)
        if drains:
            time.sleep(0.01)
    spool.close()
    drain.stop_background(flush=True)
    print("drained", drain.status(folder).pending_bytes, flush=True)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cortex.settings")
    django.setup()
    main(Path(sys.argv[1]), sys.argv[2:] == ["drain"])
