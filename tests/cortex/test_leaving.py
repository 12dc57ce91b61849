"""A worker that ends says so on each connection before it closes it: no client writes a request into a connection that is just being closed."""

import http.client
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.cortex.processes import Managed, is_alive, until

WAITS_S = 30


class One:
    """`serve` with one worker of the loopback application, and connections to it."""

    def __init__(self, folder: Path) -> None:
        self.server = Managed(
            *("serve", "--bind", "127.0.0.1:0", "--workers", "1", "--app", "tests.cortex.loopback:application"),
            output=folder / "output",
            env={"LOOPBACK_DIR": str(folder)},
        )
        self.port = urlsplit(until(lambda: self.server.said("Serving on")).split()[2]).port
        self.connections: list[http.client.HTTPConnection] = []
        self.worker = self.answers()

    def connect(self) -> http.client.HTTPConnection:
        """A connection that has asked nothing yet, and is never replaced by another one."""
        made = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAITS_S)
        made.connect()
        made.auto_open = 0  # type: ignore[misc]
        self.connections.append(made)
        return made

    def answers(self) -> int:
        """Who answers on a new connection."""
        connection = self.connect()
        worker = int(get(connection)[0])
        connection.close()
        return worker

    def is_refused(self) -> bool:
        with socket.socket() as wire:
            return wire.connect_ex(("127.0.0.1", self.port)) != 0

    def clear_up(self) -> None:
        for each in self.connections:
            each.close()
        self.server.clear_up()


@pytest.fixture
def one(tmp_path: Path) -> Iterator[One]:
    made = One(tmp_path)
    yield made
    made.clear_up()


def get(connection: http.client.HTTPConnection, path: str = "/") -> tuple[str, str | None]:
    """The body, and what the head says of the connection."""
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.read().decode(), answer.getheader("connection")


def test_idle_and_fresh_connections_are_answered_once_more_and_told(one: One) -> None:
    idle, fresh = one.connect(), one.connect()
    assert get(idle) == (str(one.worker), None)
    silent = [one.connect() for _ in range(3)]

    one.server.tell(signal.SIGTERM)
    until(one.is_refused)
    assert get(idle) == (str(one.worker), "close")
    assert get(fresh) == (str(one.worker), "close")
    assert [each.sock.recv(1) for each in silent] == [b""] * 3  # who asks nothing more holds nothing up
    assert one.server.exit_code() == 0


def test_an_answer_that_had_begun_ends_and_its_connection_takes_one_more_request(one: One, tmp_path: Path) -> None:
    streaming = one.connect()
    streaming.request("GET", "/stream")
    answer = streaming.getresponse()
    assert answer.read(5) == b"from "
    one.server.tell(signal.SIGHUP)
    until(lambda: one.answers() != one.worker)

    (tmp_path / "release").touch()
    assert answer.read() == str(one.worker).encode()
    # The new worker serves a moment before the old one is told to end.
    assert until(lambda: (told := get(streaming))[1] == "close" and told) == (str(one.worker), "close")
    until(lambda: not is_alive(one.worker))
