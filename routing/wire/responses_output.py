"""The response object and its items, as both the whole answer and the stream tell them."""

import json
from collections.abc import Mapping
from typing import Any

from routing.terms.request import Answer, Usage
from routing.wire import seals
from routing.wire.base import Told, blocks_of
from routing.wire.openai import service_tier, text_input, written

INCOMPLETE = {"max_tokens": "max_output_tokens", "refusal": "content_filter"}  # by stop reason: why


def response(
    told: Told, output: list[dict[str, Any]], status: str = "in_progress", answer: Answer | None = None
) -> dict[str, Any]:
    """The response object. `answer` ends it: whether it is complete, and its usage."""
    body: dict[str, Any] = {
        "id": f"resp_{told.id}",
        "object": "response",
        "created_at": told.created,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "model": told.model,
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None,
        "store": False,  # nothing of an answer is kept here, so that nothing can go on from it
    } | {name: value for name, value in told.echo.items() if name != "store"}
    if answer is None:
        return body
    reason = INCOMPLETE.get(answer.stop_reason)
    body["status"] = "incomplete" if reason else "completed"
    body["incomplete_details"] = {"reason": reason} if reason else None
    body["usage"] = usage(answer.usage) if answer.usage else None
    return body | (service_tier(answer.usage) if answer.usage else {})


def usage(usage: Usage) -> dict[str, Any]:
    """Cached tokens are part of the input here, reasoning is part of the output."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def items(answer: Answer, told: Told) -> list[dict[str, Any]]:
    """The answer's content as items."""
    made = []
    for index, block in enumerate(blocks_of(answer)):
        name = f"{told.id}_{index}"
        match block.get("type"):
            case "text":
                made.append(message(name, str(block.get("text") or "")))
            case "thinking" | "redacted_thinking":
                made.append(reasoning(name, str(block.get("thinking") or ""), block))
            case "tool_use":
                call = str(block.get("id") or f"call_{name}")
                made.append(called(name, call, str(block.get("name")), written(block.get("input") or {}), told))
    return made


def message(name: str, text: str) -> dict[str, Any]:
    return {
        "id": f"msg_{name}",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}],
    }


def reasoning(name: str, text: str, block: Mapping[str, Any] | None) -> dict[str, Any]:
    """Sealed, so that the provider that wrote it gets it back through this client, and no other does."""
    summary = [{"type": "summary_text", "text": text}] if text else []
    return {"id": f"rs_{name}", "type": "reasoning", "summary": summary, "encrypted_content": seals.sealed(block)}


def called(name: str, call: str, tool: str, arguments: str, told: Told) -> dict[str, Any]:
    """A call, under the name and in the form that the client gave its tool."""
    space, own = told.names.called(tool)
    item: dict[str, Any] = {"call_id": call, "name": own} | ({"namespace": space} if space else {})
    if tool in told.names.custom:
        return {"id": f"ctc_{name}", "type": "custom_tool_call", "input": text_input(_parsed(arguments))} | item
    return {"id": f"fc_{name}", "type": "function_call", "status": "completed", "arguments": arguments} | item


def _parsed(arguments: str) -> Mapping[str, Any]:
    try:
        parsed = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        return {"input": arguments}
    return parsed if isinstance(parsed, dict) else {"input": arguments}
