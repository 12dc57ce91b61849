"""A request as a body of Anthropic's Messages: what each generation of models takes of it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from routing.providers.base import PROVIDER_BOUND, Endpoint, fitted
from routing.providers.thinking import BUDGETS, anthropic_effort, effort
from routing.terms.request import Message, Request, Tool, ToolChoice

MAX_TOKENS = 8192  # where the request sets none; every model that still runs may write as many
MIN_BUDGET = 1024  # the wire's own minimum of budget_tokens
# This wire knows schemas, but no "any JSON object".
ANY_OBJECT = "Answer with one valid JSON object and nothing else: no text around it and no code fence."


def message_body(endpoint: Endpoint, request: Request) -> dict[str, Any]:
    """The request as the wire's JSON object."""
    request = fitted(endpoint, request)
    is_thinking = not why_not_thinking(endpoint, request)
    body: dict[str, Any] = {
        "model": endpoint.upstream_id,
        "max_tokens": _max_tokens(endpoint, request, is_thinking),
        "messages": list(_messages(request.messages)),
    }
    if system := _system(request):
        body["system"] = system
    if request.stop:
        body["stop_sequences"] = list(request.stop)
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        body |= _choice(request.tool_choice, request.parallel_tools)
    body |= _thinking(endpoint, request, is_thinking)
    if config := _output_config(endpoint, request, is_thinking):
        body["output_config"] = config
    if not is_thinking and takes_temperature(endpoint):  # with thinking on, the wire refuses any but its own
        if request.temperature is not None:
            body["temperature"] = min(request.temperature, 1.0)  # OpenAI's goes to 2
        elif request.top_p is not None:  # never both: models from 4.1 on refuse that
            body["top_p"] = request.top_p
    return body


def thinking_control(endpoint: Endpoint, request: Request) -> str:
    """What the wish to think became: "adaptive, effort high"; "" where none was uttered."""
    request = fitted(endpoint, request)
    if not _wants_to_think(request):
        return "disabled" if request.thinks is False else ""
    why_not = why_not_thinking(endpoint, request)
    if why_not:
        return f"none: {why_not}"
    if not is_adaptive(endpoint):
        return f"budget_tokens {_budget(endpoint, request)}"
    word = _effort(endpoint, request)
    return f"adaptive, effort {word}" if word else "adaptive"


def why_not_thinking(endpoint: Endpoint, request: Request) -> str:
    """Why the model is not told to think; "" when it is."""
    if not _wants_to_think(request):
        return "nobody asks for it"
    if request.tools and request.tool_choice and request.tool_choice.mode in ("any", "tool"):
        return "a call is demanded"  # the wire takes one or the other
    if is_adaptive(endpoint):
        return ""
    if request.max_tokens is not None and request.max_tokens <= MIN_BUDGET:
        return "max_tokens leaves no room"
    if _is_amid_unsigned_calls(request.messages):
        return "its calls came without it"
    return ""


def generation(upstream_id: str) -> tuple[int, int] | None:
    """(4, 6) of "claude-opus-4-6-20260205"; (0, 0) of a Claude whose name tells none; None of another vendor's model."""
    if "claude" not in upstream_id:
        return None
    found = re.search(r"claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)", upstream_id)
    return (int(found[1]), int(found[2] or 0)) if found else (0, 0)


def is_adaptive(endpoint: Endpoint) -> bool:
    """Whether the model thinks by effort. From 4.6 on it should, from 4.7 on a budget is a 400."""
    told = endpoint.options.get("thinking")
    born = generation(endpoint.upstream_id)
    return told == "adaptive" or (told != "budget" and born is not None and (born >= (4, 6) or born == (0, 0)))


def takes_temperature(endpoint: Endpoint) -> bool:
    """Models from 4.7 on answer 400 to any sampling parameter: on a fallback to one it must be left out."""
    born = generation(endpoint.upstream_id)
    return born is None or (0, 0) < born < (4, 7)


# --- thinking


def _wants_to_think(request: Request) -> bool:
    return bool(request.thinking_budget) if request.thinks is None else request.thinks


def _is_amid_unsigned_calls(messages: Sequence[Message]) -> bool:
    """Whether the last turn of the model called tools without a thought before them: then a budget is a 400."""
    last = next((message for message in reversed(messages) if message.role == "assistant"), None)
    if last is None or isinstance(last.content, str):
        return False
    kinds = [part.get("type") for part in last.content if _is_kept(part)]
    return "tool_use" in kinds and kinds[0] not in PROVIDER_BOUND


def _thinking(endpoint: Endpoint, request: Request, is_thinking: bool) -> dict[str, Any]:
    if not is_thinking:
        born = generation(endpoint.upstream_id)
        # Some models think unless they are told not to; older ones need not be told.
        is_to_be_told = request.thinks is False and is_adaptive(endpoint) and born is not None and born > (0, 0)
        return {"thinking": {"type": "disabled"}} if is_to_be_told else {}
    if is_adaptive(endpoint):
        # Without `display` these models send empty thinking blocks.
        return {"thinking": {"type": "adaptive", "display": "summarized"}}
    budget = _budget(endpoint, request)
    return {"thinking": {"type": "enabled", "budget_tokens": budget}}


def _budget(endpoint: Endpoint, request: Request) -> int:
    """Below all that may be written: the wire refuses it otherwise."""
    budget = max(MIN_BUDGET, request.thinking_budget or BUDGETS[request.effort or "high"])
    most = endpoint.max_output_tokens if request.max_tokens is None else request.max_tokens
    return budget if most is None else min(budget, max(most - 1, MIN_BUDGET))


def _effort(endpoint: Endpoint, request: Request) -> str:
    """The effort as this model says it; "" for its own default."""
    return anthropic_effort(request.effort or effort(request.thinking_budget), generation(endpoint.upstream_id))


def _output_config(endpoint: Endpoint, request: Request, is_thinking: bool) -> dict[str, Any]:
    config: dict[str, Any] = {}
    # An effort that was named holds for what is written too, whether the model thinks or not.
    if is_adaptive(endpoint) and (is_thinking or request.effort) and (word := _effort(endpoint, request)):
        config["effort"] = word
    if request.response_format and request.response_format.schema is not None:
        config["format"] = {"type": "json_schema", "schema": _taken(request.response_format.schema)}
    return config


def _max_tokens(endpoint: Endpoint, request: Request, is_thinking: bool) -> int:
    """This wire requires one, and thinking counts in it."""
    if request.max_tokens is not None:
        return request.max_tokens
    room = (request.thinking_budget or BUDGETS.get(request.effort, 0)) if is_thinking else 0
    most = int(endpoint.options.get("max_tokens", MAX_TOKENS)) + room
    return most if endpoint.max_output_tokens is None else min(most, endpoint.max_output_tokens)


# --- system, tools


def _system(request: Request) -> str | list[Mapping[str, Any]]:
    """The system text. What the system says later in the conversation stands here too: few models take it in its place."""
    later = [message.content for message in request.messages if message.role == "system"]
    more = [text for text in later if isinstance(text, str) and text]
    if request.response_format and request.response_format.schema is None:
        more.append(ANY_OBJECT)
    if request.system_blocks:
        return [*request.system_blocks, *({"type": "text", "text": text} for text in more)]
    return "\n\n".join([request.system, *more] if request.system else more)


def _tool(tool: Tool) -> dict[str, Any]:
    schema = tool.schema if "type" in tool.schema else {"type": "object", **tool.schema}  # the wire requires it
    body: dict[str, Any] = {"name": tool.name, "description": tool.description, "input_schema": schema}
    if tool.strict:
        body |= {"strict": True, "input_schema": _taken(schema)}
    if tool.cache_control:
        body["cache_control"] = tool.cache_control
    return body


def _choice(choice: ToolChoice | None, parallel: bool | None) -> dict[str, Any]:
    if choice is None and parallel is not False:
        return {}
    told: dict[str, Any] = {"type": choice.mode if choice else "auto"}
    if choice and choice.mode == "tool":
        told["name"] = choice.name
    if parallel is False and told["type"] != "none":
        told["disable_parallel_tool_use"] = True
    return {"tool_choice": told}


def _taken(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema in the subset that this wire enforces; what it cannot enforce stands in the descriptions.

    A schema that the SDK cannot bring into that form is sent as it is: the provider then says what it does not take.
    """
    from anthropic import transform_schema  # not with the module: see `sdks`

    try:
        return transform_schema(dict(schema))
    except (ValueError, TypeError, AttributeError, AssertionError):
        return schema


# --- the conversation


def _messages(messages: Sequence[Message]) -> Iterator[dict[str, Any]]:
    for message in messages:
        if message.role == "system":
            continue
        role = "user" if message.role == "tool" else message.role  # results of tools are the user's turn on this wire
        if isinstance(message.content, str):
            yield {"role": role, "content": message.content}
        elif parts := [_part(part) for part in message.content if _is_kept(part)]:
            yield {"role": role, "content": parts}


def _is_kept(part: Mapping[str, Any]) -> bool:
    """Not what this wire refuses: an empty text, and thinking without a signature, which another provider wrote."""
    match part.get("type"):
        case "text":
            return bool(part.get("text"))
        case "thinking":
            return bool(part.get("signature"))
        case "redacted_thinking":
            return bool(part.get("data"))
    return True


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    """The part with a name of its call that this wire takes; other wires' may bear any sign."""
    kept = dict(part)
    for name in ("id", "tool_use_id"):
        if isinstance(kept.get(name), str):
            kept[name] = re.sub(r"[^A-Za-z0-9_-]", "_", kept[name])
    return kept
