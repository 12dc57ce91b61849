"""JSON as a stranger may send it, read so that nothing in it can hurt later.

Python's own reader takes NaN, keeps the last of two equal keys and lets through texts that no database column holds.
"""

import json
import re
from typing import Any, NoReturn

from django.http import HttpRequest
from ninja.parser import Parser

_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


class Malformed(ValueError):
    """400: not JSON as the API reads it. The message says what is wrong."""


class NotAnObject(ValueError):
    """422: JSON, but no operation takes a bare list, text or number."""


class UnsupportedMedia(ValueError):
    """415: not JSON at all."""


def loads(raw: bytes) -> Any:
    """The value of a JSON text. Raises Malformed, never anything else."""
    try:
        # Only UTF-8: Python would read UTF-16 too, in which what _SUSPECT looks for has another form.
        value = json.loads(raw.decode("utf-8-sig"), parse_constant=_no_constant, object_pairs_hook=_no_twins)
        if _SUSPECT.search(raw):
            _no_unstorable(value)
    except Malformed:
        raise
    except RecursionError:
        raise Malformed("The body is nested too deeply.") from None
    except UnicodeDecodeError:
        raise Malformed("The body is not UTF-8.") from None
    except ValueError as error:  # JSONDecodeError, and integers of more digits than Python reads
        raise Malformed(f"The body is not JSON: {error}.") from None
    return value


def _no_constant(name: str) -> NoReturn:
    raise Malformed(f"{name} is not a JSON number.")


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twin = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Malformed(f"The key {twin[:80]!r} stands twice in one object.")
    return found


def _no_unstorable(value: Any) -> None:
    """Refuse NUL and lone surrogates: neither a database column nor an answer can hold them."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, str):
            if "\x00" in one:
                raise Malformed("The body holds a NUL character.")
            try:
                one.encode()
            except UnicodeEncodeError:
                raise Malformed("The body holds half of a surrogate pair.") from None


class StrictParser(Parser):
    """ninja's parser of request bodies."""

    def parse_body(self, request: HttpRequest) -> Any:
        if request.headers.get("Content-Encoding", "identity") != "identity":
            raise UnsupportedMedia("Send the body without Content-Encoding.")
        kind = request.content_type or ""
        if kind != "application/json" and not kind.endswith("+json"):
            raise UnsupportedMedia("Send the body as Content-Type: application/json.")
        value = loads(request.body)
        if not isinstance(value, dict):
            raise NotAnObject("The body must be a JSON object.")
        return value
