"""A streamed completion: chunks, the usage where it was asked for, and [DONE]."""

from collections.abc import Mapping
from typing import Any

from routing.terms.event import StreamStart, TextDelta, ThinkingDelta
from routing.terms.request import Answer, Usage
from routing.wire import sse
from routing.wire.base import Delta, Told
from routing.wire.openai import error_body, service_tier

FINISH_REASONS: Mapping[str, str] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def finish_reason(answer: Answer) -> str:
    return FINISH_REASONS.get(answer.stop_reason, "stop")


def usage_of(answer: Answer) -> dict[str, Any]:
    """{"usage": …}, and the service tier where it was no ordinary one; {} where the provider told nothing."""
    if answer.usage is None:
        return {}
    return {"usage": chat_usage(answer.usage)} | service_tier(answer.usage)


def chat_usage(usage: Usage) -> dict[str, Any]:
    """Cached tokens are part of the prompt here, reasoning is part of the completion."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


class Stream:
    """See `base.Stream`. A tool that takes a text has no form in chunks: its call streams as a function's."""

    def __init__(self) -> None:
        self._head: dict[str, Any] = {}
        self._told: Told | None = None

    def start(self, told: Told, begun: StreamStart) -> bytes:
        self._told = told
        self._head = {
            "id": f"chatcmpl-{told.id}",
            "object": "chat.completion.chunk",
            "created": told.created,
            "model": told.model,
        }
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def feed(self, event: Delta) -> bytes:
        if isinstance(event, TextDelta):
            return self._chunk({"content": event.text})
        if isinstance(event, ThinkingDelta):
            return self._chunk({"reasoning_content": event.text}) if event.text else b""
        call: dict[str, Any] = {"index": event.index, "function": {"arguments": event.arguments}}
        if event.name is not None:
            name = event.id or f"call_{self._told.id if self._told else ''}_{event.index}"
            call |= {"id": name, "type": "function", "function": {"name": event.name, "arguments": event.arguments}}
        return self._chunk({"tool_calls": [call]})

    def end(self, answer: Answer) -> bytes:
        last = self._chunk({}, finish_reason(answer))
        if self._told and self._told.include_usage and answer.usage:
            last += sse.event(self._head | {"choices": []} | usage_of(answer))
        return last + b"data: [DONE]\n\n"

    def error(self, status: int, code: str, message: str) -> bytes:
        return sse.event(error_body(status, code, message))

    def _chunk(self, delta: Mapping[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return sse.event(self._head | {"choices": [choice]})
