"""Changes of the routing table in words: the lines of `_diff.html`."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from routing.document import Change

SECTIONS = {
    "providers": "Provider",
    "credentials": "Credential",
    "models": "Model",
    "quotas": "Quota",
    "curves": "Curve",
    "projects": "Project",
    "task_types": "Task type",
    "rules": "Rule",
    "routes": "Route",
    "budgets": "Budget",
    "explorations": "Exploration",
}
# What names a whole part in one line, where its other fields would only be noise.
_TELLING = {
    "providers": ("kind", "base_url"),
    "models": ("upstream_id", "tier", "role"),
    "routes": ("steps", "note"),
    "task_types": ("name",),
    "rules": ("task_type",),
    "budgets": ("monthly_usd", "at_limit"),
    "explorations": ("share", "challengers", "until"),
    "credentials": ("kind", "env"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One difference, as `_diff.html` shows it. None: nothing was, or will be, there."""

    field: str
    before: str | None
    after: str | None


def lines(changes: Iterable[Change | Mapping[str, Any]]) -> list[Line]:
    """A line a change, of `changes.compare` and `preview` or as a revision keeps them."""
    return [_line(**(change.as_dict() if isinstance(change, Change) else change)) for change in changes]


def _line(path: str, before: Any, after: Any) -> Line:
    section, _, rest = path.partition("[")
    key, _, field = rest.rpartition("]")
    name = f"{SECTIONS.get(section, section)} {key}"
    if field:
        word = field.removeprefix(".")
        return Line(f"{name}: {word.replace('_', ' ')}", _text(before, word), _text(after, word))
    return Line(name, _part(section, before), _part(section, after))


def _part(section: str, part: Mapping[str, Any] | None) -> str | None:
    if part is None:
        return None
    told = [_text(part.get(name), name) for name in _TELLING.get(section, ())]
    return " · ".join(text for text in told if text) or "there"


def _text(value: Any, field: str = "") -> str | None:
    if value is None or value == "" or value == []:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return (" → " if field == "steps" else ", ").join(value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(each)}" for name, each in value.items() if each is not None)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else str(value)
