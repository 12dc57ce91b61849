"""One idempotency key, one call, for the tool that dispatches: the key is its argument, or the header of the request that calls it."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mcp_types import CallToolResult

from routing.callers import presented_key
from routing.clients import Caller
from routing.dispatch import keyed
from routing.dispatch.keyed import Keyed
from routing.doors import claiming
from routing.doors.exchange import Exchange, Send
from routing.doors.idempotent import HEADER, word_of
from routing.doors.recording import KEPT_BYTES
from routing.doors.refusal import Refusal
from routing.idempotency import Kept

TOOL = "dispatch"
ARGUMENT = "idempotency_key"
REPLAYED = "idempotent_replayed"  # in the result's _meta


@dataclass(slots=True)
class Once:
    """The key under which the call of one request is made."""

    key: str  # the client's own
    word: str
    is_replayed: bool = False  # by now

    async def made(
        self, caller: Caller, arguments: Mapping[str, Any], make: Callable[[], Awaitable[tuple[CallToolResult, int]]]
    ) -> CallToolResult | Refusal:
        """What `make` brings, with its status as at the other doors; or what it brought before, or why neither."""
        try:
            want = await claiming.wanted(caller, self.key, self.word, _asked(arguments))
            found = await claiming.taken(want)
        except Exception as error:  # noqa: BLE001 - told as the doors tell it; a defect is logged there
            return claiming.refusal(error)
        if isinstance(found, Refusal):
            return found
        if found is not None:
            self.is_replayed = True
            kept = CallToolResult.model_validate_json(found.body)
            return kept.model_copy(update={"meta": {**(kept.meta or {}), REPLAYED: True}})
        state, ended = Keyed(want.claim.call), None
        token = keyed.current.set(state)
        try:
            ended = await make()
        finally:
            keyed.current.reset(token)
            status = ended[1] if ended else None
            await asyncio.shield(claiming.settle(want, state, status, lambda: _kept(ended)))
        return ended[0]

    def told(self, send: Send) -> Send:
        """The same, with the header of a replay."""

        async def sending(message: Mapping[str, Any]) -> None:
            if self.is_replayed and message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"idempotent-replayed", b"true")]}
            await send(message)

        return sending


def once(exchange: Exchange, message: Mapping[str, Any]) -> Once | None:
    """The key that comes with the message; None where none does, and for all that calls no model. Raises claiming.NoWord."""
    params = message.get("params")
    if message.get("method") != "tools/call" or not isinstance(params, Mapping) or params.get("name") != TOOL:
        return None
    arguments = params.get("arguments")
    word = arguments.get(ARGUMENT) if isinstance(arguments, Mapping) else None
    if word is None:
        if exchange.header(HEADER.decode()) is None:
            return None
        word = word_of(exchange)
    elif not (isinstance(word, str) and claiming.is_word(word.encode("utf-8", "surrogatepass"))):
        return None  # the tool's form refuses it
    return Once(presented_key(exchange.header) or "", word)


def _asked(arguments: Mapping[str, Any]) -> Iterator[bytes]:
    yield b"/mcp"
    yield json.dumps({name: value for name, value in arguments.items() if name != ARGUMENT}, sort_keys=True).encode()


def _kept(ended: tuple[CallToolResult, int] | None) -> Kept | None:
    if ended is None:
        return None
    body = ended[0].model_dump_json(by_alias=True).encode()
    return Kept(ended[1], (), body) if len(body) <= KEPT_BYTES else None
