"""Edits as functions from one whole document to the next, and questions to a document."""

from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from routing.document.table import Part, Table, as_document, as_table, key_of

Document = dict[str, list[Part]]


class Unknown(LookupError):
    """A revision, or a part of the table, that does not exist."""


def without(section: str, key: str) -> Callable[[Document], Document]:
    """The edit that deletes one part; a provider goes with its credentials and models, a task type with its routes and rules."""

    def edit(document: Document) -> Document:
        if not any(key_of(section, part) == key for part in document[section]):
            raise Unknown(f"There is no {key!r} in {section}.")
        document[section] = [part for part in document[section] if key_of(section, part) != key]
        for other, field in _BELONGING.get(section, ()):
            document[other] = [part for part in document[other] if part[field] != key]
        return document

    return edit


_BELONGING = {
    "providers": (("credentials", "provider"), ("models", "provider")),
    "task_types": (("routes", "task_type"), ("rules", "task_type"), ("explorations", "task_type")),
    "projects": (("routes", "project"),),
}


def as_it_was(now: Document, then: Document) -> Document:
    """The document `then`, with what came later kept where something hangs on it: see `changes.restore`."""
    table, old = as_table(now), as_table(then)
    for section in ("routes", "rules", "curves"):
        table[section] = {}
    for section in table:
        if section == "explorations":
            continue
        for key, part in table[section].items():
            if key not in old[section] and "enabled" in part:
                part["enabled"] = False
        table[section] |= old[section]
    return as_document(table)


def settle(table: Table) -> None:
    """What follows from an edit although it does not say so."""
    for part in table["explorations"].values():
        part["challengers"] = sorted(part["challengers"])
        part["starts_on"] = part["starts_on"] or (timezone.now().date() + timedelta(days=1)).isoformat()
    today = timezone.localdate().isoformat()
    for part in table["models"].values():
        if (
            part["next_price"] and part["next_price"]["valid_from"] <= today
        ):  # its day has come: so a file need not change
            part["price"] = {name: value for name, value in part["next_price"].items() if name != "valid_from"}
            part["next_price"] = None
