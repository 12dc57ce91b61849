"""The table as a value: parts by key, and what can be done with it without a database: read a file, merge, compare."""

import copy
import difflib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from pydantic import ValidationError, create_model

from routing.document import secrecy
from routing.document.fields import VARIABLE
from routing.document.form import FORMS
from routing.document.form import Part as FormPart

Part = dict[str, Any]
Table = dict[str, dict[str, Part]]  # section → key → part, with every field

# Written in this order, deleted in the reverse one: a part stands after what it names.
SECTIONS = (
    "providers",
    "credentials",
    "quotas",
    "models",
    "curves",
    "projects",
    "task_types",
    "rules",
    "routes",
    "budgets",
    "explorations",
)
KEYS: dict[str, tuple[str, ...]] = {
    "credentials": ("provider", "name"),
    "models": ("provider", "slug"),
    "curves": ("name",),
    "rules": ("pattern",),
    "routes": ("task_type", "project", "condition"),
    "budgets": ("scope",),
    "explorations": ("task_type",),
}


@dataclass(frozen=True, slots=True)
class Problem:
    path: str  # "routes[3].steps[1]"
    message: str
    unknown: str = ""  # the name that nothing bears, where that is the problem

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class Invalid(Exception):
    """A document or an edit that cannot be: every problem with its path."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. A whole part stands in `before` or `after` when it was deleted or is new."""

    path: str  # "routes[code_generation].steps"
    before: Any
    after: Any

    def as_dict(self) -> dict[str, Any]:
        return {"path": self.path, "before": self.before, "after": self.after}


def key_of(section: str, part: Mapping[str, Any]) -> str:
    """What names a part in its section: "openai:codex" for a model, "code_search@site" or "vibe_coding?batch" for a route."""
    if section == "routes":
        project, condition = part.get("project"), part.get("condition")
        return f"{part['task_type']}" + (f"@{project}" if project else "") + (f"?{condition}" if condition else "")
    values = [str(part.get(name) or FORMS[section].model_fields[name].default) for name in KEYS.get(section, ("slug",))]
    return ":".join(values)


def empty() -> Table:
    return {section: {} for section in SECTIONS}


def _partial(section: str, form: type[FormPart]) -> type[FormPart]:
    """The form with only its key required: what a fragment says of a part that is there already."""
    keys = KEYS.get(section, ("slug",))
    optional: dict[str, Any] = {
        name: (field.rebuild_annotation(), None)
        for name, field in form.model_fields.items()
        if field.is_required() and name not in keys
    }
    return create_model(f"{form.__name__}Fragment", __base__=form, **optional)


_FRAGMENTS = {section: _partial(section, form) for section, form in FORMS.items()}


def parse(raw: object) -> tuple[dict[str, list[Part]], list[Problem]]:
    """A file's content with only what it says, and every problem of form; a part with a problem is left out.

    Left-out parts keep their place as {}, so that paths stay those of the file.
    """
    if not isinstance(raw, Mapping):
        return {}, [Problem("", "a document is an object with the parts of the table")]
    fragment: dict[str, list[Part]] = {}
    problems: list[Problem] = []
    for section, parts in raw.items():
        if section not in FORMS:
            problems.append(Problem(secrecy.shown(str(section)), f"unknown field{nearest(str(section), FORMS)}"))
        elif not isinstance(parts, list):
            problems.append(Problem(section, "not a list"))
        else:
            fragment[section] = [_read(section, part, f"{section}[{i}]", problems) for i, part in enumerate(parts)]
    return fragment, problems + list(_twins(fragment))


def _read(section: str, raw: object, path: str, problems: list[Problem]) -> Part:
    secret = [Problem(place, secrecy.MEND) for place in dict.fromkeys(secrecy.places(raw, path, section))]
    try:
        part = _FRAGMENTS[section].model_validate(raw).model_dump(mode="json", exclude_unset=True)
    except ValidationError as error:
        told = {problem.path for problem in secret}
        problems += [*secret, *(problem for problem in problems_of(error, path) if problem.path not in told)]
        return {}
    problems += secret
    return {} if secret else part


def _twins(fragment: Mapping[str, list[Part]]) -> Iterator[Problem]:
    for section, parts in fragment.items():
        seen: dict[str, int] = {}
        for index, part in filter(itemgetter(1), enumerate(parts)):
            first = seen.setdefault(key_of(section, part), index)
            if first != index:
                yield Problem(f"{section}[{index}]", f"the same as {section}[{first}]")


def merge(table: Table, fragment: Mapping[str, list[Part]]) -> tuple[Table, list[Problem]]:
    """The table with the fragment's parts put in: fields that it names change, all others stay; new parts get their defaults.

    And the problems of parts that are new and not whole.
    """
    merged, problems = copy.deepcopy(table), list[Problem]()
    for section, parts in fragment.items():
        for index, part in filter(itemgetter(1), enumerate(parts)):
            key = key_of(section, part)
            old = merged[section].get(key)
            whole = {**(old or {}), **part}
            for name in ("timeouts", "price", "next_price"):
                if old is not None and old.get(name) and part.get(name):
                    whole[name] = {**old[name], **part[name]}
            try:
                merged[section][key] = full_part(section, whole, f"{section}[{index}]")
            except Invalid as error:
                problems += error.problems
    return merged, problems


def full_part(section: str, part: Mapping[str, Any], path: str = "") -> Part:
    """The part with every field, absent ones at their default. Raises Invalid."""
    try:
        return FORMS[section].model_validate(part).model_dump(mode="json", exclude={"secret", "client_secret"})
    except ValidationError as error:
        raise Invalid(problems_of(error, path or section)) from None


def as_document(table: Table) -> dict[str, list[Part]]:
    """The table in the form of a file: sections in order, parts sorted by key, so that equal tables are equal texts."""
    return {section: [table[section][key] for key in sorted(table[section])] for section in SECTIONS}


def as_table(document: Mapping[str, list[Part]]) -> Table:
    """The other way round. Fields that came after the document was written get their defaults."""
    table = empty()
    for section, parts in document.items():
        for part in parts:
            table[section][key_of(section, part)] = full_part(section, part)
    return table


def compare(before: Table, after: Table) -> tuple[Change, ...]:
    """What differs, field by field, in the order of sections and keys."""
    changes: list[Change] = []
    for section in SECTIONS:
        for key in sorted(before[section].keys() | after[section].keys()):
            old, new = before[section].get(key), after[section].get(key)
            path = f"{section}[{key}]"
            if old is None or new is None:
                changes.append(Change(path, old, new))
            elif old != new:
                fields = [name for name in new if old.get(name) != new[name]]
                changes += [Change(f"{path}.{name}", old.get(name), new[name]) for name in fields]
    return tuple(changes)


def changed_keys(before: Table, after: Table) -> list[tuple[str, str]]:
    """(section, key) of every part that is new, different or gone."""
    return [
        (section, key)
        for section in SECTIONS
        for key in sorted(before[section].keys() | after[section].keys())
        if before[section].get(key) != after[section].get(key)
    ]


def sha256(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def nearest(name: str, known: Iterable[str], most: int = 3) -> str:
    """ "; nearest: openai:codex" for a message, "" when nothing is near."""
    found = difflib.get_close_matches(name, list(known), n=most, cutoff=0.5)
    return f"; nearest: {', '.join(found)}" if found else ""


_WORDS = {
    "missing": "missing",
    "extra_forbidden": "unknown field",
    "string_type": "not a text",
    "bool_type": "not true or false",
    "bool_parsing": "not true or false",
    "list_type": "not a list",
    "dict_type": "not an object",
    "model_type": "not an object",
    "model_attributes_type": "not an object",
    "finite_number": "not a finite number",
    "decimal_max_digits": "has too many digits",
    "decimal_whole_digits": "has too many digits",
    "decimal_max_places": "has more than 10 decimals",
}
_HINTS = {VARIABLE: ": name a variable, as OPENAI_API_KEY; a key itself goes to `secret`"}
_NAMES_OF_SECRETS = frozenset(
    {"key", "api_key", "apikey", "token", "access_token", "refresh_token", "password", "client_secret", "authorization"}
)


def problems_of(error: ValidationError, prefix: str = "") -> list[Problem]:
    return [
        Problem(path_of((prefix, *item["loc"]) if prefix else item["loc"]), _message(item))
        for item in error.errors(include_url=False, include_context=True)
    ]


def path_of(location: Iterable[str | int]) -> str:
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        elif not step.startswith(("function-", "literal[", "constrained-")):
            path += f".{secrecy.shown(step)}" if path else secrecy.shown(step)
    return path


def _message(item: Any) -> str:
    kind = item["type"]
    if kind == "extra_forbidden" and str(item["loc"][-1]).lower() in _NAMES_OF_SECRETS:
        return "unknown field; what opens a provider goes to `secret` of a credential, which is stored encrypted"
    if kind in _WORDS:
        return _WORDS[kind]
    if kind.startswith(("float", "int", "decimal")):
        return "not a number" if not kind.startswith("int_from") else "not a whole number"
    if kind.startswith("date"):
        return "not a date as 2026-11-30"
    if kind == "value_error":
        return str(item["ctx"]["error"])
    if kind == "string_pattern_mismatch":
        form = item["ctx"]["pattern"]
        return f"does not have the form {form}{_HINTS.get(form, '')}"
    return str(item["msg"][:1].lower() + item["msg"][1:]).replace("input should be", "must be")
