"""A glance at a body of OpenAI's Responses."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct

from routing.terms.raw import Raw
from routing.terms.request import Request
from routing.wire.base import Asked
from routing.wire.glancing import Given, Name, Part, Tokens, decoded, decoder, is_text, value_of
from routing.wire.openai import EFFORTS


class _Item(Struct):
    type: str = "message"
    role: str | None = None
    content: str | list[Part] | None = None
    output: Given = UNSET
    namespace: Given = UNSET


class _ResponseTool(Struct):
    type: str
    external_web_access: bool | None = None


class _Reasoning(Struct):
    effort: str | None = None


class _Text(Struct):
    format: Given = UNSET


_CALLS = frozenset({"function_call", "custom_tool_call", "reasoning", "web_search_call"})
_OUTPUTS = frozenset({"function_call_output", "custom_tool_call_output"})
_SAID = frozenset({"input_text", "output_text", "text", "refusal"})
_RESPONSES = decoder(
    "responses",
    [
        ("model", Name),
        ("input", str | Annotated[list[_Item], Meta(min_length=1)]),
        ("stream", bool | None, None),
        ("store", bool | None, None),
        ("max_output_tokens", Tokens | None, None),
        ("tools", list[_ResponseTool] | None, None),
        ("tool_choice", Given, UNSET),
        ("reasoning", _Reasoning | None, None),
        ("text", _Text | None, None),
        ("include", list[str] | None, None),
    ],
    ("instructions", "temperature", "top_p", "parallel_tool_calls"),
)


def glance(body: bytes, raw: Raw | None = None) -> Asked | None:
    """A body of Responses."""
    found = decoded(_RESPONSES, body)
    if found is None or found.store or (found.include and "message.output_text.logprobs" in found.include):
        return None
    if found.tool_choice is not UNSET and not is_text(found.tool_choice):
        return None
    if found.text is not None and found.text.format is not UNSET:
        return None
    if type(found.input) is list and not all(map(_is_plain, found.input)):
        return None
    needs = set()
    for tool in found.tools or ():
        if tool.type.startswith("web_search"):
            if tool.external_web_access is not False:
                needs.add("web_search")
        elif tool.type in ("function", "custom"):
            needs.add("tools")
        else:
            return None
    effort = (found.reasoning.effort if found.reasoning else None) or ""
    if effort and effort not in EFFORTS:
        return None
    told = value_of(found.client_metadata)
    session = told.get("session_id") if isinstance(told, dict) else None
    return Asked(
        model=found.model,
        request=Request((), raw=raw, max_tokens=found.max_output_tokens, effort=effort),
        stream=bool(found.stream),
        needs=frozenset(needs),
        session=session if isinstance(session, str) else "",
    )


def _is_plain(item: _Item) -> bool:
    if item.type in _CALLS:
        return True
    if item.type in _OUTPUTS:
        return is_text(item.output)
    if item.type != "message" or item.role not in ("user", "assistant", "system", "developer") or item.content is None:
        return False
    return isinstance(item.content, str) or all(part.type in _SAID for part in item.content)
