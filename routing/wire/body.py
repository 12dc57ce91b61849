"""A body of JSON, parsed once, with the place of each of its fields: to change one of them and touch no other byte."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

_WHITE = " \t\n\r"


def _refused(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_decoder = json.JSONDecoder(parse_constant=_refused)


@dataclass(frozen=True, slots=True)
class Body:
    text: str
    fields: Mapping[str, Any]
    spans: (
        Mapping[str, tuple[int, int]] | None
    )  # of the values; None where a name stands twice, whose value is then the last


def parsed(raw: bytes) -> Body:
    """The JSON object in `raw`. Raises ValueError for what is none (NaN and Infinity too) and RecursionError.

    Walked by the C decoder value by value: as fast as to parse it in one go.
    """
    text = raw.decode(json.detect_encoding(raw), "surrogatepass")
    fields: dict[str, Any] = {}
    spans: dict[str, tuple[int, int]] = {}
    is_plain = True
    at = _past(text, 0)
    if text[at : at + 1] != "{":
        json.loads(text, parse_constant=_refused)  # what is no JSON at all is said by whoever knows best
        raise NoObject
    at = _past(text, at + 1)
    if text[at : at + 1] == "}":
        return _whole(text, at, Body(text, fields, spans))
    while True:
        if text[at : at + 1] != '"':
            raise json.JSONDecodeError("Expecting property name enclosed in double quotes", text, at)
        name, at = _decoder.raw_decode(text, at)
        at = _past(text, at)
        if text[at : at + 1] != ":":
            raise json.JSONDecodeError("Expecting ':' delimiter", text, at)
        begun = _past(text, at + 1)
        fields[name], at = _decoder.raw_decode(text, begun)
        is_plain = is_plain and name not in spans
        spans[name] = begun, at
        at = _past(text, at)
        match text[at : at + 1]:
            case ",":
                at = _past(text, at + 1)
            case "}":
                return _whole(text, at, Body(text, fields, spans if is_plain else None))
            case _:
                raise json.JSONDecodeError("Expecting ',' delimiter", text, at)


class NoObject(ValueError):
    """JSON, but no object."""


def _past(text: str, at: int) -> int:
    """The next place that is not white."""
    while text[at : at + 1] in _WHITE and at < len(text):
        at += 1
    return at


def _whole(text: str, at: int, body: Body) -> Body:
    end = _past(text, at + 1)
    if end != len(text):
        raise json.JSONDecodeError("Extra data", text, end)
    return body
