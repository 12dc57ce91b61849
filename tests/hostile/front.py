"""The front door in this process: raw bytes in, the whole answer out, Django's work on the test's own thread and database."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from asgiref.sync import async_to_sync
from django.core.signals import request_finished, request_started
from django.db import close_old_connections

from cortex.asgi import application

KIND = (b"content-type", b"application/json")
Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Request:
    """As a socket would have it: nothing here is checked or encoded."""

    method: str
    target: bytes  # path and query, percent-encoded or not
    headers: Headers = ()
    chunks: tuple[bytes, ...] = (b"",)

    def __str__(self) -> str:
        return f"{self.method} {self.target[:80]!r} {list(self.headers)[:4]!r:.200} {self.chunks[0][:60]!r}"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[bytes, bytes]
    content: bytes
    chunks_read: int

    @property
    def kind(self) -> str:
        return self.headers.get(b"content-type", b"").decode()

    @property
    def error(self) -> dict[str, Any]:
        """The error body, which has the contract's parts and no others, and never HTML."""
        assert self.kind.startswith("application/json"), (self.status, self.kind, self.content[:200])
        told = json.loads(self.content)
        error: dict[str, Any] = told["error"]
        assert set(error) <= {"code", "message", "request_id", "retryable", "details"}, error
        assert error["code"], error
        assert error["message"], error
        assert error["request_id"], error
        assert isinstance(error["retryable"], bool), error
        return error


async def answer_of(request: Request) -> Answer:
    """What the front door says, as uvicorn would put the question."""
    path, _, query = request.target.partition(b"?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": unquote_to_bytes(path).decode("utf-8", "replace"),  # as uvicorn's unquote does
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1"), *request.headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
    }
    waiting = list(request.chunks)
    told: list[Any] = []

    async def receive() -> dict[str, Any]:
        if not waiting:
            await asyncio.Event().wait()  # the client stays until it has its answer
        part = waiting.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(waiting)}

    async def send(message: Any) -> None:
        told.append(message)

    await application(scope, receive, send)
    start = next(one for one in told if one["type"] == "http.response.start")
    content = b"".join(one.get("body", b"") for one in told if one["type"] == "http.response.body")
    headers = {name.lower(): value for name, value in start["headers"]}
    return Answer(start["status"], headers, content, len(request.chunks) - len(waiting))


async def _answers(requests: Iterable[Request]) -> list[Answer]:
    return [await answer_of(each) for each in requests]


def answers(requests: Iterable[Request]) -> list[Answer]:
    """The answers, one after another, in one event loop."""
    for signal in (request_started, request_finished):  # as Django's own test client does: the connection is the test's
        signal.disconnect(close_old_connections)
    try:
        found: list[Answer] = async_to_sync(_answers)(requests)
    finally:
        for signal in (request_started, request_finished):
            signal.connect(close_old_connections)
    return found


def post(path: str, body: object, *headers: tuple[bytes, bytes]) -> Request:
    """A JSON body, or bytes as they are."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Request("POST", path.encode(), (KIND, *headers), (raw,))
