"""A real server over doubles, and clients that talk to it on every wire: what the life of a process is tried on.

Task type `talk` goes to an Anthropic provider and then to an OpenAI one, `chat` the other way round: with three wires and the native call
each takes the relay and the SDKs, whole and streamed.
"""

import http.client
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.db import connection

from routing import changes, clients, drain, recorder
from routing.audit import SYSTEM
from routing.models import Call
from tests.cortex.processes import Managed, until
from tests.doubles import Act
from tests.routing.two_providers import ROOMY, World, two_providers

WAITS_S = 240  # a busy machine starts a worker in half a minute
SAID = [{"role": "user", "content": "Say it."}]


@dataclass(frozen=True)
class Way:
    """How a client asks."""

    path: str
    task: str
    streams: bool

    @property
    def body(self) -> dict[str, Any]:
        stream = {"stream": True} if self.streams else {}
        match self.path:
            case "/api/v1/dispatch":
                return {"task_type": self.task, "prompt": "Say it."} | stream
            case "/v1/responses":
                return {"model": f"task:{self.task}", "input": "Say it."} | stream
            case "/v1/messages":
                return {"model": f"task:{self.task}", "max_tokens": 100, "messages": SAID} | stream
        return {"model": f"task:{self.task}", "messages": SAID} | stream

    @property
    def ends(self) -> bytes:
        """What stands at the end of a stream that is whole."""
        return {
            "/api/v1/dispatch": b"event: done",
            "/v1/chat/completions": b"data: [DONE]",
            "/v1/messages": b"event: message_stop",
            "/v1/responses": b"event: response.completed",
        }[self.path]

    def __str__(self) -> str:
        return f"{self.path}, {self.task}, {'streamed' if self.streams else 'whole'}"


PATHS = ("/api/v1/dispatch", "/v1/chat/completions", "/v1/messages", "/v1/responses")
WAYS = tuple(Way(*each) for each in itertools.product(PATHS, ("talk", "chat"), (False, True)))
# Whose wire is that of the provider routed first.
RELAYED = tuple(
    each
    for each in WAYS
    if (each.path, each.task) in (("/v1/messages", "talk"), ("/v1/chat/completions", "chat"), ("/v1/responses", "chat"))
)
CHAT_TOO = {  # beside what `two_providers` publishes
    "task_types": [{"slug": "chat", "name": "Chat"}],
    "routes": [{"task_type": "chat", "project": None, "steps": ["second:two", "first:one"], "timeouts": ROOMY}],
}


@dataclass
class Served:
    """The server, its clients' key, and its providers."""

    process: Managed
    address: str
    key: str
    world: World
    spool: Path
    told: list[UUID] = field(default_factory=list)  # the ids in the heads of answers, also of those that broke off

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.address, timeout=WAITS_S)

    def ask(self, wire: http.client.HTTPConnection, way: Way, **more: Any) -> UUID:
        """One call, whole to its end: its id. Raises AssertionError, OSError or HTTPException."""
        headers = {"X-Cortex-Key": self.key, "Content-Type": "application/json"}
        wire.request("POST", way.path, json.dumps(way.body | more), headers)
        answer = wire.getresponse()
        if told := answer.getheader("x-cortex-request-id"):
            self.told.append(UUID(told))
        raw = answer.read()
        assert answer.status == 200, f"{answer.status} {raw[:500]!r}"
        if way.streams:
            assert way.ends in raw, f"a stream without its end: {raw[-300:]!r}"
        return UUID(told)

    def workers(self) -> set[int]:
        """The process numbers of its children: web workers, and the drainer."""
        return self.process.family()

    def called(self) -> int:
        """How many requests reached the providers."""
        return len(self.world.primary.requests) + len(self.world.fallback.requests)

    def drained(self) -> dict[UUID, str]:
        """Every call's status, when nothing is left in the spool: what the next start would find there is taken, too."""
        until(lambda: drain.flush(self.spool), WAITS_S)
        assert drain.status(self.spool).pending_bytes == 0
        return dict(Call.objects.values_list("id", "status"))


@contextmanager
def served(folder: Path, *, workers: int = 2, act: Act | None = None, **env: str | None) -> Iterator[Served]:
    """`manage.py serve` on a data dir of its own, over two doubles that always play `act`."""
    with two_providers() as world:
        if act is not None:
            world.primary.will(then=act)
            world.fallback.will(then=act)
        changes.publish(CHAT_TOO, by=SYSTEM, reason="the other way round", source="load")
        key = clients.create_key("load", by=SYSTEM).key
        connection.ensure_connection()
        info = connection.connection.info
        process = Managed(
            *("serve", "--bind", "127.0.0.1:0", "--workers", str(workers)),
            output=folder / "output",
            env={
                "CORTEX_DATA_DIR": str(folder),
                "DATABASE_URL": f"postgresql://{info.user}@/{info.dbname}?host={info.host}&port={info.port}",
                "CORTEX_ALLOW_PRIVATE_UPSTREAMS": "*",
                "CORTEX_TRIAL": "1",
                **env,
            },
        )
        try:
            address = urlsplit(until(lambda: process.said("Serving on")).split()[2]).netloc
            spool = folder / "spool" / recorder.folder().name
            made = Served(process, address, key, world, spool)
            until(lambda: len(made.workers()) == workers + 1, WAITS_S)  # and the drainer
            until(lambda: _is_ready(made), WAITS_S)
            yield made
        finally:
            process.clear_up()


def _is_ready(made: Served) -> bool:
    wire = made.connect()
    try:
        wire.request("GET", "/readyz")
        return wire.getresponse().status == 200
    except OSError:
        return False
    finally:
        wire.close()


class Load:
    """Clients, each on one kept connection, that together make `rate` calls a second, in all the ways by turns, and keep what they were told."""

    def __init__(
        self,
        there: Served,
        ways: Sequence[Way] = WAYS,
        *,
        clients: int = 8,
        rate: float = 50,
        may_cut: bool = False,
        may_fail: bool = False,
    ) -> None:
        self.answered: list[UUID] = []
        self.failed: list[str] = []
        self.ways: Counter[str] = Counter()
        self._there, self._ways, self._pause_s = there, ways, clients / rate
        self._may_cut = may_cut  # a worker is killed: what it did not answer is no failure
        self._may_fail = may_fail  # its providers fail: a call may have nobody left to answer it
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(clients)]
        for each in self._threads:
            each.start()

    def _run(self, number: int) -> None:
        wire = self._there.connect()
        for way in itertools.islice(itertools.cycle(self._ways), number * 3, None):
            begun = time.monotonic()
            try:
                self.answered.append(self._there.ask(wire, way))
                self.ways[str(way)] += 1
            except (OSError, http.client.HTTPException) as error:
                if not (self._may_cut or self._may_fail):
                    self.failed.append(f"{way}: {error!r}")
                wire.close()
            except AssertionError as error:
                # A stream whose worker died has no end; everything else is a failure in any case.
                is_cut = self._may_cut and way.streams and "without its end" in str(error)
                if not (is_cut or self._may_fail):
                    self.failed.append(f"{way}: {error}")
                wire.close()
            if self._stop.wait(max(0.0, self._pause_s - (time.monotonic() - begun))):
                break
        wire.close()

    def until_answered(self, more: int) -> None:
        """Returns when so many more calls have been answered, or one has failed."""
        enough = len(self.answered) + more
        until(lambda: len(self.answered) >= enough or self.failed, within_s=WAITS_S + more)
        assert self.failed == []

    def end(self) -> None:
        self._stop.set()
        for each in self._threads:
            each.join(WAITS_S)
