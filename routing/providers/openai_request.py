"""A request as a body of Chat Completions: what OpenAI's models and those of compatible servers take of it."""

import re
from typing import Any

from routing.providers.base import Endpoint, fitted
from routing.providers.chat import chat_messages
from routing.providers.thinking import effort, openai_effort
from routing.terms.request import JsonFormat, Request, Tool, ToolChoice
from routing.terms.words import ProviderKind

CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def chat_body(endpoint: Endpoint, request: Request) -> dict[str, Any]:
    """The request as the wire's JSON object. Raises Failed(CLIENT) for a part that this wire cannot carry."""
    request = fitted(endpoint, request)
    is_compatible = endpoint.kind is ProviderKind.OPENAI_COMPATIBLE
    messages = chat_messages(request, system_first=is_compatible)
    body: dict[str, Any] = {"model": endpoint.upstream_id, "messages": messages}
    if request.max_tokens is not None:
        body[_max_tokens_field(endpoint)] = request.max_tokens
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        if request.tool_choice:
            body["tool_choice"] = _choice(request.tool_choice)
        if request.parallel_tools is False and not _calls_one_by_one(endpoint):
            body["parallel_tool_calls"] = False  # the other way is every server's own
    if request.response_format:
        body["response_format"] = _response_format(request.response_format)
    if word := _effort(endpoint, request):
        body["reasoning_effort"] = word
    if not is_reasoning(
        endpoint
    ):  # those models answer 400 to all of these: on a fallback to one they must be left out
        if request.temperature is not None:
            body["temperature"] = request.temperature
        if request.top_p is not None:
            body["top_p"] = request.top_p
        if request.stop:
            body["stop"] = list(request.stop)
    return body


def thinking_control(endpoint: Endpoint, request: Request) -> str:
    """What the wish to think became: "reasoning_effort high"; "" where none was uttered."""
    if not _wish(request):
        return ""
    word = _effort(endpoint, request)
    if word:
        return f"reasoning_effort {word}"
    return "none: the model's own" if takes_effort(endpoint) else "none: not a reasoning model"


def is_reasoning(endpoint: Endpoint) -> bool:
    """Whether the model is one of OpenAI's reasoning models: o1, o3, o4 and gpt-5 on, their chat variants apart."""
    told = endpoint.options.get("reasoning")
    if told is not None:
        return bool(told)
    born = generation(endpoint.upstream_id)
    name = endpoint.upstream_id.rsplit("/", 1)[-1]  # OpenRouter: "openai/gpt-5.2"
    is_one = re.match(r"o\d", name) is not None if born is None else born >= (5, 0)
    return is_one and "-chat" not in name


def _calls_one_by_one(endpoint: Endpoint) -> bool:
    """o1, o3 and o4 call one tool at a time, and answer 400 to being told so."""
    return re.match(r"o\d", endpoint.upstream_id.rsplit("/", 1)[-1]) is not None


def generation(upstream_id: str) -> tuple[int, int] | None:
    """(5, 2) of "gpt-5.2-codex"; None of what is no numbered GPT."""
    found = re.match(r"gpt-(\d+)(?:\.(\d+))?", upstream_id.rsplit("/", 1)[-1])
    return (int(found[1]), int(found[2] or 0)) if found else None


def takes_effort(endpoint: Endpoint) -> bool:
    """Whether `reasoning_effort` may be sent. OpenAI's other models answer 400 to it; a compatible server's own are taken at the row's word."""
    return is_reasoning(endpoint) or (
        endpoint.kind is ProviderKind.OPENAI_COMPATIBLE and endpoint.options.get("reasoning") is None
    )


def _wish(request: Request) -> str:
    """The effort that was asked for, in our words."""
    if request.thinks is False:
        return "none"
    return request.effort or effort(request.thinking_budget)


def _effort(endpoint: Endpoint, request: Request) -> str:
    if not takes_effort(endpoint):
        return ""
    return openai_effort(_wish(request), generation(endpoint.upstream_id))


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "description": tool.description, "parameters": tool.schema}
    if tool.strict:
        function["strict"] = True
    return {"type": "function", "function": function}


def _choice(choice: ToolChoice) -> str | dict[str, Any]:
    if choice.mode == "tool":
        return {"type": "function", "function": {"name": choice.name}}
    return CHOICES[choice.mode]


def _response_format(form: JsonFormat) -> dict[str, Any]:
    if form.schema is None:
        return {"type": "json_object"}
    told: dict[str, Any] = {"name": form.name, "schema": form.schema, "strict": form.strict}
    return {
        "type": "json_schema",
        "json_schema": told | ({"description": form.description} if form.description else {}),
    }


def _max_tokens_field(endpoint: Endpoint) -> str:
    """OpenAI has replaced `max_tokens`, and its reasoning models refuse it; compatible servers know the old name."""
    default = "max_completion_tokens" if endpoint.kind is ProviderKind.OPENAI else "max_tokens"
    return str(endpoint.options.get("max_tokens_field", default))
