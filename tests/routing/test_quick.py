"""Quick records are what frozen dataclasses are, but for who keeps them from being changed."""

import copy
import pickle
from dataclasses import dataclass, field, replace

import pytest

from routing.terms.quick import quick


@quick
@dataclass(frozen=True, slots=True)
class Record:
    name: str
    words: list[str] = field(default_factory=list)
    size: int = field(default=0, compare=False)
    last: bool = field(default=False, kw_only=True)


@quick
@dataclass(frozen=True, slots=True)
class Key:
    name: str
    size: int = 0


def test_two_records_share_no_default() -> None:
    Record("a").words.append("x")
    assert Record("b").words == []


def test_records_are_compared_hashed_replaced_copied_and_pickled_by_their_fields() -> None:
    assert (Key("a", 1), hash(Key("a", 1))) == (Key("a", 1), hash(Key("a", 1)))
    assert Key("a") != Key("b")
    assert Record("a", size=1) == Record("a", size=2)
    made = Record("a", ["x"], 3, last=True)
    assert replace(made, name="b") == Record("b", ["x"], 3, last=True)
    assert copy.deepcopy(made) == pickle.loads(pickle.dumps(made)) == made
    assert {Key("a"): 1}[Key("a")] == 1
    assert repr(Key("a")) == "Key(name='a', size=0)"


def test_a_record_has_no_other_field_and_is_made_of_no_other_arguments() -> None:
    with pytest.raises(AttributeError):
        Key("a").other = 1  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        Record("a", [], 0, True)  # type: ignore[misc]
    with pytest.raises(TypeError):
        Key()  # type: ignore[call-arg]


def test_a_field_that_is_not_given_is_refused() -> None:
    """Nothing would set it."""
    with pytest.raises(TypeError, match="Odd"):

        @quick
        @dataclass(frozen=True, slots=True)
        class Odd:
            name: str
            made: int = field(init=False, default=1)
