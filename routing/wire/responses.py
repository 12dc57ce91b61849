"""OpenAI's Responses: `read` a body, write the `answer` whole or as a `Stream`, write an `error`."""

from collections.abc import Mapping
from typing import Any

from routing.terms.request import Answer
from routing.wire.base import Told
from routing.wire.openai import error_body
from routing.wire.responses_glance import glance
from routing.wire.responses_output import items, response
from routing.wire.responses_reading import read
from routing.wire.responses_streaming import Stream

__all__ = ["Stream", "answer", "error", "glance", "read"]


def answer(answer: Answer, told: Told) -> dict[str, Any]:
    """The whole response."""
    return response(told, items(answer, told), answer=answer)


def error(
    status: int, code: str, message: str, request_id: str = "", details: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """{"error": …}. The request's name stands in a header on this wire."""
    return error_body(status, code, message, details)
