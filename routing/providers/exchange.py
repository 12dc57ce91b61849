"""One HTTP exchange through an SDK's low-level request: its own body building, keys and headers, our timeouts and reading.

The typed calls spend most of a call's CPU on models that an `Answer` does not need.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import httpx2

from routing.providers import sdks
from routing.providers.base import Endpoint
from routing.providers.errors import fault_of_error, fault_of_status, malformed, plain, truncated
from routing.providers.sse import Events
from routing.terms.fault import Failed, Fault
from routing.terms.request import Timeouts

if TYPE_CHECKING:
    import anthropic
    import openai

SDK: TypeAlias = "anthropic.AsyncAnthropic | openai.AsyncOpenAI"

MAX_ANSWER_BYTES = 64 * 1024 * 1024  # unpacked; an answer is text, and a compressed one may unpack to anything
MAX_COUNT = 2**31 - 1  # of a column of tokens; a server that tells more is not counting
MODEL_CHARS, ID_CHARS = 200, 120  # of what a server calls its model and its request
TOKENS_PER_S = 35  # the pace below which a provider counts as hanging: Anthropic's SDK reckons 128,000 tokens an hour
ASSUMED_TOKENS = 4096  # of an answer to a request that sets no max_tokens


@dataclass(frozen=True, slots=True)
class Reply:
    """A 2xx answer whose body is a JSON object."""

    body: Mapping[str, Any]
    headers: Mapping[str, str]

    @property
    def model(self) -> str:
        """The model that served, as the provider names it."""
        return plain(self.body.get("model") or "", MODEL_CHARS)

    def request_id(self, header: str) -> str | None:
        """The provider's name of this request, from its header, else from the body."""
        return plain(self.headers.get(header) or self.body.get("id") or "", ID_CHARS) or None


def listed(reply: Reply) -> list[dict[str, Any]]:
    """The entries of a list of models that have an id. Raises Failed(MALFORMED) for what is no list."""
    items = reply.body.get("data")
    if not isinstance(items, list):
        raise malformed("the list of models is no list")
    return [item for item in items if isinstance(item, dict) and isinstance(item.get("id"), str)]


def first_byte_s(timeouts: Timeouts, max_tokens: int | None) -> float:
    """How long a whole answer's first byte may take: none is sent before the last token is written, so the writing counts too."""
    writing_s = (ASSUMED_TOKENS if max_tokens is None else max_tokens) / TOKENS_PER_S
    return min(timeouts.total_s, timeouts.first_token_s + writing_s)


def count(part: Any, name: str) -> int:
    """The number of that name in a part of an answer; 0 where there is none."""
    value = part.get(name) if type(part) is dict else None
    return min(value, MAX_COUNT) if value is not None and isinstance(value, int) and value > 0 else 0


async def post(
    sdk: SDK,
    endpoint: Endpoint,
    path: str,
    body: Mapping[str, Any],
    timeouts: Timeouts,
    *,
    headers: Mapping[str, Any] | None = None,
    first_byte_s: float,
) -> Reply:
    """The answer to one POST, or Failed. `headers` may hold an SDK's Omit."""
    response = await _open(sdk, endpoint, path, body, _options(timeouts, first_byte_s, headers))
    return await _reply(response, endpoint, timeouts)


@asynccontextmanager
async def post_for_events(
    sdk: SDK,
    endpoint: Endpoint,
    path: str,
    body: Mapping[str, Any],
    timeouts: Timeouts,
    *,
    headers: Mapping[str, Any] | None = None,
) -> AsyncIterator[Events]:
    """The event stream that answers one POST, or Failed. Closed, and the provider's work with it, when the block is left."""
    begun = asyncio.get_running_loop().time()
    response = await _open(sdk, endpoint, path, body, _options(timeouts, timeouts.first_token_s, headers))
    try:
        yield Events(response, endpoint, timeouts, begun)
    finally:
        await response.aclose()


async def get(
    sdk: SDK, endpoint: Endpoint, path: str, timeouts: Timeouts, *, headers: Mapping[str, Any] | None = None
) -> Reply:
    """The answer to one GET, or Failed."""
    options = _options(timeouts, timeouts.first_token_s, headers)
    try:
        response = await sdk.get(path, cast_to=httpx2.Response, options=options, stream=True)
    except Exception as error:  # noqa: BLE001 - as above
        raise Failed(_fault(error, endpoint)) from None
    return await _reply(response, endpoint, timeouts)


async def _open(sdk: SDK, endpoint: Endpoint, path: str, body: Mapping[str, Any], options: Any) -> httpx2.Response:
    try:
        return await sdk.post(path, cast_to=httpx2.Response, body=body, options=options, stream=True)
    except Exception as error:  # noqa: BLE001 - the SDKs raise what httpx2, json and they themselves raise
        raise Failed(_fault(error, endpoint)) from None


def _options(timeouts: Timeouts, first_byte_s: float, headers: Mapping[str, Any] | None) -> Any:
    return {
        "headers": headers or {},
        "timeout": httpx2.Timeout(
            connect=timeouts.connect_s, read=first_byte_s, write=timeouts.idle_s, pool=timeouts.connect_s
        ),
        "max_retries": 0,
    }


def _fault(error: Exception, endpoint: Endpoint) -> Fault:
    if sdks.is_a(error, "APIStatusError"):
        response: httpx2.Response = error.response  # type: ignore[attr-defined]  # of both
        raw = response.content if response.is_stream_consumed else b""
        return fault_of_status(
            response.status_code, response.headers, raw, now=datetime.now(UTC), secret=endpoint.secret
        )
    return fault_of_error(error, endpoint.secret)


async def _reply(response: httpx2.Response, endpoint: Endpoint, timeouts: Timeouts) -> Reply:
    try:
        raw = await _read(response, timeouts.idle_s)
    finally:
        await response.aclose()
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise malformed(f"HTTP {response.status_code}, but no JSON: {len(raw)} bytes", response.status_code) from None
    if not isinstance(body, dict):
        raise malformed(f"HTTP {response.status_code}, but no JSON object", response.status_code)
    if body.get("error"):  # OpenRouter and others report an upstream's error with a 200
        now = datetime.now(UTC)
        raise Failed(fault_of_status(response.status_code, response.headers, raw, now=now, secret=endpoint.secret))
    return Reply(body, response.headers)


async def _read(response: httpx2.Response, idle_s: float) -> bytes:
    """The whole body, unpacked. Failed when it stops for `idle_s`, breaks off or grows past the limit."""
    loop, parts, size = asyncio.get_running_loop(), [], 0
    try:
        async with asyncio.timeout(idle_s) as idle:
            async for part in response.aiter_bytes():
                idle.reschedule(loop.time() + idle_s)
                parts.append(part)
                size += len(part)
                if size > MAX_ANSWER_BYTES:
                    raise malformed(f"the answer is longer than {MAX_ANSWER_BYTES:,} bytes", response.status_code)
    except (httpx2.RemoteProtocolError, httpx2.NetworkError):
        message = f"the connection broke after {size} bytes of the answer"
        raise truncated(message, response.status_code) from None
    except (httpx2.HTTPError, TimeoutError) as error:
        raise Failed(fault_of_error(error)) from None
    return b"".join(parts)
