"""A body of Anthropic's Messages, read. Its blocks are ours, so most pass as they are, cache markers with them."""

import json
import re
from collections.abc import Mapping
from typing import Any, Literal

from routing.terms.request import JsonFormat, Message, Request, Tool, ToolChoice
from routing.wire import seals
from routing.wire.base import Asked, Names, joined, needs_of, short
from routing.wire.fields import Field
from routing.wire.ignored import unknown

EFFORTS = ("low", "medium", "high", "xhigh", "max")
CHOICES: Mapping[str, Literal["auto", "any", "none", "tool"]] = {
    "auto": "auto",
    "any": "any",
    "none": "none",
    "tool": "tool",
}
MIN_BUDGET = 1024
SESSION = re.compile(r"session_([0-9A-Za-z-]+)\Z")  # of Claude Code's older user_id


def read(body: Mapping[str, Any], *, counting: bool = False) -> Asked:
    """What the body asks for. Raises Unreadable. `counting` is for count_tokens, whose bodies name no max_tokens."""
    whole = Field(body)
    needs: set[str] = set()
    system, blocks = _system(whole.get("system"))
    max_tokens = whole.count_of("max_tokens") if counting else whole.need("max_tokens").count()
    budget, thinks = _thinking(whole.get("thinking"), max_tokens)
    config = whole.get("output_config")
    effort = config.get("effort") if config else None
    choice, parallel = _choice(whole.get("tool_choice"))
    own: dict[str, tuple[str, str]] = {}
    request = Request(
        messages=_turns(whole.need("messages"), needs),
        system=system,
        max_tokens=max_tokens,
        temperature=whole.number_of("temperature", 0, 1),
        tools=[tool for each in whole.items_of("tools") for tool in _tool(each, needs, own)],
        thinking_budget=budget,
        stop=[each.text() for each in whole.items_of("stop_sequences")],
        system_blocks=blocks,
        tool_choice=choice,
        parallel_tools=parallel,
        response_format=_format(config.get("format") if config else None),
        top_p=whole.number_of("top_p", 0, 1),
        effort=effort.one_of(*EFFORTS) if effort else "",
        thinks=thinks,
    )
    if max_tokens == 0:
        needs.add("cache_prewarm")  # nothing is to be written, only the cache filled
    return Asked(
        model=whole.need("model").name(),
        request=request,
        stream=bool(whole.flag_of("stream")),
        needs=frozenset(needs | needs_of(request) | _editing(whole) | unknown("messages", body)),
        session=session_of(whole.value.get("metadata")),
        names=Names(own=own),
    )


def _system(system: Field | None) -> tuple[str | None, list[Mapping[str, Any]]]:
    """(the text, the blocks); no blocks where none of them bears a marker."""
    if system is None:
        return None, []
    if system.is_text:
        return system.text() or None, []
    texts = [each.need("text").text() for each in system.items()]
    blocks = [each.object() for each in system.items()]
    return joined(texts), blocks if any(block.get("cache_control") for block in blocks) else []


def _thinking(thinking: Field | None, max_tokens: int | None) -> tuple[int, bool | None]:
    """(budget, whether to think)."""
    if thinking is None:
        return 0, None
    match thinking.need("type").one_of("enabled", "disabled", "adaptive", "between_tools"):
        case "disabled":
            return 0, False
        case "enabled":
            budget = thinking.need("budget_tokens")
            tokens = budget.count(MIN_BUDGET)
            if max_tokens is not None and tokens >= max_tokens:
                raise budget.bad("must be less than max_tokens")
            return tokens, True
    return 0, True


def _choice(choice: Field | None) -> tuple[ToolChoice | None, bool | None]:
    """(the choice, whether several calls may come at once)."""
    if choice is None:
        return None, None
    mode = CHOICES[choice.need("type").one_of(*CHOICES)]
    name = short(choice.need("name").name()) if mode == "tool" else ""
    alone = choice.flag_of("disable_parallel_tool_use")
    return ToolChoice(mode, name), None if alone is None else not alone


def _format(form: Field | None) -> JsonFormat | None:
    if form is None:
        return None
    form.need("type").one_of("json_schema")
    return JsonFormat(form.need("schema").object())


def _editing(whole: Field) -> set[str]:
    """Clearing old thinking or results saves tokens and may be left undone; a summary in their place may not."""
    editing = whole.get("context_management")
    edits = editing.items_of("edits") if editing else ()
    return {"compaction" for edit in edits if not edit.text_of("type").startswith("clear_")}


def session_of(metadata: Any) -> str:
    """Claude Code tells it inside `metadata.user_id`: as JSON, before that as the last part of a name."""
    told = metadata.get("user_id") if isinstance(metadata, Mapping) else None
    if not isinstance(told, str):
        return ""
    try:
        parsed = json.loads(told)
    except (ValueError, RecursionError):
        found = SESSION.search(told)
        return found[1] if found else ""
    session = parsed.get("session_id") if isinstance(parsed, dict) else None
    return session if isinstance(session, str) else ""


# --- the conversation


def _turns(messages: Field, needs: set[str]) -> list[Message]:
    turns = [_turn(message, needs) for message in messages.items()]
    if not turns:
        raise messages.bad("must hold at least one message")
    return turns


def _turn(message: Field, needs: set[str]) -> Message:
    role: Any = message.need("role").one_of("user", "assistant", "system")
    content = message.need("content")
    if content.is_text:
        return Message(role, content.text())
    if role == "system":
        return Message(role, joined([each.need("text").text() for each in content.items()]) or "")
    blocks = [_block(each, needs) for each in content.items()]
    return Message(role, [block for block in blocks if not seals.is_sealed(block.get("signature"))])


def _block(block: Field, needs: set[str]) -> Mapping[str, Any]:
    match block.need("type").text():
        case "text":
            block.need("text").text()
        case "image" | "document":
            _source(block.need("source"), needs)
        case "tool_use":
            name, _ = block.need("name").name(), (block.need("id").name(), block.need("input").object())
            if short(name) != name:
                return dict(block.object()) | {"name": short(name)}
        case "tool_result":
            block.need("tool_use_id").name()
            content = block.get("content")
            for inner in content.items() if content and not content.is_text else ():
                _block(inner, needs)
        case "thinking" | "redacted_thinking":
            pass
        case "search_result" | "tool_reference" | "container_upload" | "browser_state" as kind:
            needs.add(kind)
        case _:
            needs.add("server_tools")
    return block.object()


def _source(source: Field, needs: set[str]) -> None:
    match source.need("type").text():
        case "base64":
            _ = source.need("media_type").text(), source.need("data").text()
        case "url":
            source.need("url").text()
        case "text":
            source.need("data").text()
        case "content":
            needs.add("citations")
        case _:
            needs.add("files")


def _tool(tool: Field, needs: set[str], own: dict[str, tuple[str, str]]) -> list[Tool]:
    """The tool; none of the provider's own, which are needs. `own` keeps a name that was too long for others."""
    kind = tool.text_of("type", "custom")
    if kind != "custom":
        needs.add("web_search" if kind.startswith("web_search") else "server_tools")
        return []
    if tool.flag_of("defer_loading"):
        needs.add("tool_search")
    marker = tool.get("cache_control")
    name = tool.need("name").name()
    if short(name) != name:
        own[short(name)] = ("", name)
    return [
        Tool(
            name=short(name),
            description=tool.text_of("description"),
            schema=tool.need("input_schema").object(),
            strict=bool(tool.flag_of("strict")),
            cache_control=marker.object() if marker else None,
        )
    ]
