"""Anthropic's Messages API, and servers that speak it at a base_url of their own, over the official SDK.

Options read: `headers` (mapping, sent with every request), `thinking` ("adaptive" or "budget", where the model's name does not tell),
`max_tokens` (int, sent when the request sets none: this wire requires one).
"""

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2

from routing.providers import pool, sdks
from routing.providers.anthropic_request import message_body, thinking_control
from routing.providers.anthropic_stream import MessageStream
from routing.providers.base import Discovered, Endpoint
from routing.providers.errors import malformed, truncated
from routing.providers.exchange import Reply, count, first_byte_s, get, listed, post, post_for_events
from routing.providers.usage import message_usage
from routing.terms.event import Heard, StreamEnd, StreamStart, UsageTold
from routing.terms.request import Answer, Request, Timeouts, ToolCall
from routing.terms.words import CredentialKind

if TYPE_CHECKING:
    import anthropic

BASE_URL = "https://api.anthropic.com"
STOP_REASONS: Mapping[str, str] = {
    "end_turn": "end_turn",
    "max_tokens": "max_tokens",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_use",
    "refusal": "refusal",
    "pause_turn": "end_turn",  # of server tools, which are never sent
    "model_context_window_exceeded": "max_tokens",
}


class Anthropic:
    async def complete(self, endpoint: Endpoint, request: Request, timeouts: Timeouts) -> Answer:
        sdk = await _sdk(endpoint)
        message = message_body(endpoint, request)
        reply = await post(
            sdk,
            endpoint,
            "/v1/messages",
            message,
            timeouts,
            headers=_headers(endpoint) | _version(message),
            first_byte_s=first_byte_s(timeouts, request.max_tokens),
        )
        return message_answer(reply)

    async def stream(self, endpoint: Endpoint, request: Request, timeouts: Timeouts) -> AsyncIterator[Heard]:
        sdk = await _sdk(endpoint)
        body = message_body(endpoint, request) | {"stream": True}
        headers = _headers(endpoint) | _version(body)
        whole = MessageStream()
        async with post_for_events(sdk, endpoint, "/v1/messages", body, timeouts, headers=headers) as events:
            async for event in events:
                for delta in whole.feed(event):
                    events.has_begun = True
                    yield delta
                if event.get("type") == "message_start":
                    head = Reply(whole.body, events.headers)
                    usage = message_usage(whole.body.get("usage"))
                    yield StreamStart(head.model, head.request_id("request-id"), usage)
                elif event.get("type") == "message_delta" and (usage := message_usage(whole.body.get("usage"))):
                    yield UsageTold(usage)
                if whole.is_over:
                    break
            yield StreamEnd(message_answer(Reply(whole.whole(), events.headers)))

    def thinking_control(self, endpoint: Endpoint, request: Request) -> str:
        return thinking_control(endpoint, request)

    async def models(self, endpoint: Endpoint, timeouts: Timeouts) -> tuple[Discovered, ...]:
        reply = await get(await _sdk(endpoint), endpoint, "/v1/models?limit=1000", timeouts, headers=_headers(endpoint))
        return tuple(map(_discovered, listed(reply)))

    async def ping(self, endpoint: Endpoint, timeouts: Timeouts) -> None:
        await get(await _sdk(endpoint), endpoint, "/v1/models?limit=1", timeouts, headers=_headers(endpoint))


def message_answer(reply: Reply) -> Answer:
    """The wire's message as an Answer. Raises Failed where it is malformed or was cut off."""
    body = reply.body
    blocks = body.get("content")
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise malformed("the message has no content list")
    stop = body.get("stop_reason")
    if not isinstance(stop, str):
        raise truncated("the message has no stop_reason")
    return Answer(
        output="".join(_text(block, "text") for block in blocks),
        stop_reason=STOP_REASONS.get(stop, "end_turn"),
        served_model=reply.model,
        usage=message_usage(body.get("usage")),
        tool_calls=tuple(_tool_call(block) for block in blocks if block.get("type") == "tool_use"),
        thinking="".join(_text(block, "thinking") for block in blocks) or None,
        provider_request_id=reply.request_id("request-id"),
        extra=_told_of_the_end(body) | ({} if stop in STOP_REASONS else {"stop_reason": stop}),
        blocks=tuple(blocks),
    )


def _told_of_the_end(body: Mapping[str, Any]) -> dict[str, Any]:
    """Which stop sequence it was, and what a refusal was about, as the wire says it."""
    return {name: body[name] for name in ("stop_sequence", "stop_details") if body.get(name)}


def _text(block: Mapping[str, Any], kind: str) -> str:
    return str(block.get(kind) or "") if block.get("type") == kind else ""


def _tool_call(block: Mapping[str, Any]) -> ToolCall:
    arguments = block.get("input")
    if not isinstance(arguments, dict):
        raise malformed("a tool call's input is no object")
    return ToolCall(str(block.get("id") or ""), str(block.get("name") or ""), arguments)


def _discovered(item: Mapping[str, Any]) -> Discovered:
    return Discovered(
        upstream_id=str(item["id"]),
        name=str(item.get("display_name") or ""),
        context_window=count(item, "max_input_tokens") or None,
        max_output_tokens=count(item, "max_tokens") or None,
    )


def base_url(endpoint: Endpoint) -> str:
    """The root of the wire, without /v1."""
    return (endpoint.base_url or BASE_URL).rstrip("/").removesuffix("/v1")


def _version(body: Mapping[str, Any]) -> dict[str, Any]:
    """Version 2026-10-21, which the SDK sends, answers 400 to any sampling; for the models that take one the version before it stays."""
    return {"anthropic-version": "2023-06-01"} if body.keys() & {"temperature", "top_p"} else {}


def _headers(endpoint: Endpoint) -> dict[str, Any]:
    headers: dict[str, Any] = dict(endpoint.options.get("headers", {}))
    if endpoint.secret is None:
        from anthropic import Omit

        headers["Authorization"] = Omit()
    elif endpoint.credential_kind is not CredentialKind.OAUTH and not _is_anthropics(endpoint):
        headers["X-Api-Key"] = (
            endpoint.secret.reveal()
        )  # the SDK sends a Bearer by now, which servers of others may not read
    return headers


def _is_anthropics(endpoint: Endpoint) -> bool:
    host = urlsplit(endpoint.base_url or BASE_URL).hostname or ""
    return host == "anthropic.com" or host.endswith(".anthropic.com")


async def _sdk(endpoint: Endpoint) -> "anthropic.AsyncAnthropic":
    await sdks.loaded("anthropic")
    from anthropic import AsyncAnthropic

    def make(http: httpx2.AsyncClient) -> AsyncAnthropic:
        secret = endpoint.secret.reveal() if endpoint.secret else "-"  # "-" is left out of the headers
        is_oauth = endpoint.credential_kind is CredentialKind.OAUTH
        sdk = AsyncAnthropic(
            api_key=None if is_oauth else secret,
            auth_token=secret if is_oauth else None,
            base_url=base_url(endpoint),
            http_client=http,
            max_retries=0,
            open_telemetry=False,
        )
        sdk._custom_headers = {}  # ANTHROPIC_CUSTOM_HEADERS of the environment could replace the credential
        return sdk

    return pool.sdk_client(endpoint, make)
