"""OpenAI's Chat Completions, and every server compatible with it (Gemini, Ollama, vLLM, OpenRouter …), over the official SDK.

Options read: `headers` (mapping, sent with every request), `max_tokens_field` ("max_tokens" or "max_completion_tokens"),
`reasoning` (bool: whether the model takes `reasoning_effort` and no temperature, where its name does not tell),
`stream_usage` (bool: False for a server that refuses `stream_options`).
"""

import json
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2

from routing.providers import pool, sdks
from routing.providers.base import Discovered, Endpoint
from routing.providers.errors import malformed, truncated
from routing.providers.exchange import Reply, count, first_byte_s, get, listed, post, post_for_events
from routing.providers.openai_embeddings import embedded, embedding_body
from routing.providers.openai_request import chat_body, thinking_control
from routing.providers.openai_stream import CompletionStream
from routing.providers.usage import chat_usage
from routing.terms.embedding import Embedded, EmbeddingRequest
from routing.terms.event import Heard, StreamEnd, StreamStart, UsageTold
from routing.terms.fault import Failed, Fault
from routing.terms.request import Answer, Request, Timeouts, ToolCall
from routing.terms.words import ErrorKind, ProviderKind

if TYPE_CHECKING:
    import openai

STOP_REASONS: Mapping[str, str] = {
    "stop": "end_turn",  # of a stop sequence too: this wire does not tell them apart
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}


class OpenAI:
    async def complete(self, endpoint: Endpoint, request: Request, timeouts: Timeouts) -> Answer:
        reply = await post(
            await _sdk(endpoint),
            endpoint,
            "/chat/completions",
            chat_body(endpoint, request),
            timeouts,
            headers=_headers(endpoint),
            first_byte_s=first_byte_s(timeouts, request.max_tokens),
        )
        return chat_answer(reply)

    async def stream(self, endpoint: Endpoint, request: Request, timeouts: Timeouts) -> AsyncIterator[Heard]:
        body = chat_body(endpoint, request) | {"stream": True}
        if endpoint.options.get("stream_usage", True):
            body["stream_options"] = {"include_usage": True}
        whole, has_started = CompletionStream(), False
        async with post_for_events(
            await _sdk(endpoint), endpoint, "/chat/completions", body, timeouts, headers=_headers(endpoint)
        ) as events:
            async for chunk in events:
                deltas = list(whole.feed(chunk))
                if not has_started:
                    has_started = True
                    head = Reply(whole.head, events.headers)
                    yield StreamStart(head.model, head.request_id("x-request-id"))
                for delta in deltas:
                    events.has_begun = True
                    yield delta
                # Gemini, xAI and vLLM say with every chunk what they come to so far.
                if chunk.get("usage") and (usage := chat_usage(whole.usage, whole.head.get("service_tier"))):
                    yield UsageTold(usage)
            yield StreamEnd(chat_answer(Reply(whole.whole(), events.headers)))

    def thinking_control(self, endpoint: Endpoint, request: Request) -> str:
        return thinking_control(endpoint, request)

    async def embed(self, endpoint: Endpoint, request: EmbeddingRequest, timeouts: Timeouts) -> Embedded:
        """The vectors of all inputs, in their order, by one try."""
        reply = await post(
            await _sdk(endpoint),
            endpoint,
            "/embeddings",
            embedding_body(endpoint, request),
            timeouts,
            headers=_headers(endpoint),
            first_byte_s=timeouts.first_token_s,
        )
        return embedded(reply, len(request.inputs))

    async def models(self, endpoint: Endpoint, timeouts: Timeouts) -> tuple[Discovered, ...]:
        reply = await get(await _sdk(endpoint), endpoint, "/models", timeouts, headers=_headers(endpoint))
        return tuple(map(_discovered, listed(reply)))

    async def ping(self, endpoint: Endpoint, timeouts: Timeouts) -> None:
        await get(await _sdk(endpoint), endpoint, "/models", timeouts, headers=_headers(endpoint))


def chat_answer(reply: Reply) -> Answer:
    """The wire's completion as an Answer. Raises Failed where it is malformed or was cut off."""
    body = reply.body
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise malformed("the completion has no choice with a message")
    finish = choice.get("finish_reason")
    if not isinstance(finish, str) or not finish:
        raise truncated("the completion has no finish_reason")
    calls = tuple(_tool_call(call) for call in message.get("tool_calls") or ())
    refusal = message.get("refusal")
    stop = "tool_use" if calls and finish == "stop" else STOP_REASONS.get(finish, "end_turn")
    return Answer(
        output=_text(message.get("content")) or str(refusal or ""),
        stop_reason="refusal" if refusal else stop,
        served_model=reply.model,
        usage=chat_usage(body.get("usage"), body.get("service_tier")),
        tool_calls=calls,
        thinking=_text(message.get("reasoning_content") or message.get("reasoning")) or None,
        provider_request_id=reply.request_id("x-request-id"),
        extra={} if finish in STOP_REASONS else {"stop_reason": finish},
    )


def _tool_call(call: Any) -> ToolCall:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        raise malformed("a tool call names no function")
    arguments = function.get("arguments") or "{}"
    try:
        parsed = json.loads(arguments) if isinstance(arguments, str) else arguments
    except (ValueError, RecursionError):
        raise malformed("a tool call's arguments are no JSON") from None
    if not isinstance(parsed, dict):
        raise malformed("a tool call's arguments are no object")
    return ToolCall(str(call.get("id") or ""), str(function.get("name") or ""), parsed)


def _text(content: Any) -> str:
    """The text of a string or, as Mistral sends it, of a list of parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _discovered(item: Mapping[str, Any]) -> Discovered:
    window = count(item, "context_length") or count(item, "max_model_len")  # OpenRouter's name, vLLM's
    return Discovered(str(item["id"]), str(item.get("name") or ""), window or None)


def _headers(endpoint: Endpoint) -> dict[str, Any]:
    headers: dict[str, Any] = dict(endpoint.options.get("headers", {}))
    if endpoint.secret is None:
        from openai import Omit

        headers["Authorization"] = Omit()
    return headers


def base_url(endpoint: Endpoint) -> str:
    """The root of the wire, /v1 included. Raises Failed(CONFIG) where there is none."""
    if endpoint.base_url:
        # Ollama, vLLM and llama.cpp are named by host alone; their wire begins at /v1.
        return endpoint.base_url.rstrip("/") + ("" if urlsplit(endpoint.base_url).path.strip("/") else "/v1")
    if endpoint.kind is ProviderKind.OPENAI:
        return "https://api.openai.com/v1"
    raise Failed(Fault(ErrorKind.CONFIG, f"provider {endpoint.provider!r} has no base_url"))


async def _sdk(endpoint: Endpoint) -> "openai.AsyncOpenAI":
    await sdks.loaded("openai")
    from openai import AsyncOpenAI

    def make(http: httpx2.AsyncClient) -> AsyncOpenAI:
        sdk = AsyncOpenAI(
            api_key=endpoint.secret.reveal() if endpoint.secret else "-",  # "-" is left out of the headers
            base_url=base_url(endpoint),
            http_client=http,
            max_retries=0,
        )
        # What the SDK has read of the environment belongs to another use of it.
        sdk.organization = sdk.project = sdk.admin_api_key = None
        sdk._custom_headers = {}
        return sdk

    return pool.sdk_client(endpoint, make)
