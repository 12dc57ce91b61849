"""OpenAI's Chat Completions: `read` a body, write the `answer` whole or as a `Stream`, write an `error`."""

from collections.abc import Mapping
from typing import Any

from routing.terms.request import Answer, ToolCall
from routing.wire.base import Told
from routing.wire.chat_glance import glance
from routing.wire.chat_reading import read
from routing.wire.chat_streaming import Stream, finish_reason, usage_of
from routing.wire.openai import error_body, text_input, written

__all__ = ["Stream", "answer", "error", "glance", "read"]


def answer(answer: Answer, told: Told) -> dict[str, Any]:
    """The whole completion."""
    message: dict[str, Any] = {"role": "assistant", "content": answer.output or None, "refusal": None}
    if answer.thinking:
        message["reasoning_content"] = answer.thinking  # not OpenAI's: what compatible servers say and clients read
    if answer.tool_calls:
        message["tool_calls"] = [_call(call, index, told) for index, call in enumerate(answer.tool_calls)]
    elif message["content"] is None:
        message["content"] = ""
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(answer)}
    return {
        "id": f"chatcmpl-{told.id}",
        "object": "chat.completion",
        "created": told.created,
        "model": told.model,
        "choices": [choice],
        **usage_of(answer),
    }


def error(
    status: int, code: str, message: str, request_id: str = "", details: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """{"error": …}. The request's name stands in a header on this wire."""
    return error_body(status, code, message, details)


def _call(call: ToolCall, index: int, told: Told) -> dict[str, Any]:
    name = call.id or f"call_{told.id}_{index}"
    if call.name in told.names.custom:
        return {"id": name, "type": "custom", "custom": {"name": call.name, "input": text_input(call.arguments)}}
    return {"id": name, "type": "function", "function": {"name": call.name, "arguments": written(call.arguments)}}
