"""A glance at a body of Chat Completions."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct

from routing.terms.raw import Raw
from routing.terms.request import Request
from routing.wire.base import Asked
from routing.wire.glancing import Given, Name, Part, Tokens, Tool, decoded, decoder
from routing.wire.openai import EFFORTS


class _Options(Struct):
    include_usage: bool | None = None


class _ChatTurn(Struct):
    role: str
    content: str | list[Part] | None = None
    function_call: Given = UNSET
    audio: Given = UNSET


_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
_CHAT = decoder(
    "chat",
    [
        ("model", Name),
        ("messages", Annotated[list[_ChatTurn], Meta(min_length=1)]),
        ("stream", bool | None, None),
        ("stream_options", _Options | None, None),
        ("max_tokens", Tokens | None, None),
        ("max_completion_tokens", Tokens | None, None),
        ("tools", list[Tool] | None, None),
        ("reasoning_effort", str | None, None),
    ],
    ("temperature", "top_p", "stop", "tool_choice", "parallel_tool_calls"),
)


def glance(body: bytes, raw: Raw | None = None) -> Asked | None:
    """A body of Chat Completions."""
    found = decoded(_CHAT, body)
    if found is None:
        return None
    needs = set()
    for turn in found.messages:
        if turn.role not in _ROLES or turn.function_call is not UNSET or turn.audio is not UNSET:
            return None
        if type(turn.content) is list:
            kinds = {part.type for part in turn.content}
            if not kinds <= {"text", "image_url"} or (turn.role != "user" and "image_url" in kinds):
                return None
            if "image_url" in kinds:
                needs.add("images")
        elif turn.content is None and turn.role != "assistant":
            return None
    if found.tools:
        if any(tool.type != "function" for tool in found.tools):
            return None
        needs.add("tools")
    effort = found.reasoning_effort or ""
    if effort and effort not in EFFORTS:
        return None
    most = found.max_tokens if found.max_completion_tokens is None else found.max_completion_tokens
    return Asked(
        model=found.model,
        request=Request((), raw=raw, max_tokens=most, effort=effort),
        stream=bool(found.stream),
        needs=frozenset(needs),
        include_usage=bool(found.stream_options and found.stream_options.include_usage),
    )
