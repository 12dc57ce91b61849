"""The process that carries the host's spool to PostgreSQL: `python -m cortex.drainer`, a child of the web server.

In a web worker the same thread would hold the interpreter's lock whenever rows are made of lines, and every call would wait for it:
without it the slowest of a hundred calls takes a fifth of the time. When this process is away, a worker stands in.

Where processors are short, calls go before their rows: what waits in the spool is safe there, and is written in larger pieces later.
"""

import os
import signal
import threading

from cortex.environment import ensure_database
from cortex.supervisor import say_ready

NICENESS = 5  # of 19: a third of a web worker's share when both want the same processor


def main() -> None:
    """Drain until SIGTERM."""
    os.nice(NICENESS)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is our supervisor's, which then says SIGTERM
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cortex.settings")
    ensure_database()

    import django

    django.setup(set_prefix=False)
    from routing import drain

    say_ready()
    drain.keep(stop)


if __name__ == "__main__":
    main()
