"""A client's own words and a provider's own, where both speak the same wire: handed on as they came."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from routing.terms.secret import Secret
from routing.terms.words import ProviderKind

# The wires that each kind of provider speaks, by the names that a call's row gives them.
SPOKEN: Mapping[ProviderKind, frozenset[str]] = {
    ProviderKind.ANTHROPIC: frozenset({"anthropic"}),
    ProviderKind.OPENAI: frozenset({"openai_chat", "openai_responses"}),
    ProviderKind.OPENAI_COMPATIBLE: frozenset({"openai_chat"}),
    ProviderKind.SIMULATED: frozenset(),
}


def speaks(kind: ProviderKind, wire: str) -> bool:
    return wire in SPOKEN[kind]


@dataclass(frozen=True, slots=True)
class Raw:
    """A request as the client wrote it. Lives in memory only; nothing writes it down."""

    wire: str  # "openai_chat", "openai_responses", "anthropic"
    text: str = field(repr=False)  # the body, a JSON object
    fields: Mapping[str, Any] = field(repr=False)  # the body, parsed
    spans: (
        Mapping[str, tuple[int, int]] | None
    )  # where the value of each top-level field stands in `text`; None: in doubt
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # that may be passed on; names in lower case
    query: str = ""
    credential: tuple[tuple[str, Secret], ...] = ()  # headers with the client's own, for its vendor's provider alone


@dataclass(frozen=True, slots=True)
class Passed:
    """A provider's answer or error in the client's own wire, as it came."""

    status: int
    headers: Mapping[str, str]  # those that may be passed on; names in lower case
    body: bytes = field(repr=False)
