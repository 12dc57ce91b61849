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
    "quotas": ("name", "windows"),
    "curves": ("steps",),
    "projects": ("name",),
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


def _one(value: Mapping[str, Any]) -> str:
    """A step of a curve as "80 %: sonnet, codex", a window of a quota as "weekly: 500 calls"."""
    if "allowed" in value:
        note = f" ({value['note']})" if value.get("note") else ""
        return f"{value['from']:g} %: {', '.join(value['allowed']) or 'nothing'}{note}"
    if "unit" in value:
        limit = f"{value['limit']:,} {value['unit']}" if value.get("limit") else "no limit"
        return f"{value['name']}: {limit}" + (f" in {value['hours']:g} h" if value.get("hours") else "")
    return _text(dict(value)) or "–"


def plain(value: Any) -> str | None:
    """A value of any field as a diff shows it; None: there is nothing."""
    return _text(value)


def _text(value: Any, field: str = "") -> str | None:
    if value is None or value == "" or value == []:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return (" → " if field == "steps" else ", ").join(value)
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        return "; ".join(_one(each) for each in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(each)}" for name, each in value.items() if each is not None)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else str(value)
