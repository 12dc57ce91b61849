"""Edits as functions from one whole document to the next, and questions to a document."""

from collections.abc import Callable

from routing.document.table import Part, as_document, as_table, key_of

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
