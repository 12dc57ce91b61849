"""A place in a JSON body that knows its path, so that whatever is wrong there is said with it."""

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

from routing.wire.base import Unreadable

MAX_TOKENS = 10_000_000


class Field:
    """A value and where it stands."""

    __slots__ = ("path", "value")

    def __init__(self, value: Any, path: str = "") -> None:
        self.value = value
        self.path = path

    def bad(self, message: str) -> Unreadable:
        return Unreadable(self.path, message)

    def get(self, name: str) -> "Field | None":
        """The field of that name; None where it is missing or null. Raises Unreadable where this is no object."""
        value = self.object().get(name)
        return None if value is None else Field(value, f"{self.path}.{name}" if self.path else name)

    def need(self, name: str) -> "Field":
        found = self.get(name)
        if found is None:
            raise Unreadable(f"{self.path}.{name}" if self.path else name, "this field is required")
        return found

    def object(self) -> Mapping[str, Any]:
        if not isinstance(self.value, Mapping):
            raise self.bad("must be an object")
        return self.value

    def items(self) -> "Iterator[Field]":
        if not isinstance(self.value, list):
            raise self.bad("must be a list")
        return (Field(each, f"{self.path}.{index}") for index, each in enumerate(self.value))

    @property
    def is_text(self) -> bool:
        return isinstance(self.value, str)

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self.bad("must be a string")
        return self.value

    def name(self) -> str:
        """A text that is not empty."""
        if not self.text():
            raise self.bad("must not be empty")
        return self.text()

    def flag(self) -> bool:
        if not isinstance(self.value, bool):
            raise self.bad("must be true or false")
        return self.value

    def count(self, least: int = 0) -> int:
        """A whole number of tokens or the like."""
        value = self.value
        if isinstance(value, float) and isfinite(value) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MAX_TOKENS:
            raise self.bad(f"must be a whole number from {least} to {MAX_TOKENS:,}")
        return value

    def number(self, least: float, most: float) -> float:
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise self.bad(f"must be a number from {least:g} to {most:g}")
        return value

    def one_of(self, *words: str) -> str:
        if self.value not in words:
            raise self.bad(f"must be one of {', '.join(words)}")
        return str(self.value)

    # Fields that may be missing.

    def text_of(self, name: str, default: str = "") -> str:
        found = self.get(name)
        return default if found is None else found.text()

    def flag_of(self, name: str) -> bool | None:
        found = self.get(name)
        return None if found is None else found.flag()

    def count_of(self, name: str, least: int = 0) -> int | None:
        found = self.get(name)
        return None if found is None else found.count(least)

    def number_of(self, name: str, least: float, most: float) -> float | None:
        found = self.get(name)
        return None if found is None else found.number(least, most)

    def items_of(self, name: str) -> "Iterator[Field]":
        found = self.get(name)
        return iter(()) if found is None else found.items()
