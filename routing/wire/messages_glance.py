"""A glance at a body of Anthropic's Messages."""

from typing import Annotated

from msgspec import Meta, Struct

from routing.terms.raw import Raw
from routing.terms.request import Request
from routing.wire.base import Asked
from routing.wire.fields import MAX_TOKENS
from routing.wire.glancing import Name, Part, Tokens, Tool, decoded, decoder, value_of
from routing.wire.messages_reading import MIN_BUDGET, session_of


class _Block(Struct):
    type: str
    content: "str | list[_Block] | None" = None
    source: Part | None = None


class _MessageTurn(Struct):
    role: str
    content: str | list[_Block]


class _Thinking(Struct):
    type: str
    budget_tokens: Annotated[int, Meta(ge=MIN_BUDGET, le=MAX_TOKENS)] | None = None


class _Config(Struct, forbid_unknown_fields=True):
    effort: str | None = None


class _Edits(Struct):
    edits: list[Part] | None = None


_SPEAKERS = frozenset({"user", "assistant"})
_PLAIN_BLOCKS = frozenset({"text", "tool_use", "tool_result", "thinking", "redacted_thinking"})
_MESSAGES = decoder(
    "messages",
    [
        ("model", Name),
        ("messages", Annotated[list[_MessageTurn], Meta(min_length=1)]),
        ("max_tokens", Tokens),
        ("stream", bool | None, None),
        ("tools", list[Tool] | None, None),
        ("thinking", _Thinking | None, None),
        ("output_config", _Config | None, None),
        ("context_management", _Edits | None, None),
    ],
    ("system", "temperature", "top_p", "stop_sequences", "tool_choice"),
)


def glance(body: bytes, raw: Raw | None = None) -> Asked | None:
    """A body of Messages."""
    found = decoded(_MESSAGES, body)
    if found is None:
        return None
    needs: set[str] = set()
    for turn in found.messages:
        if turn.role not in _SPEAKERS or (type(turn.content) is list and not _told(turn.content, needs)):
            return None
    if found.tools:
        if any(tool.type != "custom" or tool.defer_loading or not tool.name for tool in found.tools):
            return None
        needs.add("tools")
    budget, thinks = 0, None
    if found.thinking is not None:
        if found.thinking.type not in ("enabled", "disabled", "adaptive", "between_tools"):
            return None
        thinks = found.thinking.type != "disabled"
        if found.thinking.type == "enabled":
            if found.thinking.budget_tokens is None or found.thinking.budget_tokens >= found.max_tokens:
                return None
            budget = found.thinking.budget_tokens
            needs.add("thinking")
    edits = found.context_management.edits if found.context_management else None
    if edits and not all(edit.type.startswith("clear_") for edit in edits):
        return None
    return Asked(
        model=found.model,
        request=Request((), raw=raw, max_tokens=found.max_tokens, thinking_budget=budget, thinks=thinks),
        stream=bool(found.stream),
        needs=frozenset(needs),
        session=session_of(value_of(found.metadata)),
    )


def _told(blocks: list[_Block], needs: set[str]) -> bool:
    """Adds what the blocks need; False for a block that must be read."""
    for block in blocks:
        if block.type in ("image", "document"):
            if block.source is None or block.source.type not in ("base64", "url"):
                return False
            needs.add("images" if block.type == "image" else "documents")
        elif block.type not in _PLAIN_BLOCKS or (type(block.content) is list and not _told(block.content, needs)):
            return False
    return True
