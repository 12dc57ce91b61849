"""Differences between two tables as lines that a person reads: what is new, what is gone, what becomes of which field."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from routing.document.form import FORMS
from routing.document.table import KEYS, Change

LONGEST = 160  # of a text within a line; a note may have pages


def lines(changes: Iterable[Change]) -> Iterator[str]:
    """One line a change: `+ routes[coding]: steps [openai:codex]`, `~ models[openai:codex].tier: – → premium`, `- projects[site]`.

    Of what is new, only what differs from a plain part of its kind.
    """
    for change in changes:
        section = change.path.partition("[")[0]
        if change.path.endswith("]") and change.before is None:
            told = ", ".join(f"{name} {_value(value)}" for name, value in _own(section, change.after).items())
            yield f"+ {change.path}" + (f": {told}" if told else "")
        elif change.path.endswith("]") and change.after is None:
            yield f"- {change.path}"
        else:
            yield f"~ {change.path}: {_value(change.before)} → {_value(change.after)}"


def summary(changes: Iterable[Change]) -> str:
    """ "2 new, 1 changed, 1 deleted", counted by parts."""
    marks = {"new": set[str](), "changed": set[str](), "deleted": set[str]()}
    for change in changes:
        whole = change.path.endswith("]")
        kind = "new" if whole and change.before is None else "deleted" if whole and change.after is None else "changed"
        marks[kind].add(change.path.rpartition("].")[0] or change.path)
    return ", ".join(f"{len(parts)} {kind}" for kind, parts in marks.items() if parts)


def _own(section: str, part: Mapping[str, Any]) -> dict[str, Any]:
    fields, keys = FORMS[section].model_fields, KEYS.get(section, ("slug",))
    plain = {name: field.get_default(call_default_factory=True) for name, field in fields.items() if name not in keys}
    told = {name: value for name, value in part.items() if name in plain}
    return {name: value for name, value in told.items() if _json(value) != _json(plain[name])}


def _json(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


def _value(value: Any) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return f"[{', '.join(value)}]"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
