"""What routing must know of a body, told without reading the conversation in it; None where only a reading can tell.

A relayed body is the provider's to read: Cortex looks for what decides where it goes. A wire's `glance` takes the plain bodies that programs
send all day and says of them just what the wire's `read` says (tests/routing/wire/test_glance.py holds the two to each other);
a field or a part that it does not know makes it None.
"""

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from routing.wire.fields import MAX_TOKENS
from routing.wire.ignored import HARMLESS

Tokens = Annotated[int, Meta(ge=1, le=MAX_TOKENS)]
Name = Annotated[str, Meta(min_length=1)]
Given = Raw | UnsetType


class Part(Struct):
    type: str


class Tool(Struct):
    type: str = "custom"
    name: str = ""
    defer_loading: bool | None = None


def decoder(wire: str, fields: Iterable[tuple[Any, ...]], untold: Iterable[str]) -> "msgspec.json.Decoder[Any]":
    """Reads bodies that hold these fields, the `untold` ones, and those that mean nothing to routing; no other.

    `fields` are (name, type) of those that must be there, (name, type, default) of the others.
    """
    told = list(fields)
    rest = {*HARMLESS[wire], *untold} - {each[0] for each in told}
    struct = msgspec.defstruct(
        wire, [*told, *((name, Given, UNSET) for name in sorted(rest))], forbid_unknown_fields=True, kw_only=True
    )
    return msgspec.json.Decoder(struct)


def decoded(decoder: "msgspec.json.Decoder[Any]", body: bytes) -> Any:
    """The struct; None for a body that it does not fit."""
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def value_of(given: Raw | UnsetType) -> Any:
    """The value of a field that was kept as it stands; None where there is none that can be read."""
    try:
        return None if given is UNSET else msgspec.json.decode(given)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def is_text(given: Raw | UnsetType) -> bool:
    return given is not UNSET and bytes(memoryview(given)[:1]) == b'"'
