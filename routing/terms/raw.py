"""A client's own words and a provider's own, where both speak the same wire: handed on as they came."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from routing.terms.quick import quick
from routing.terms.secret import Secret
from routing.terms.words import ProviderKind

if TYPE_CHECKING:
    from routing.terms.request import Request

# The wires that each kind of provider speaks, by the names that a call's row gives them.
SPOKEN: Mapping[ProviderKind, frozenset[str]] = {
    ProviderKind.ANTHROPIC: frozenset({"anthropic"}),
    ProviderKind.OPENAI: frozenset({"openai_chat", "openai_responses"}),
    ProviderKind.OPENAI_COMPATIBLE: frozenset({"openai_chat"}),
    ProviderKind.SIMULATED: frozenset(),
}


def speaks(kind: ProviderKind, wire: str) -> bool:
    return wire in SPOKEN[kind]


def decoded(text: bytes) -> Any:
    """The value of a JSON text. Raises ValueError and RecursionError."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:  # half a surrogate pair and UTF-16, which json takes
        return json.loads(text)


@quick
@dataclass(frozen=True, slots=True)
class Raw:
    """A request as the client wrote it. Lives in memory only; nothing writes it down."""

    wire: str  # "openai_chat", "openai_responses", "anthropic"
    body: bytes = field(repr=False)  # a JSON object
    spans: (
        Mapping[str, tuple[int, int]] | None
    )  # where the value of each top-level field stands in `body`; None: in doubt
    parsed: Callable[[], Mapping[str, Any]] = field(repr=False)  # the whole body; what a relay seldom needs
    read: Callable[[], "Request"] | None = field(
        default=None, repr=False
    )  # the same in our own form, without this; read when it is asked for; raises what the wire raises
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # that may be passed on; names in lower case
    query: str = ""
    credential: tuple[tuple[str, Secret], ...] = ()  # headers with the client's own, for its vendor's provider alone

    def get(self, name: str) -> Any:
        """A top-level field's value; None where it is missing."""
        if self.spans is None:
            return self.parsed().get(name)
        place = self.spans.get(name)
        return None if place is None else decoded(self.body[place[0] : place[1]])


@quick
@dataclass(frozen=True, slots=True)
class Passed:
    """A provider's answer or error in the client's own wire, as it came."""

    status: int
    headers: Mapping[str, str]  # those that may be passed on; names in lower case
    body: bytes = field(repr=False)
