"""One web worker: `python -m cortex.worker FD APP` is uvicorn on a socket that its supervisor opened."""

import signal
import socket
import sys

import uvicorn

from cortex.supervisor import say_ready
from cortex.web import BACKLOG, DRAIN_S


class Worker(uvicorn.Server):
    """uvicorn, telling its supervisor when it accepts requests."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        say_ready()


def work(fd: int, app: str) -> None:
    """Serve until SIGTERM, then drain."""
    # uvicorn raises the signal again when it has drained: that is the moment to end in order.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is our supervisor's, which then says SIGTERM
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,  # longer than nginx keeps its side, so that a proxy never writes into a closing connection
        timeout_graceful_shutdown=DRAIN_S,
        backlog=BACKLOG,
    )
    Worker(config).run(sockets=[socket.socket(fileno=fd)])


if __name__ == "__main__":
    work(int(sys.argv[1]), sys.argv[2])
