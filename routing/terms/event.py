"""What a streaming adapter yields: one lifecycle, start → deltas → end. A fault is raised as `Failed`, never yielded.

The first delta of any sort is the first token (`ttft_ms`); StreamStart comes before it and does not count as content.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from routing.terms.quick import quick
from routing.terms.request import Answer, Usage


@quick
@dataclass(frozen=True, slots=True)
class StreamStart:
    served_model: str  # as the provider names it
    provider_request_id: str | None = None
    usage: Usage | None = None  # what the provider tells of the input before it writes
    passed: Mapping[str, str] | None = None  # headers to hand on with a relayed stream; None: this one is not relayed


@quick
@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@quick
@dataclass(frozen=True, slots=True)
class ThinkingDelta:
    text: str
    block: Mapping[str, Any] | None = (
        None  # with it a block is complete: Anthropic's thinking, signed, or redacted_thinking
    )


@quick
@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of one tool call. `id` and `name` stand in the first piece of their index only."""

    index: int
    arguments: str  # a piece of the JSON text
    id: str | None = None
    name: str | None = None


@quick
@dataclass(frozen=True, slots=True)
class Relayed:
    """Whole events of the provider's own stream, for a client that speaks its wire: to be handed on as they are."""

    data: bytes
    written: int  # characters of content in them, roughly


@quick
@dataclass(frozen=True, slots=True)
class UsageTold:
    """What the provider says in the middle of a stream that it comes to so far. Kept for the case that nothing more comes."""

    usage: Usage


@quick
@dataclass(frozen=True, slots=True)
class StreamEnd:
    """The stream ended as the wire says it must; `answer` is what the deltas add up to. Without it a stream is truncated."""

    answer: Answer


Event = StreamStart | TextDelta | ThinkingDelta | ToolCallDelta | Relayed | StreamEnd
Heard = Event | UsageTold  # what an attempt hears; it hands on the events alone
