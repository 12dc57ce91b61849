"""What may be kept of a provider's error: nothing that it quotes of the request.

Servers quote what they could not take ("Invalid value: '…'"), and by default no byte of a prompt is written down. The caller is told the
error as it came; rows, reasons and logs get it without the quotations.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from routing.terms.request import Request

RUN_CHARS = 12  # so many characters in a row that also stand in the request are a quotation, in quotes or not
MOST_CHARS = (
    2_000_000  # of a longer request no word of an error is kept: to look for each would hold up every other call
)
BLOB_CHARS = 20_000  # a text this long without a space is a file, and no error quotes it
LEFT_OUT = "…"
NAMES = frozenset({"model", "role", "type"})  # fields whose values are words of the wire

_QUOTED = re.compile(r"""(["'`])(.+?)\1|“(.+?)”|‘(.+?)’|«(.+?)»""", re.DOTALL)
_WORD = re.compile(r"\w+")


def unquoted(message: str, texts: Iterable[str]) -> str:
    """The message without what also stands in one of the request's texts."""
    if not message:
        return message
    text = "\n".join(each for each in texts if len(each) < BLOB_CHARS or " " in each[:BLOB_CHARS])
    if len(text) > MOST_CHARS:
        return LEFT_OUT
    message = _QUOTED.sub(lambda found: _unless_in(text, found), message)
    return "".join(_without_runs(message, text))


def texts_of(request: Request) -> Iterator[str]:
    """Everything in a request that a person or a program wrote, of whatever form it is."""
    if request.raw is not None:
        try:
            yield from _strings(request.raw.parsed())
        except (ValueError, RecursionError):  # it cannot be read, so its provider's error is about nothing else
            yield from (request.raw.body.decode("utf-8", "replace"),)
        return
    yield from (request.system or "", *request.stop)
    yield from _strings([message.content for message in request.messages])
    yield from _strings([(tool.name, tool.description, tool.schema) for tool in request.tools])
    if request.response_format is not None:
        yield from _strings(request.response_format.schema)


def _strings(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, Mapping):
            waiting += (inner for name, inner in each.items() if not (name in NAMES and isinstance(inner, str)))
        elif isinstance(each, Sequence):
            waiting += each


def _unless_in(text: str, found: re.Match[str]) -> str:
    inner = next(group for group in found.groups()[1:] if group is not None)
    whole = found.group()
    return whole.replace(inner, LEFT_OUT) if inner.strip() in text else whole


def _without_runs(message: str, text: str) -> Iterator[str]:
    """The message in pieces, each longest run of words that stands in the text replaced where it is long enough."""
    words = [found.span() for found in _WORD.finditer(message)]
    kept_to = first = 0
    while first < len(words):
        begin, last = words[first][0], first
        while last < len(words) and message[begin : words[last][1]] in text:
            last += 1
        if last > first and words[last - 1][1] - begin >= RUN_CHARS:
            yield message[kept_to:begin] + LEFT_OUT
            kept_to, first = words[last - 1][1], last
        else:
            first += 1
    yield message[kept_to:]
