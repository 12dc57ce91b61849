"""What OpenAI's wires have in common: images and files, JSON formats, arguments of tool calls, errors."""

import json
from collections.abc import Mapping
from typing import Any

from routing.terms.request import JsonFormat, Message, Usage
from routing.wire.base import joined, short
from routing.wire.fields import Field

SERVICE_TIERS = frozenset({"flex", "scale", "priority", "fast", "ultrafast"})  # that these wires have a word for
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

# The one argument of a tool that takes a text, where only tools that take JSON are known.
TEXT_INPUT = {
    "type": "object",
    "properties": {"input": {"type": "string", "description": "The whole input of the tool, as plain text."}},
    "required": ["input"],
    "additionalProperties": False,
}

_ERROR_TYPES = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
}


def error_body(status: int, code: str, message: str, details: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """{"error": …}, with the path of a bad field as its `param`."""
    kind = _ERROR_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    param = (details or {}).get("path") or None
    return {"error": {"message": message, "type": kind, "param": param, "code": code or None}}


def service_tier(usage: Usage) -> dict[str, str]:
    """{"service_tier": …} beside the usage; {} for the standard one, and for one that only another wire has a word for."""
    return {"service_tier": usage.service_tier} if usage.service_tier in SERVICE_TIERS else {}


def image_block(url: Field) -> dict[str, Any]:
    """An image part of an address, or of a data URL."""
    text = url.text()
    if text.startswith(("http://", "https://")):
        return {"type": "image", "source": {"type": "url", "url": text}}
    media_type, data = _data_url(url)
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


def file_block(data: Field, name: str) -> dict[str, Any]:
    """A document part of a data URL: PDFs, which is what providers read."""
    media_type, raw = _data_url(data)
    if media_type != "application/pdf":
        raise data.bad("must be a PDF as data:application/pdf;base64,…")
    source = {"type": "base64", "media_type": media_type, "data": raw}
    return {"type": "document", "source": source} | ({"title": name} if name else {})


def _data_url(url: Field) -> tuple[str, str]:
    head, comma, data = url.text().partition(",")
    if not head.startswith("data:") or not head.endswith(";base64") or not comma or not data:
        raise url.bad("must be an http(s) address or data:<type>;base64,<data>")
    return head.removeprefix("data:").removesuffix(";base64").split(";")[0].lower(), data


def json_format(form: Field, schema_at: Field) -> JsonFormat | None:
    """The format that `form.type` names; its schema and name stand at `schema_at`."""
    match form.need("type").one_of("text", "json_object", "json_schema"):
        case "text":
            return None
        case "json_object":
            return JsonFormat()
    schema = schema_at.get("schema")
    return JsonFormat(
        schema=schema.object() if schema else {"type": "object"},
        name=schema_at.need("name").name(),
        description=schema_at.text_of("description"),
        strict=bool(schema_at.flag_of("strict")),
    )


def arguments(text: Field) -> Mapping[str, Any]:
    """A tool call's arguments of a history as an object.

    Models write broken JSON at times, and both of OpenAI's wires take it back: then the text is kept as the one argument.
    """
    try:
        parsed = json.loads(text.text() or "{}")
    except (ValueError, RecursionError):
        return {"arguments": text.text()}
    return parsed if isinstance(parsed, dict) else {"arguments": parsed}


def written(arguments: Mapping[str, Any]) -> str:
    return json.dumps(arguments, ensure_ascii=False)


def flat_name(space: str, name: str) -> str:
    """One name for a tool in a namespace."""
    return short(f"{space}__{name}")


def text_input(arguments: Mapping[str, Any]) -> str:
    """What a tool that takes a text is called with."""
    value = arguments.get("input")
    return value if isinstance(value, str) else written(arguments)


def opening(turns: list[Message], first: str = "") -> tuple[str | None, list[Message]]:
    """(system text, conversation): what the system says before anybody else does is the system text, the rest stays in its place."""
    count = next((index for index, turn in enumerate(turns) if turn.role != "system"), len(turns))
    said = [turn.content for turn in turns[:count] if isinstance(turn.content, str)]
    return joined([first, *said]), turns[count:]


def thinks(effort: str) -> bool | None:
    return effort != "none" if effort else None
