"""The front door. Console pages pass Django's middleware; the API passes none of it; the raw wires do not enter Django at all.

Stock middleware costs more than half of a plain async view, and an API that knows its caller by a key needs no session.
"""

import json
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from cortex.environment import ensure_database

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cortex.settings")
ensure_database()

import django  # noqa: E402

django.setup(set_prefix=False)

from django.conf import settings  # noqa: E402
from django.core.handlers.asgi import ASGIHandler  # noqa: E402
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware  # noqa: E402

from cortex import lifespan  # noqa: E402
from cortex.admission import RETRY_S, Admission  # noqa: E402
from cortex.errors import body, refused  # noqa: E402
from cortex.inloop import ApiHandler, LoopHandler  # noqa: E402
from routing import doors  # noqa: E402

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

API_PATHS = ("/api/", "/healthz", "/readyz", "/metrics")
LOOP_PATHS = frozenset({"/api/v1/dispatch", "/api/v1/route/explain", "/healthz", "/readyz"})  # async from end to end
WIRE_PATHS = ("/v1/", "/mcp")


DISPATCH = "/api/v1/dispatch"


def _behind_a_proxy(handler: Any) -> Any:
    """`handler`, told whose address it is that a proxy in front speaks for: for who writes it down. A call's row has none."""
    return ProxyHeadersMiddleware(handler, os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1"))


console, api = _behind_a_proxy(ASGIHandler()), _behind_a_proxy(ApiHandler())
in_loop = LoopHandler()
admission = Admission()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan.run(receive, send)
        return
    path: str = scope["path"]
    if scope["method"] == "HEAD" and path == "/":
        await _plain(send, 200, b"", "text/plain")  # how Claude Code asks whether anybody is here
    elif path.startswith(WIRE_PATHS):
        await _admitted(doors.application, doors.overloaded, scope, receive, send, is_plain=True)
    elif path == DISPATCH:
        await _admitted(in_loop, _overloaded, scope, receive, send)
    elif path in LOOP_PATHS:
        await _bounded(in_loop, scope, receive, send)
    elif path.startswith(API_PATHS):
        await _bounded(api, scope, receive, send)
    else:
        await _bounded(console, scope, receive, send)


async def _admitted(
    handler: App, refuse: App, scope: Scope, receive: Receive, send: Send, *, is_plain: bool = False
) -> None:
    if scope["method"] != "POST":  # no call
        await _bounded(handler, scope, receive, send)
    elif not admission.enter(settings.MAX_CALLS):
        await refuse(scope, receive, send)
    else:
        try:
            await _bounded(handler, scope, receive, send, is_plain=is_plain)
        finally:
            admission.leave()


async def _overloaded(scope: Scope, receive: Receive, send: Send) -> None:
    words = f"This process has {settings.MAX_CALLS} calls on their way, as many as it may. Come back in {RETRY_S} s."
    headers = [(b"retry-after", str(RETRY_S).encode())]
    await _json(send, 503, body(503, words, code="overloaded"), headers)


async def _bounded(handler: App, scope: Scope, receive: Receive, send: Send, *, is_plain: bool = False) -> None:
    """Refuse a body over the limit, announced or not, before Django writes it to a file.

    `is_plain`: what was announced is not counted again, for the server holds a client to it.
    """
    limit = settings.SIZE_LIMIT_BYTES
    headers = dict(scope["headers"])
    if b"idempotency-key" in headers:
        handler = partial(doors.once, handler, native=refused)
    announced = headers.get(b"content-length", b"")
    if is_plain and announced.isdigit() and int(announced[:20]) <= limit:
        await handler(scope, receive, send)
        return
    is_over = announced.isdigit() and int(announced[:20]) > limit
    seen = 0

    async def counted() -> Mapping[str, Any]:
        nonlocal seen, is_over
        message = await receive()
        seen += len(message.get("body", b""))
        if seen <= limit:
            return message
        is_over = True
        return {"type": "http.disconnect"}  # the handler lets go of what it has

    if not is_over:
        await handler(scope, counted, send)
    if is_over:
        words = f"The body is larger than {limit} bytes, the limit CORTEX_SIZE_LIMIT_BYTES sets."
        if scope["path"].startswith("/v1/"):
            await doors.too_large(scope, receive, send, words)
        else:
            await _json(send, 413, body(413, words))


async def _json(send: Send, status: int, value: object, headers: Headers = ()) -> None:
    await _plain(send, status, json.dumps(value).encode(), "application/json", headers)


async def _plain(send: Send, status: int, content: bytes, kind: str, more: Headers = ()) -> None:
    headers = [*more, (b"content-type", kind.encode()), (b"content-length", str(len(content)).encode())]
    headers.append((b"x-content-type-options", b"nosniff"))
    if status == 413:
        headers.append((b"connection", b"close"))  # the rest of the body is not read
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
