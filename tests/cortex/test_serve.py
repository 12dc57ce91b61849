"""`manage.py serve`: drains on SIGTERM, keeps its workers alive, and leaves none behind."""

import os
import signal
import socket
import threading
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cortex import web
from tests.cortex.processes import Managed, get, is_alive, until

Serve = Callable[..., tuple[Managed, str]]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start `serve` with the loopback application and return it with its address, once it answers."""
    started: list[Managed] = []

    def start(*arguments: str, **env: str) -> tuple[Managed, str]:
        server = Managed(
            *("serve", "--bind", "127.0.0.1:0", "--app", "tests.cortex.loopback:application", *arguments),
            output=tmp_path / f"output{len(started)}",
            env={"LOOPBACK_DIR": str(tmp_path), **env},
        )
        started.append(server)
        line = until(lambda: server.said("Serving on"))
        return server, line.split()[2]

    yield start
    for server in started:
        server.clear_up()


def test_sigterm_lets_a_request_in_flight_end_and_no_new_one_begin(serve: Serve, tmp_path: Path) -> None:
    server, url = serve("--workers", "2", "--pid-file", str(tmp_path / "pid"))
    answers: list[str] = []
    client = threading.Thread(target=lambda: answers.append(get(url + "hold")))
    client.start()
    until((tmp_path / "held").exists)
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)

    def is_refused() -> bool:
        with socket.socket() as wire:
            return wire.connect_ex(("127.0.0.1", int(url.rstrip("/").rpartition(":")[2]))) != 0

    until(is_refused)
    assert answers == []
    (tmp_path / "release").touch()
    client.join(30)
    assert len(answers) == 1
    assert server.exit_code() == 0
    assert not (tmp_path / "pid").exists()


def test_a_second_sigterm_waits_for_nothing(serve: Serve, tmp_path: Path) -> None:
    server, url = serve("--workers", "1")

    def hold() -> None:
        with pytest.raises((urllib.error.URLError, ConnectionError)):
            get(url + "hold")

    client = threading.Thread(target=hold)
    client.start()
    until((tmp_path / "held").exists)
    family = server.family()

    def has_ended() -> bool:
        server.tell(signal.SIGTERM)
        return server.process.poll() is not None

    until(has_ended, within_s=10)  # draining alone would take thirty
    client.join(30)
    assert server.exit_code() == 0
    assert not any(map(is_alive, family))


def test_a_killed_worker_is_replaced_and_nobody_is_refused_meanwhile(serve: Serve) -> None:
    server, url = serve("--workers", "1")
    first = get(url)
    os.kill(int(first), signal.SIGKILL)
    assert until(lambda: get(url)) != first  # this request waited in the socket that the supervisor holds
    assert server.said("was killed by SIGKILL; starting it again")


def test_no_worker_outlives_a_killed_supervisor(serve: Serve) -> None:
    server, url = serve("--workers", "2")
    get(url)
    family = until(lambda: len(server.family()) == 3 and server.family())  # two workers and the drainer
    server.tell(signal.SIGKILL)
    until(lambda: not any(map(is_alive, family)))


def test_sighup_replaces_the_workers_without_a_failed_request(serve: Serve) -> None:
    server, url = serve("--workers", "2")
    old = until(lambda: len(server.family()) == 3 and server.family())
    get(url)
    server.tell(signal.SIGHUP)

    def are_renewed() -> bool:
        assert get(url)
        return not any(map(is_alive, old)) and len(server.family()) == 3

    until(are_renewed)
    assert int(get(url)) in server.family() - old


def test_an_application_that_cannot_start_ends_serve(serve: Serve) -> None:
    server, _ = serve("--workers", "2", LOOPBACK_FAILS="1")
    assert server.exit_code() == 1
    assert "web worker ended with exit code 3 before it was ready; stopping." in server.output.read_text()


def test_a_busy_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        server = Managed("serve", "--bind", f"127.0.0.1:{port}", output=tmp_path / "output")
        assert server.exit_code() == 1
    assert server.output.read_text().splitlines()[-1] == (
        f"CommandError: Port {port} on 127.0.0.1 is busy: stop who listens there, or choose another."
    )


@pytest.mark.parametrize(
    "bind", ["8000", ":8000", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:-1", ""]
)
def test_what_is_no_address_is_refused(bind: str) -> None:
    with pytest.raises(web.BindError, match="is not an address to listen on"):
        web.listen(bind)


@pytest.mark.parametrize(("bind", "url"), [("127.0.0.1:0", "http://127.0.0.1:"), ("0.0.0.0:0", "http://127.0.0.1:")])
def test_the_address_shown_is_one_a_browser_can_open(bind: str, url: str) -> None:
    with web.listen(bind) as listener:
        assert web.url(listener) == f"{url}{listener.getsockname()[1]}/"


def test_a_pid_file_of_a_successor_stays(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    with web.pid_file(path):
        assert path.read_text() == f"{os.getpid()}\n"
        path.write_text("1\n")
    assert path.read_text() == "1\n"
