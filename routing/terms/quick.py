"""Records that a call makes many of."""

from dataclasses import field, fields, make_dataclass
from typing import TypeVar

T = TypeVar("T", bound=type)


def quick(record: T) -> T:
    """A frozen dataclass whose objects are made in a fifth of the time: mypy alone keeps them from being changed, nothing looks at run time.

    dataclasses write each field of a frozen object through a call of object.__setattr__; a call through Cortex makes twenty objects of
    ten to thirty fields. Without `__post_init__` and `init=False`, which would set fields otherwise. Equality, hash and `replace` stay as
    they are. Raises TypeError.
    """
    if hasattr(record, "__post_init__") or not all(each.init for each in fields(record)):
        raise TypeError(f"{record.__name__} has a __post_init__, or a field that is not given")
    given = [
        (each.name, each.type, field(default=each.default, default_factory=each.default_factory, kw_only=each.kw_only))
        for each in fields(record)
    ]
    record.__init__ = make_dataclass(record.__name__, given).__init__  # type: ignore[misc]
    del record.__setattr__, record.__delattr__
    return record
