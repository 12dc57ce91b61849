"""The message object, its usage and its errors, as both the whole answer and the stream tell them."""

from collections.abc import Mapping
from typing import Any

from routing.terms.request import Answer, Usage
from routing.wire import seals
from routing.wire.base import Told, blocks_of

STOP_REASONS = frozenset({"end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"})

SERVICE_TIERS = frozenset({"priority", "batch"})  # that this wire has a word for; none is the standard one

_ERROR_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def message(told: Told, content: list[Mapping[str, Any]], usage: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": f"msg_{told.id}",
        "type": "message",
        "role": "assistant",
        "model": told.model,
        "content": content,
        "usage": usage,
    }


def content(answer: Answer, told: Told) -> list[Mapping[str, Any]]:
    """The answer's blocks. Thinking that nobody signed bears our mark: clients repeat it, and it must not reach a provider."""
    blocks = []
    for index, block in enumerate(blocks_of(answer)):
        if block.get("type") == "thinking" and not seals.is_signed(block):
            block = dict(block) | {"signature": seals.sealed()}
        if block.get("type") == "tool_use":
            name, call = str(block.get("name") or ""), block.get("id") or f"toolu_{told.id}_{index}"
            block = dict(block) | {"id": call, "name": told.names.called(name)[1]}
        blocks.append(block)
    return blocks


def stop(answer: Answer) -> dict[str, Any]:
    """Why the answer ended."""
    reason = answer.stop_reason if answer.stop_reason in STOP_REASONS else "end_turn"
    details = answer.extra.get("stop_details")
    told = {"stop_reason": reason, "stop_sequence": answer.extra.get("stop_sequence")}
    return told | ({"stop_details": details} if details else {})


def usage_of(usage: Usage | None) -> dict[str, Any]:
    """Cached parts are told beside the input here, not in it. Zeros where the provider told nothing: this wire requires numbers."""
    usage = usage or Usage()
    read, write, hour = usage.cache_read_tokens, usage.cache_write_tokens, usage.cache_write_1h_tokens
    told: dict[str, Any] = {
        "input_tokens": max(0, usage.input_tokens - read - write),
        "cache_creation_input_tokens": write,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": max(0, write - hour), "ephemeral_1h_input_tokens": hour},
        "output_tokens": usage.output_tokens,
    }
    if usage.reasoning_tokens:
        told["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    if usage.searches:
        told["server_tool_use"] = {"web_search_requests": usage.searches, "web_fetch_requests": 0}
    if usage.service_tier in SERVICE_TIERS:
        told["service_tier"] = usage.service_tier
    return told


def error_body(status: int, message: str) -> dict[str, Any]:
    kind = _ERROR_TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return {"error": {"type": kind, "message": message}}
