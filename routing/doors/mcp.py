"""POST /mcp: the Model Context Protocol over streamable HTTP, for agents that delegate through a tool call.

Each request stands alone: any worker answers it, nothing is kept between two, and its key comes with it as at every other door.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import nullcontext
from typing import Any
from uuid import uuid4

from django.conf import settings
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult

from routing.clients import Caller
from routing.doors import claiming, mcp_once, mcp_tools
from routing.doors.exchange import Exchange, Gone, Receive, Send
from routing.doors.refusal import Refusal

INSTRUCTIONS = (
    "Cortex decides which model does which kind of work. Hand work over with `dispatch`, naming its task type; "
    "when you know whether the answer did its task, say so with `record_verdict`."
)

logging.getLogger("mcp.server").setLevel(
    logging.WARNING
)  # it tells of the beginning and end of every manager, here of each request


async def application(scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
    """ASGI, for the path /mcp."""
    exchange = Exchange(scope, receive, send)
    if exchange.method != "POST":  # nothing is ever sent unasked, and there is no session to end
        words = "/mcp takes POST: each request is answered where it is made."
        await _refuse(exchange, Refusal(405, "method_not_allowed", words), {"Allow": "POST"})
        return
    try:
        caller = await exchange.caller()
        body = await exchange.body()
        once = mcp_once.once(exchange, body.fields)
        # A key is a client's word that it comes back for the answer: then the call goes on without it.
        with exchange.watched() if once is None else nullcontext():
            manager = StreamableHTTPSessionManager(
                _server(caller, once),
                json_response=True,
                stateless=True,
                max_request_body_size=settings.SIZE_LIMIT_BYTES,
            )
            async with manager.run():
                await manager.handle_request(dict(scope), _body(body.raw), once.told(send) if once else send)
    except Gone:
        return
    except Exception as error:  # noqa: BLE001 - told below; a defect is logged there
        refusal = claiming.refusal(error)
        await _refuse(exchange, refusal, {"WWW-Authenticate": "Bearer"} if refusal.status == 401 else {})


async def _refuse(exchange: Exchange, refusal: Refusal, headers: Mapping[str, str]) -> None:
    error = {"code": refusal.code, "message": refusal.message, "request_id": refusal.request_id or str(uuid4())}
    await exchange.answer(refusal.status, {"error": error}, {**refusal.headers, **headers})


def _server(caller: Caller, once: mcp_once.Once | None) -> Server[Any]:
    async def list_tools(context: object, page: object) -> ListToolsResult:
        return ListToolsResult(tools=mcp_tools.listed(caller))

    async def call_tool(context: object, asked: CallToolRequestParams) -> CallToolResult:
        return await mcp_tools.call(asked.name, asked.arguments or {}, caller, once)

    return Server("cortex", instructions=INSTRUCTIONS, on_list_tools=list_tools, on_call_tool=call_tool)


def _body(raw: bytes) -> Callable[[], Awaitable[MutableMapping[str, Any]]]:
    """The body, whole; after it nothing, until the exchange's own watch ends the call."""
    parts: list[MutableMapping[str, Any]] = [{"type": "http.request", "body": raw, "more_body": False}]

    async def receive() -> MutableMapping[str, Any]:
        if parts:
            return parts.pop()
        await asyncio.Event().wait()
        raise AssertionError("nobody sets the event")

    return receive
