"""Server-sent events of a streamed answer, as JSON objects, each waited for no longer than its time."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx2

from routing.providers.base import Endpoint
from routing.providers.errors import fault_of_error, fault_of_status, malformed, truncated
from routing.terms.fault import Failed
from routing.terms.request import Timeouts

MAX_EVENT_CHARS = 16 * 1024 * 1024


class Events:
    """Iterate once. Ends at `[DONE]` or where the connection ends in order; whether that was the end of the answer, the wire must say.

    Until `has_begun` is set (by who reads, at the first content) the whole wait is bounded by `first_token_s`, whatever pings come;
    afterwards each event may take `idle_s`.
    """

    def __init__(self, response: httpx2.Response, endpoint: Endpoint, timeouts: Timeouts, begun: float) -> None:
        self.headers = response.headers
        self.has_begun = False
        self._status = response.status_code
        self._lines = _lines(response)
        self._endpoint = endpoint
        self._idle_s = timeouts.idle_s
        self._first_by = begun + timeouts.first_token_s  # on the loop's clock

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        data: list[str] = []
        size = 0
        async for line in self._timed():
            if line.startswith("data:"):
                data.append(line[5:].removeprefix(" "))
                size += len(line)  # with its name: an event of empty lines is no end of them
                if size > MAX_EVENT_CHARS:
                    raise malformed(f"an event is longer than {MAX_EVENT_CHARS:,} characters", self._status)
            elif not line and data:
                text, data, size = "\n".join(data), [], 0
                if text == "[DONE]":
                    return
                yield self._parsed(text)
        if data and "\n".join(data) != "[DONE]":  # the last event of a server that leaves out the empty line
            yield self._parsed("\n".join(data))

    async def _timed(self) -> AsyncIterator[str]:
        loop, lines = asyncio.get_running_loop(), aiter(self._lines)
        while True:
            until = loop.time() + self._idle_s if self.has_begun else self._first_by
            try:
                async with asyncio.timeout_at(until):
                    line = await anext(lines)
            except StopAsyncIteration:
                return
            except (httpx2.RemoteProtocolError, httpx2.NetworkError):
                raise truncated("the connection broke in the middle of the stream", self._status) from None
            except (httpx2.HTTPError, TimeoutError) as error:
                raise Failed(fault_of_error(error)) from None
            yield line

    def _parsed(self, text: str) -> dict[str, Any]:
        try:
            event = json.loads(text)
        except (ValueError, RecursionError):
            raise malformed("an event of the stream is no JSON", self._status) from None
        if not isinstance(event, dict):
            raise malformed("an event of the stream is no JSON object", self._status)
        if event.get("error"):
            now, secret = datetime.now(UTC), self._endpoint.secret
            raise Failed(fault_of_status(self._status, self.headers, text.encode(), now=now, secret=secret))
        return event


async def _lines(response: httpx2.Response) -> AsyncIterator[str]:
    """The lines of the body. Only a newline ends one: what httpx2 also takes for an end, U+2028 and others, stands in texts."""
    pending = bytearray()
    async for part in response.aiter_bytes():
        pending += part
        if b"\n" in part:
            *lines, rest = bytes(pending).split(b"\n")
            pending = bytearray(rest)
            for line in lines:
                yield line.removesuffix(b"\r").decode("utf-8", "replace")
        elif len(pending) > MAX_EVENT_CHARS:
            raise malformed(f"a line is longer than {MAX_EVENT_CHARS:,} bytes", response.status_code)
    if pending:
        yield pending.removesuffix(b"\r").decode("utf-8", "replace")
