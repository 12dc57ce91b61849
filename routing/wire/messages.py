"""Anthropic's Messages: `read` a body, write the `answer` whole or as a `Stream`, write an `error`."""

from collections.abc import Mapping
from typing import Any

from routing.terms.request import Answer
from routing.wire.base import Told
from routing.wire.messages_glance import glance
from routing.wire.messages_output import content, error_body, message, stop, usage_of
from routing.wire.messages_reading import read
from routing.wire.messages_streaming import Stream

__all__ = ["Stream", "answer", "error", "glance", "read"]


def answer(answer: Answer, told: Told) -> dict[str, Any]:
    """The whole message."""
    return message(told, content(answer, told), usage_of(answer.usage)) | stop(answer)


def error(
    status: int, code: str, message: str, request_id: str = "", details: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """{"type": "error", …}. This wire has no code of its own; the path of a bad field begins the message."""
    path = (details or {}).get("path")
    said = f"{path}: {message}" if path and not message.startswith(f"{path}:") else message
    return {"type": "error", **error_body(status, said), "request_id": request_id or None}
