"""The web server: one listening socket, and worker processes (cortex/worker.py) that share it.

`python -m cortex.web FD N` serves on a socket that was opened before, from N workers, without loading Django here.
"""

import contextlib
import errno
import logging
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from cortex.environment import BASE_DIR, data_dir
from cortex.supervisor import READY_FD, Child, Supervisor, say_ready

APP = "cortex.asgi:application"
DRAIN_S = 30  # for requests in flight when SIGTERM comes
END_S = 25  # and then for second opinions behind answers (10), the spool (10), and what else there is to close
BACKLOG = 2048


class BindError(Exception):
    """Why there is nothing to listen on, in one sentence."""


def listen(bind: str) -> socket.socket:
    """A socket bound to "HOST:PORT" ("[::1]:8000" for IPv6, port 0 for any free one). Raises BindError."""
    host, _, port = bind.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise BindError(
            f"{bind!r} is not an address to listen on: it must be HOST:PORT, as 127.0.0.1:8000 or [::1]:8000."
        )
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind)
    except OSError as error:
        raise BindError(f"Cannot listen on {bind}: {error.strerror or error}.") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise BindError(f"Port {port} on {host} is busy: stop who listens there, or choose another.") from error
        raise BindError(f"Cannot listen on {bind}: {error.strerror}.") from error
    return listener


def url(listener: socket.socket) -> str:
    """Where a person on this machine reaches it."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{host}:{port}/"


def children_env() -> dict[str, str]:
    """Our environment, with the data dir named so that it means the same in another working directory."""
    ours = {name: value for name, value in os.environ.items() if name != READY_FD}
    return {**ours, "CORTEX_DATA_DIR": str(data_dir())}


def supervise(listener: socket.socket, workers: int, app: str = APP) -> int:
    """Serve `app` from so many processes until SIGTERM, which lets requests in flight end. Returns the exit code."""
    worker = Child(
        name="web worker",
        command=(sys.executable, "-m", "cortex.worker", str(listener.fileno()), app),
        env={**children_env(), "CORTEX_WORKERS": str(workers)},
        cwd=str(BASE_DIR),
        fds=(listener.fileno(),),
        says_ready=True,
        grace_s=DRAIN_S + END_S,
    )
    drainer = Child(
        name="spool drainer",
        command=(sys.executable, "-m", "cortex.drainer"),
        env=children_env(),
        cwd=str(BASE_DIR),
        says_ready=True,
        grace_s=DRAIN_S + END_S,
    )
    with Supervisor(renews=True, ends_process=True, at_stop=listener.close) as supervisor:
        started = [supervisor.start(worker) for _ in range(workers)]
        while not (any(each.is_ready for each in started) or supervisor.is_stopping):
            supervisor.step(1.0)
        if not supervisor.is_stopping:
            supervisor.start(drainer)
            say_ready()  # to `up`, which may be our own supervisor
        return supervisor.run()


@contextlib.contextmanager
def pid_file(path: Path | None) -> Iterator[None]:
    """Our process number in a file, whole from the moment it is there, for as long as the block runs."""
    if path is None:
        yield
        return
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(f"{os.getpid()}\n")
    draft.replace(path)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if path.read_text() == f"{os.getpid()}\n":  # not a successor's
                path.unlink()


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s")
    sys.exit(supervise(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])))
