"""A body of JSON as it came, read no further than it must be: to change one of its fields and touch no other byte."""

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any, NoReturn

import msgspec

_WHITE = " \t\n\r"
_PARTS = msgspec.json.Decoder(dict[str, msgspec.Raw])
Spans = Mapping[str, tuple[int, int]]


class NoObject(ValueError):
    """JSON, but no object."""


class Unparsed(ValueError):
    """JSON that was only glanced at, and that Python cannot hold: numbers of thousands of digits, or too many things in one another."""


class Body:
    """The JSON object in `raw`. Raises ValueError for what is none (NaN and Infinity too) and RecursionError."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        try:
            spans = laid_out(raw, _PARTS.decode(raw))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            spans = None  # msgspec reads no UTF-16, and says less of what is wrong
        # Of the values; None where a name stands twice, whose value is then the last.
        self.spans: Spans | None = walked(raw)[1] if spans is None else spans

    @cached_property
    def fields(self) -> Mapping[str, Any]:
        """All of it, parsed. Raises Unparsed."""
        try:
            return walked(self.raw)[0]
        except (ValueError, RecursionError):
            raise Unparsed("The body is no JSON: it cannot be read.") from None


def laid_out(raw: bytes, parts: Mapping[str, msgspec.Raw]) -> Spans | None:
    """Where each value of a top-level field stands in `raw`; None unless it is written as programs write it, each name once.

    `parts` keep their bytes as they stand, so the whole must be names, values and separators one after the other: that is looked at here.
    Whatever else a body holds, a name twice or in another spelling, a blank where none was expected, does not fit.
    """
    for colon, comma in ((b":", b","), (b": ", b", ")):
        spans: dict[str, tuple[int, int]] = {}
        at = 1
        for name, value in parts.items():
            head = (comma if spans else b"") + b'"' + name.encode() + b'"' + colon
            if not raw.startswith(head, at):
                break
            begun = at + len(head)
            at = begun + memoryview(value).nbytes
            spans[name] = begun, at
        else:
            if raw[at:] == b"}" and raw[:1] == b"{":
                return spans
    return None


def walked(raw: bytes) -> tuple[dict[str, Any], Spans | None]:
    """(the fields, where their values stand), whatever blanks are between them. Raises as `Body` does.

    Walked by the C decoder value by value: as fast as to parse it in one go.
    """
    encoding = json.detect_encoding(raw)
    text = raw.decode(encoding, "surrogatepass")
    fields: dict[str, Any] = {}
    spans: dict[str, tuple[int, int]] = {}
    is_sure = encoding == "utf-8"
    at = _past(text, 0)
    if text[at : at + 1] != "{":
        json.loads(text, parse_constant=_refused)  # what is no JSON at all is said by whoever knows best
        raise NoObject
    at = _past(text, at + 1)
    while text[at : at + 1] != "}" or fields:
        if text[at : at + 1] != '"':
            raise json.JSONDecodeError("Expecting property name enclosed in double quotes", text, at)
        name, at = _decoder.raw_decode(text, at)
        at = _past(text, at)
        if text[at : at + 1] != ":":
            raise json.JSONDecodeError("Expecting ':' delimiter", text, at)
        begun = _past(text, at + 1)
        fields[name], at = _decoder.raw_decode(text, begun)
        is_sure = is_sure and name not in spans
        spans[name] = begun, at
        at = _past(text, at)
        if text[at : at + 1] == "}":
            break
        if text[at : at + 1] != ",":
            raise json.JSONDecodeError("Expecting ',' delimiter", text, at)
        at = _past(text, at + 1)
    end = _past(text, at + 1)
    if end != len(text):
        raise json.JSONDecodeError("Extra data", text, end)
    return fields, _in_bytes(text, spans) if is_sure else None


def _in_bytes(text: str, spans: Spans) -> Spans:
    if text.isascii():
        return spans
    at = told = 0
    placed = {}
    for name, place in spans.items():  # in the order in which they stand
        counted = []
        for index in place:
            told += len(text[at:index].encode("utf-8", "surrogatepass"))
            at = index
            counted.append(told)
        placed[name] = counted[0], counted[1]
    return placed


def _past(text: str, at: int) -> int:
    """The next place that is not white."""
    while text[at : at + 1] in _WHITE and at < len(text):
        at += 1
    return at


def _refused(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_decoder = json.JSONDecoder(parse_constant=_refused)
