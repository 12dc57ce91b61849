"""The front door: which way a request goes, and what it is told when it goes wrong."""

import asyncio
import gc
import json
import sys

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.test import override_settings

from cortex.asgi import application
from routing import snapshot
from routing.dispatch import engine
from routing.providers.relay_headers import passed_on, told
from tests.routing.dispatching import Scripted
from tests.routing.seeded import seeded  # noqa: F401

WIRES = ("/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/messages/count_tokens", "/v1/embeddings", "/mcp")


class Exchange:
    """One request through the application, and what came back."""

    def __init__(self, method, path, body=b"", headers=()):
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8000),
            "headers": [(b"host", b"localhost"), *headers],
        }
        self.waiting = [{"type": "http.request", "body": body, "more_body": False}]
        self.gone = asyncio.Event()
        self.sent = []

    async def _receive(self):
        if self.waiting:
            return self.waiting.pop(0)
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message):
        self.sent.append(message)

    async def run(self):
        await application(self.scope, self._receive, self._send)
        return self

    @property
    def status(self):
        return self.sent[0]["status"]

    @property
    def content(self):
        return b"".join(each.get("body", b"") for each in self.sent[1:])

    def error(self):
        return json.loads(self.content)["error"]


def dispatch(key, body):
    headers = [(b"x-cortex-key", key.encode()), (b"content-type", b"application/json")]
    return Exchange("POST", "/api/v1/dispatch", json.dumps(body).encode(), headers)


async def test_head_of_the_root_says_that_somebody_is_here():
    assert (await Exchange("HEAD", "/").run()).status == 200


async def test_a_wire_that_is_not_there_is_404_in_its_own_shape():
    found = await Exchange("POST", "/v1/nothing", b"{}").run()
    assert (found.status, found.error()["code"]) == (404, "not_found")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/api/v1/nothing", 404), ("PUT", "/api/v1/dispatch", 405)]
)
async def test_what_the_api_does_not_have_is_told_in_its_error_body(method, path, status):
    found = await Exchange(method, path).run()
    assert (found.status, bool(found.error()["message"])) == (status, True)


@override_settings(SIZE_LIMIT_BYTES=100)
@pytest.mark.parametrize("path", ["/api/v1/dispatch", "/api/v1/calls/import"])
@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_over_the_limit_is_413(seeded, path, announced):  # noqa: F811
    headers = [(b"x-cortex-key", seeded.encode()), *([(b"content-length", b"101")] if announced else [])]
    found = await Exchange("POST", path, b"x" * 101, headers).run()
    assert (found.status, found.error()["code"]) == (413, "too_large")


@pytest.mark.parametrize("path", ["/api/v1/dispatch", "/api/v1/route/explain", *WIRES])
@pytest.mark.parametrize("key", [None, "nonsense", f"ck_{'x' * 47}"])
async def test_who_has_no_key_is_told_so_before_the_body_is_asked_for(seeded, path, key):  # noqa: F811
    """Its places are for calls, and its memory for what callers send: a body that does not come would hold both."""
    found = Exchange("POST", path, b"{", [] if key is None else [(b"x-cortex-key", key.encode())])
    found.waiting[0]["more_body"] = True
    await asyncio.wait_for(found.run(), 10)
    assert (found.status, len(found.waiting)) == (401, 1)


@pytest.mark.parametrize("base", ["", "/api/v1"])
async def test_ready_is_told_apart_from_alive(base):
    snapshot.forget()
    assert (await Exchange("GET", f"{base}/healthz").run()).status == 200
    assert (await Exchange("GET", f"{base}/readyz").run()).status == 503
    assert (await Exchange("GET", f"{base}/metrics").run()).status == 200


async def test_a_dispatch_passes_the_loop_alone(seeded, monkeypatch):  # noqa: F811
    """No query and no thread between the request and its answer."""
    with monkeypatch.context() as patched:
        patched.setattr("django.db.backends.utils.CursorWrapper.execute", _no_query)
        patched.setattr("asgiref.sync.SyncToAsync.__call__", _no_thread)
        found = await dispatch(seeded, {"task_type": "coding", "prompt": "hi"}).run()
    assert (found.status, json.loads(found.content)["model"]) == (200, "codex")


def _no_query(*args, **kwargs):
    raise AssertionError("a query on the call path")


def _no_thread(*args, **kwargs):
    raise AssertionError("a thread on the call path")


async def test_a_client_that_goes_away_cancels_the_provider(seeded, monkeypatch):  # noqa: F811
    adapter = Scripted({"gpt-6.1-sol": asyncio.Event()})
    monkeypatch.setattr(engine, "lane_for", lambda kind, raw: adapter)
    exchange = dispatch(seeded, {"task_type": "coding", "prompt": "hi"})
    running = asyncio.create_task(exchange.run())
    await adapter.waiting.wait()
    exchange.gone.set()
    await running
    assert (adapter.cancelled, exchange.sent) == (["gpt-6.1-sol"], [])


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/nothing"])
@pytest.mark.parametrize(("proxy", "told_of"), [("127.0.0.1", "203.0.113.9"), ("192.0.2.7", "192.0.2.7")])
async def test_django_knows_the_address_that_a_trusted_proxy_tells(path, proxy, told_of, monkeypatch):
    """The audit trail has it, of changes over the API too."""
    seen = []
    made = ASGIHandler.create_request

    def create(self, scope, body):
        request, error = made(self, scope, body)
        seen.append(request.META["REMOTE_ADDR"])
        return request, error

    monkeypatch.setattr(ASGIHandler, "create_request", create)
    request = Exchange("GET", path, b"", [(b"x-forwarded-for", b"203.0.113.9")])
    request.scope["client"] = (proxy, 1)
    assert ((await request.run()).status, seen) == (404, [told_of])


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/nothing", "/mcp"])
async def test_no_name_of_a_strangers_header_outlives_its_request(path):
    """A server's memory is not for whoever sends 3 MB as a name, again and again."""
    name = b"x-" + path.encode() + b"a" * 3_000_000
    before = sys.getrefcount(name)
    assert (await Exchange("POST", path, b"{}", [(name, b"x")]).run()).status in (401, 404)
    gc.collect()
    assert sys.getrefcount(name) == before


def test_a_name_that_no_program_has_is_neither_passed_on_nor_back():
    """What is passed on is remembered by its name."""
    endless = "x-ratelimit-" + "a" * 3_000_000
    assert passed_on([(endless.encode(), b"1"), (b"x-app", b"cli")]) == (("x-app", "cli"),)
    assert told({endless: "1", "x-ratelimit-limit": "2"}) == {"x-ratelimit-limit": "2"}
