"""One error body for everything under /api: {"error": {"code", "message", "request_id", "retryable", "details"?}}.

An exception that a use case raises may carry `status`, `code`, `retryable`, `details`, `retry_after_s` and `request_id`; whatever it
lacks follows from its status.
"""

import logging
import sys
import uuid
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from cortex.strict import Malformed, NotAnObject, UnsupportedMedia
from routing.doors.refusal import Refusal

logger = logging.getLogger(__name__)

CODES = {
    400: "malformed",
    401: "unauthorized",
    402: "budget_spent",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid",
    429: "too_many",
    500: "internal",
    502: "all_candidates_failed",
    503: "unavailable",
    504: "deadline",
}
MOST_DETAILS = 100  # wrong fields that are named
RETRYABLE = frozenset({408, 429, 502, 503, 504})


def body(
    status: int,
    message: str,
    *,
    code: str = "",
    request_id: str = "",
    retryable: bool | None = None,
    details: object = None,
) -> dict[str, Any]:
    """The error body. `request_id` is made up when the error came before a call had one."""
    error: dict[str, Any] = {
        "code": code or CODES.get(status, "error"),
        "message": message,
        "request_id": request_id or str(uuid.uuid4()),
        "retryable": status in RETRYABLE if retryable is None else retryable,
    }
    if details is not None:
        error["details"] = details
    return {"error": error}


def refused(refusal: Refusal) -> dict[str, Any]:
    """The error body of what was refused before Django."""
    named, waits = refusal.request_id, refusal.retry_after_s is not None
    details = refusal.details or None
    return body(refusal.status, refusal.message, code=refusal.code, request_id=named, retryable=waits, details=details)


def answer(status: int, message: str, *, retry_after_s: float | None = None, **parts: Any) -> JsonResponse:
    response = JsonResponse(body(status, message, **parts), status=status)
    if retry_after_s is not None:
        response["Retry-After"] = str(max(1, round(retry_after_s)))
    if status == HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = 'Bearer realm="cortex"'
    return response


def install(api: NinjaAPI) -> None:
    """Give the API these handlers instead of ninja's."""
    api.add_exception_handler(HttpError, cast(Any, _refused))  # ninja's signature speaks of classes too
    api.add_exception_handler(ValidationError, cast(Any, _invalid))
    api.add_exception_handler(Http404, lambda request, error: answer(404, str(error) or "There is nothing here."))
    api.add_exception_handler(RequestDataTooBig, lambda request, error: answer(413, "The body is too large."))
    api.add_exception_handler(SuspiciousOperation, lambda request, error: answer(400, str(error)))
    api.add_exception_handler(Exception, cast(Any, _unforeseen))


def _refused(request: HttpRequest, error: HttpError) -> HttpResponse:
    cause = error.__cause__
    if isinstance(cause, RequestDataTooBig):
        return answer(413, "The body is too large.")
    if isinstance(cause, UnsupportedMedia):
        return answer(415, str(cause))
    if isinstance(cause, Malformed):
        return answer(400, str(cause))
    if isinstance(cause, NotAnObject):
        return answer(422, str(cause))
    return _told(error, error.status_code)


def _told(error: Exception, status: int) -> HttpResponse:
    """An exception of ours, by what it carries."""
    return answer(
        status,
        str(error),
        retry_after_s=getattr(error, "retry_after_s", None),
        code=getattr(error, "code", ""),
        request_id=str(getattr(error, "request_id", "") or ""),
        retryable=getattr(error, "retryable", None),
        details=getattr(error, "details", None),
    )


def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Every field that is wrong, by its path. What was sent is not repeated: it may be a prompt."""
    found = [{"field": _field(one.get("loc", ())), "problem": one["msg"]} for one in error.errors[:MOST_DETAILS]]
    details = list({tuple(one.items()): one for one in found}.values())
    fields = ", ".join(dict.fromkeys(one["field"] for one in details[:5]))
    return answer(422, f"Not accepted: {fields}.", details=details)


def _field(place: Sequence[object]) -> str:
    """The path as the caller wrote it, of ninja's ("body", parameter, field, …) or ("query", field); cut when a stranger made it long."""
    source, *parts = place or ("body",)
    if source == "body":
        parts = parts[1:]
    elif len(parts) > 2:  # ("query", parameter, field, one type of a union)
        parts = parts[1:2]
    return ".".join(str(part)[:80] for part in parts[:20]) or str(source)


def _unforeseen(request: HttpRequest, error: Exception) -> HttpResponse:
    status = getattr(error, "status", None)
    if isinstance(status, int) and 400 <= status < 600:
        return _told(error, status)
    if isinstance(
        error, DataError
    ):  # a field let through what no column holds: the sender's fault, and a check that lacks
        logger.warning("Not storable", exc_info=error)
        return answer(
            422, "Something in the request cannot be stored: it is too long or too large, or holds a NUL character."
        )
    if isinstance(error, OperationalError | InterfaceError):
        logger.warning("PostgreSQL does not answer: %s", error)
        return answer(503, "PostgreSQL does not answer now; dispatch goes on without it.", retry_after_s=5)
    request_id = str(uuid.uuid4())
    logger.error("Request %s failed of a defect", request_id, exc_info=error)
    return answer(500, "Cortex failed. The log tells more under this request_id.", request_id=request_id)


class Unstorable:
    """Middleware of the console: 400 in place of 500 where a name, a word or a reason is nothing that a column can hold."""

    sync_capable, async_capable = True, False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, DataError):
            return None
        logger.warning("Not storable", exc_info=error)
        return HttpResponse(render_to_string("400.html"), status=400)


def broken(request: HttpRequest) -> HttpResponse:
    """What a page answers that failed, in the middleware or the view: 503 while PostgreSQL is away, else 500.

    Neither page may need PostgreSQL, nor anything else of the request's.
    """
    if not isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        return HttpResponse(render_to_string("500.html"), status=500)
    return HttpResponse(render_to_string("503.html"), status=503, headers={"Retry-After": "5"})


# What the console's middleware says, for answers that do not pass it. Only the page of the API's description is more than data.
SAFE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}


class JsonErrors:
    """Middleware: an error answer under /api that is not JSON becomes the error body, and every answer says how it may be read."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        if self._is_async:
            return self._later(request)
        return self._settled(request, self._get_response(request))

    async def _later(self, request: HttpRequest) -> HttpResponse:
        return self._settled(request, await self._get_response(request))

    @staticmethod
    def _settled(request: HttpRequest, response: HttpResponse) -> HttpResponse:
        settled = JsonErrors._told_as_json(request, response)
        for name, value in SAFE.items():
            settled.headers.setdefault(name, value)
        return settled

    @staticmethod
    def _told_as_json(request: HttpRequest, response: HttpResponse) -> HttpResponse:
        is_plain = response.status_code >= 400 and "json" not in response.get("Content-Type", "")
        if not is_plain or not request.path.startswith("/api/"):
            if not response.streaming and not response.has_header("Content-Length"):
                response["Content-Length"] = str(len(response.content))  # else it would go out in chunks
            return response
        message = HTTPStatus(response.status_code).description or HTTPStatus(response.status_code).phrase
        told = answer(response.status_code, f"{message}." if not message.endswith(".") else message)
        if "Allow" in response:
            told["Allow"] = response["Allow"]
        return told
