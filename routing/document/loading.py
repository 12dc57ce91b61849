"""`load` and `dump` as commands and pages use them."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from routing import changes
from routing.audit import Actor
from routing.document import rows, stravinsky
from routing.document.table import Change, Invalid, Part, Problem, as_document
from routing.versions import current_revision


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did."""

    revision: int  # the table's, afterwards
    is_new: bool  # False: the document changed nothing
    changes: tuple[Change, ...]


def load(raw: object, *, by: Actor, reason: str = "", force: bool = False, project: str | None = None) -> Loaded:
    """Put a document into the table: all or nothing. It upserts, keeps absent secrets, and deletes nothing that is not listed.

    Takes the document of `dump` and the seeds' `.stravinsky/routing.json`, whose routes are the project's when one is named.
    Raises Invalid with every error and its path.
    """
    with transaction.atomic():
        before = current_revision()
        with _in_its_paths(raw):
            edit = _own_form(raw, project)
            new = changes.publish(edit, by=by, reason=reason or "Loaded from a file", source="load", force=force)
    is_new = new.number != before
    told = tuple(Change(**change) for change in new.changes) if is_new else ()
    return Loaded(new.number, is_new, told)


def preview(raw: object, *, force: bool = False, project: str | None = None) -> tuple[Change, ...]:
    """What `load` would change. Writes nothing. Raises Invalid."""
    with _in_its_paths(raw):
        return changes.preview(_own_form(raw, project), source="load", force=force)


def dump() -> dict[str, list[Part]]:
    """The whole table as a document, without secrets. Loading it again changes nothing."""
    return as_document(rows.dump())


def dump_stravinsky(project: str | None = None) -> tuple[dict[str, Any], list[str]]:
    """The routes that `.stravinsky/routing.json` can say, in its form, and the keys of those it cannot."""
    return stravinsky.write(rows.dump(), project)


def read(text: str | bytes) -> Any:
    """The JSON of a file. Raises Invalid for what is no JSON, names a key twice, or holds NaN or Infinity."""
    try:
        if isinstance(text, bytes):  # only UTF-8: Python would guess others
            text = text.decode("utf-8-sig")
        return json.loads(text, object_pairs_hook=_no_twins, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        message = "nested too deeply" if isinstance(error, RecursionError) else f"no JSON: {error}"
        raise Invalid([Problem("", message)]) from None


@contextmanager
def _in_its_paths(raw: object) -> Iterator[None]:
    """Problems of the other form's fragment, at the paths of its own file."""
    try:
        yield
    except Invalid as error:
        if not isinstance(raw, Mapping) or not isinstance(raw.get("routing"), Mapping):
            raise
        raise Invalid(stravinsky.paths_of(raw, error.problems)) from None


def _own_form(raw: object, project: str | None) -> Mapping[str, Any]:
    if isinstance(raw, Mapping) and "routing" in raw:
        return stravinsky.read(raw, project)
    if not isinstance(raw, Mapping):
        raise Invalid([Problem("", "a document is an object with the parts of the table")])
    return raw


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(
            f"the key {next(name for name in names if names.count(name) > 1)!r} stands twice in one object"
        )
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")
