"""A process that has read all the code of a web worker and turns into one, by a fork, as often as it is asked: in no time.

A worker that is started from nothing takes two seconds of a processor to read its code, more than most of these tests need for the rest.

    python -m tests.pages.nursery FD    takes orders on the socket FD, until it is closed
"""

import contextlib
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Self

from cortex.supervisor import end_with_parent

ROOT = Path(__file__).resolve().parents[2]
STARTS_S = 120  # on a busy machine


class Nursery:
    """The tests' side of it. One worker at a time."""

    def __init__(self, env: dict[str, str]) -> None:
        self.wire, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.pages.nursery", str(theirs.fileno())],
                cwd=ROOT,
                env={**os.environ, **env, "CORTEX_TRIAL": "1"},
                pass_fds=(theirs.fileno(),),
                preexec_fn=end_with_parent,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wire.close()
        self.process.wait(20)

    def start(self, listener: socket.socket, *, data_dir: Path, said: Path) -> int:
        """The number of a new worker's process, which serves on `listener` and writes what it says to the file `said`."""
        self.wire.settimeout(STARTS_S)
        with said.open("wb") as output:
            socket.send_fds(self.wire, [json.dumps(str(data_dir)).encode()], [listener.fileno(), output.fileno()])
        return int(self.wire.recv(100))

    def stop(self, worker: int, within_s: float) -> None:
        """Have it end as `serve` would; kill it if it does not."""
        os.kill(worker, signal.SIGTERM)  # not reaped yet, so the number is its own
        self.wire.settimeout(within_s)
        try:
            self.wire.recv(100)
        except TimeoutError:
            os.kill(worker, signal.SIGKILL)
            self.wire.settimeout(None)
            self.wire.recv(100)


def main(wire: socket.socket) -> None:
    _read_all_code()
    gc.freeze()
    assert threading.active_count() == 1, "a thread does not live on in a fork"
    while True:
        order, fds, *_ = socket.recv_fds(wire, 10_000, 2)
        if not order:
            return
        worker = os.fork()
        if not worker:
            wire.close()
            _serve(Path(json.loads(order)), *fds)
        for fd in fds:
            os.close(fd)
        with contextlib.suppress(BrokenPipeError):
            wire.send(str(worker).encode())
            _, status = os.waitpid(worker, 0)
            wire.send(str(status).encode())


def _read_all_code() -> None:
    """Nothing of it may ask the database or start a thread: neither outlives a fork."""
    from django.urls import get_resolver

    import cortex.asgi

    assert cortex.asgi.application
    assert get_resolver().url_patterns


def _serve(data_dir: Path, listener: int, output: int) -> None:
    import uvicorn
    from django.conf import settings

    end_with_parent()
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ["CORTEX_DATA_DIR"] = str(data_dir)
    settings.DATA_DIR = data_dir
    code = 1
    try:
        uvicorn.run("cortex.asgi:application", fd=listener, log_level="warning")
        code = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
