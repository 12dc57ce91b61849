"""Which door a request goes through."""

import asyncio
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from typing import Any
from uuid import uuid4

from routing.doors import counting, embeddings, kept, listing
from routing.doors.converse import converse, refuse
from routing.doors.exchange import Exchange, Receive, Send
from routing.doors.refusal import Refusal
from routing.wire import chat, messages, responses
from routing.wire.base import Wire

CONVERSATIONS: Mapping[str, tuple[Wire, str]] = {
    "/v1/chat/completions": (chat, "openai_chat"),
    "/v1/responses": (responses, "openai_responses"),
    "/v1/messages": (messages, "anthropic"),
}
DOORS = {path: ("POST", partial(converse, wire=wire, name=name)) for path, (wire, name) in CONVERSATIONS.items()} | {
    "/v1/messages/count_tokens": ("POST", counting.count_tokens),
    "/v1/embeddings": ("POST", embeddings.embed),
    "/v1/models": ("GET", listing.models),
}

PATH_CHARS = 200  # of an address that is told in an error


async def overloaded(scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
    """ASGI, for the same paths: this process has as many calls as it may. The body is not read."""
    exchange = Exchange(scope, receive, send)
    words = "Cortex has as many calls on their way as it may. Come back in a second."
    refusal = Refusal(503, "overloaded", words, str(uuid4()), retry_after_s=1)
    if exchange.path.rstrip("/") == "/mcp":
        told = {"code": refusal.code, "message": refusal.message, "request_id": refusal.request_id}
        await exchange.answer(refusal.status, {"error": told}, refusal.headers)
    else:
        await refuse(exchange, _wire_of(exchange), refusal)


def _wire_of(exchange: Exchange) -> Wire:
    """Whose shape an answer that no door gives is to have."""
    if exchange.header("anthropic-version") or exchange.path.startswith("/v1/messages"):
        return messages
    return chat


async def application(scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
    """ASGI, for /mcp and paths under /v1/."""
    exchange = Exchange(scope, receive, send)
    path = exchange.path.rstrip("/")
    if path == "/mcp":
        # 20 MB and a second of work that a worker without agents is spared; in a thread, for others are being served.
        mcp = await asyncio.to_thread(import_module, "routing.doors.mcp")
        await mcp.application(scope, receive, send)
        return
    wire = _wire_of(exchange)
    method, door = DOORS.get(path, ("", None))
    if door is None and path.startswith("/v1/models/"):
        method, door = "GET", listing.model
    if door is None and path.startswith(kept.PREFIX):
        method, door = exchange.method, kept.answer
    if door is None:
        await refuse(exchange, wire, Refusal(404, "not_found", f"{exchange.path[:PATH_CHARS]} is not served here."))
    elif exchange.method != method:
        words = f"{exchange.path[:PATH_CHARS]} takes {method}."
        await refuse(exchange, wire, Refusal(405, "method_not_allowed", words, more={"Allow": method}))
    else:
        await door(exchange)


async def too_large(scope: Mapping[str, Any], receive: Receive, send: Send, words: str) -> None:
    """Refuse a body that is over the limit, in the shape of the wire that it came over. The rest of it is not read."""
    exchange = Exchange(scope, receive, send)
    await refuse(exchange, _wire_of(exchange), Refusal(413, "too_large", words, more={"Connection": "close"}))
