"""A body of OpenAI's Responses, read."""

from collections.abc import Mapping
from typing import Any

from routing.terms.request import JsonFormat, Request
from routing.wire.base import Asked, needs_of
from routing.wire.fields import Field
from routing.wire.ignored import unknown
from routing.wire.openai import EFFORTS, json_format, opening, thinks
from routing.wire.responses_items import turns
from routing.wire.responses_tools import Tools

# What the answer repeats of the request. Tools and instructions are left out: they are long, and the client has them.
ECHOED = (
    *("metadata", "parallel_tool_calls", "temperature", "top_p", "max_output_tokens", "previous_response_id"),
    *("reasoning", "text", "tool_choice", "truncation", "user", "store", "prompt_cache_key", "safety_identifier"),
)


def read(body: Mapping[str, Any]) -> Asked:
    """What the body asks for. Raises Unreadable."""
    whole = Field(body)
    needs: set[str] = set()
    tools = Tools(needs)
    tools.add(whole.items_of("tools"))
    said = turns(whole.need("input"), needs, tools)
    choice = whole.get("tool_choice")
    chosen = tools.choice(choice) if choice else None
    system, messages = opening(said, whole.text_of("instructions"))
    effort = _effort(whole)
    request = Request(
        messages=messages,
        system=system,
        max_tokens=whole.count_of("max_output_tokens", 1),
        temperature=whole.number_of("temperature", 0, 2),
        tools=tools.tools,
        tool_choice=chosen,
        parallel_tools=whole.flag_of("parallel_tool_calls"),
        response_format=_format(whole),
        top_p=whole.number_of("top_p", 0, 1),
        effort=effort,
        thinks=thinks(effort),
    )
    return Asked(
        model=whole.need("model").name(),
        request=request,
        stream=bool(whole.flag_of("stream")),
        needs=frozenset(needs | needs_of(request) | _other_needs(whole) | unknown("responses", body)),
        session=_session(whole),
        pins=whole.text_of("previous_response_id") or None,
        names=tools.names(),
        echo={name: body[name] for name in ECHOED if body.get(name) is not None},
    )


def _format(whole: Field) -> JsonFormat | None:
    text = whole.get("text")
    form = text.get("format") if text else None
    return json_format(form, form) if form else None


def _effort(whole: Field) -> str:
    reasoning = whole.get("reasoning")
    effort = reasoning.get("effort") if reasoning else None
    return effort.one_of(*EFFORTS) if effort else ""


def _session(whole: Field) -> str:
    """Codex tells it beside its headers."""
    told = whole.value.get("client_metadata")
    session = told.get("session_id") if isinstance(told, Mapping) else None
    return session if isinstance(session, str) else ""


def _other_needs(whole: Field) -> set[str]:
    """What is asked for and only a provider of this wire has."""
    needs = set()
    stored = ("previous_response_id", "conversation", "prompt", "background_options")
    if any(whole.value.get(name) for name in stored) or whole.flag_of("background") or whole.flag_of("store"):
        needs.add("stored")
    if whole.count_of("top_logprobs") or any(
        each.value == "message.output_text.logprobs" for each in whole.items_of("include")
    ):
        needs.add("logprobs")
    if whole.value.get("context_management"):
        needs.add("compaction")
    return needs
