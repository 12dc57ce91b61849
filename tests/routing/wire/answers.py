"""One answer as two providers give it, whole and in pieces: Anthropic with signed thinking, a compatible server with unsigned."""

from typing import Any

from routing.terms.event import StreamStart, TextDelta, ThinkingDelta, ToolCallDelta
from routing.terms.request import Answer, ToolCall, Usage
from routing.wire.base import Delta, Stream, Told

TOLD = Told(id="01", model="task:code_generation", created=1_790_000_000)
# 1,000 read, of them 900 from the cache and 60 into it; 50 written, of them 30 thinking
USAGE = Usage(1000, 50, cache_read_tokens=900, cache_write_tokens=60, cache_write_1h_tokens=20, reasoning_tokens=30)
CALLS = (ToolCall("toolu_1", "weather", {"city": "Zürich"}), ToolCall("toolu_2", "time", {}))
SIGNED = {"type": "thinking", "thinking": "Let me see.", "signature": "c2ln"}
REDACTED = {"type": "redacted_thinking", "data": "ZGF0YQ=="}

PLAIN = Answer("It works.", "end_turn", "served-1", USAGE)
CALLING = Answer("It works.", "tool_use", "served-1", USAGE, CALLS, "Let me see.")
ANTHROPIC = Answer(
    "It works.",
    "tool_use",
    "claude-opus-5-5",
    USAGE,
    CALLS,
    "Let me see.",
    blocks=(
        SIGNED,
        REDACTED,
        {"type": "text", "text": "It works."},
        *({"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments} for call in CALLS),
    ),
)

BEGUN = StreamStart("served-1", "req_1", Usage(1000, 1, 900, 60, 20))
CALL_PIECES: tuple[Delta, ...] = (
    ToolCallDelta(0, "", "toolu_1", "weather"),
    ToolCallDelta(0, '{"city": "Zü'),
    ToolCallDelta(0, 'rich"}'),
    ToolCallDelta(1, "{}", "toolu_2", "time"),
)
TEXT_PIECES: tuple[Delta, ...] = (TextDelta("It "), TextDelta("works."))
PIECES: tuple[Delta, ...] = (ThinkingDelta("Let me "), ThinkingDelta("see."), *TEXT_PIECES, *CALL_PIECES)
ANTHROPIC_PIECES: tuple[Delta, ...] = (
    *(ThinkingDelta("Let me "), ThinkingDelta("see."), ThinkingDelta("", SIGNED)),
    ThinkingDelta("", REDACTED),
    *TEXT_PIECES,
    *CALL_PIECES,
)


def streamed(stream: Stream, pieces: tuple[Delta, ...], answer: Answer, told: Told = TOLD) -> bytes:
    """All the bytes of one stream."""
    return stream.start(told, BEGUN) + b"".join(map(stream.feed, pieces)) + stream.end(answer)


def broken(stream: Stream, pieces: tuple[Delta, ...] = TEXT_PIECES) -> bytes:
    """A stream whose provider fails after it has begun."""
    said = stream.start(TOLD, BEGUN) + b"".join(map(stream.feed, pieces))
    return said + stream.error(502, "provider_failed", "The provider broke off.")


def kinds(raw: bytes) -> list[str]:
    """The names of the events."""
    return [line.removeprefix("event: ") for line in raw.decode().splitlines() if line.startswith("event: ")]


def without(value: Any, *names: str) -> Any:
    """A body without the fields of these names, however deep."""
    if isinstance(value, dict):
        return {name: without(inner, *names) for name, inner in value.items() if name not in names}
    return [without(inner, *names) for inner in value] if isinstance(value, list) else value
