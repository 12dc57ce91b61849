"""What lists and writes of the API have in common: pages, downloads, revisions, bodies, errors."""

import base64
import binascii
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse

from routing import changes, document
from routing.api.errors import ApiError
from routing.audit import Actor

LARGEST, USUAL = 500, 100
LONGEST_REASON = 4000


def page(request: HttpRequest, items: Mapping[str, Any]) -> dict[str, Any]:
    """The page of `items` (by key, in order) that `limit` and `cursor` ask for."""
    size, after = limit(request), cursor(request)
    keys = [key for key in sorted(items) if after is None or key > after]
    following = cursor_for(keys[size - 1]) if len(keys) > size else None
    return {"items": [items[key] for key in keys[:size]], "next": following}


def limit(request: HttpRequest) -> int:
    text = request.GET.get("limit", str(USUAL))
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= LARGEST):
        raise ApiError(422, f"limit: must be a whole number from 1 to {LARGEST}.")
    return int(text)


def cursor_for(key: str) -> str:
    """An opaque text that stands for a place in a list."""
    return base64.urlsafe_b64encode(key.encode()).decode()


def cursor(request: HttpRequest) -> str | None:
    text = request.GET.get("cursor")
    if not text:
        return None
    try:
        return base64.b64decode(text.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise ApiError(422, "cursor: is not one that a list gave.") from None


def newest_first(request: HttpRequest, newest: int) -> tuple[range, str | None]:
    """The numbers of a page of something numbered without gaps from 1, and the next cursor."""
    after = cursor(request)
    if after is not None and not (after.isascii() and after.isdigit() and len(after) < 10):
        raise ApiError(422, "cursor: is not one that a list gave.")
    top = min(newest, int(after) - 1) if after else newest
    last = max(top - limit(request), 0)
    return range(top, last, -1), cursor_for(str(last + 1)) if last else None


def expected_revision(request: HttpRequest) -> int:
    """The revision that the writer has read, from If-Match. 400 when it is missing."""
    text = request.headers.get("If-Match", "").strip().removeprefix("W/").strip('"')
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ApiError(400, "Send the revision that you have read as If-Match: <revision>.", code="if_match_missing")
    return int(text)


def body(request: HttpRequest) -> dict[str, Any]:
    """The JSON object of the request. 415, 400 or 422 for anything else."""
    if request.content_type not in ("application/json", ""):
        raise ApiError(415, "Send application/json.")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise ApiError(415, "Send the body without Content-Encoding.")
    try:
        raw = document.read(request.body or b"{}")
    except document.Invalid as error:
        raise ApiError(400, f"The body: {error}.") from None
    if not isinstance(raw, dict):
        raise ApiError(422, "The body must be a JSON object.")
    return raw


def reason(text: object) -> str:
    """Why a change is made, as the caller says it. 422 for what cannot be kept with it."""
    if not isinstance(text, str) or len(text) > LONGEST_REASON or "\0" in text or not _is_whole(text):
        raise ApiError(422, f"reason: must be a text of at most {LONGEST_REASON} characters, none of them NUL.")
    return text


def _is_whole(text: str) -> bool:
    """Whether no character is half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def actor(request: HttpRequest) -> Actor:
    """Who an operation counts as: the maker of the key that asks."""
    found: Actor = request.auth.actor(request.META.get("REMOTE_ADDR", ""))  # type: ignore[attr-defined]
    return found


@contextmanager
def told_as_errors(section: str = "") -> Iterator[None]:
    """What `changes` raises, as the contract's errors; paths are those of the one part that the body holds."""
    try:
        yield
    except document.Invalid as error:
        problems = [
            (problem.path.removeprefix(f"{section}[0]").lstrip("."), problem.message) for problem in error.problems
        ]
        told = "; ".join(f"{path}: {message}" if path else message for path, message in problems[:5])
        details = [{"path": path, "message": message} for path, message in problems]
        raise ApiError(422, f"{told[:1000]}.", details=details) from None
    except changes.Stale as error:
        details_of = [change.as_dict() for change in error.diff]
        at = error.when and error.when.isoformat()
        details = {"current": error.current, "by": error.who, "at": at, "changes": details_of}  # type: ignore[assignment]
        raise ApiError(409, str(error), code="stale", details=json.loads(json.dumps(details, default=str))) from None
    except changes.Unknown as error:
        raise ApiError(404, str(error.args[0])) from None


def download(request: HttpRequest, parts: Iterator[str], kind: str, name: str) -> HttpResponseBase:
    """A file as long as it likes, sent as it is read."""
    content = _later(parts) if isinstance(request, ASGIRequest) else parts
    answer = StreamingHttpResponse(content, content_type=kind)
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


async def _later(parts: Iterator[str]) -> AsyncIterator[str]:
    """The parts for a server that waits for none of them."""
    following = sync_to_async(partial(next, parts, None))
    while (part := await following()) is not None:
        yield part
