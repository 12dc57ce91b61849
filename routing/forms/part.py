"""The form of one part of the routing table: its fields as the document has them, and what every publication needs beside."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

from django import forms
from django.http import QueryDict

from routing.document import Problem
from routing.document.form import FORMS
from routing.document.table import KEYS
from routing.forms.fields import flatten

BESIDE = ("reason", "revision", "previewed")


class PartForm(forms.Form):
    """One part, with the revision it was read from and what of it was shown before publishing.

    A field bears the name that the document gives it. Where one of the document's fields is several here, or the other way round,
    a form says so by `filled` and `said`.
    """

    section: ClassVar[str]
    # Fields that most people never touch: shown on demand.
    rare: ClassVar[tuple[str, ...]] = ()
    # What stands in several inputs: the document's field → the input at which its problems are told.
    places: ClassVar[Mapping[str, str]] = {}

    reason = forms.CharField(required=False, max_length=2000)
    revision = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    previewed = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)

    def __init__(self, *args: Any, keys: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        """`keys`: what names the part, where it is there already and its name cannot change."""
        super().__init__(*args, **kwargs)
        self.keys = dict(keys or {})
        for name in self.keys:
            self.fields.pop(name, None)

    @classmethod
    def of(cls, part: Mapping[str, Any], revision: int, keys: Mapping[str, Any] | None = None) -> Self:
        """The form as a part of the document fills it."""
        return cls(initial={**cls.filled(part), "revision": revision}, keys=keys)

    @classmethod
    def fresh(cls) -> dict[str, Any]:
        """What the fields hold when nothing is there yet: the document's own defaults."""
        fields = FORMS[cls.section].model_fields
        whole = {
            name: "" if field.is_required() else field.get_default(call_default_factory=True)
            for name, field in fields.items()
        }
        return cls.filled(whole)

    @classmethod
    def filled(cls, part: Mapping[str, Any]) -> dict[str, Any]:
        """What the fields hold when they show this part."""
        return dict(part)

    def said(self, data: dict[str, Any]) -> dict[str, Any]:
        """What was filled in, as the document says it."""
        return data

    def part(self) -> dict[str, Any]:
        """The part that was filled in, with what names it. Only when valid."""
        return {**self.keys, **self.said({name: self.cleaned_data[name] for name in self.own})}

    @property
    def own(self) -> list[str]:
        """The names of the fields that are the part's."""
        return [name for name in self.fields if name not in BESIDE]

    @property
    def usual(self) -> list[forms.BoundField]:
        return [self[name] for name in self.own if name not in self.rare]

    @property
    def others(self) -> list[forms.BoundField]:
        return [self[name] for name in self.own if name in self.rare]

    @property
    def has_odd_others(self) -> bool:
        """Whether one of the fields shown on demand must be shown now."""
        return any(self.errors.get(name) for name in self.rare) if self.is_bound else False

    @classmethod
    def posted(cls, part: Mapping[str, Any], posted: QueryDict, revision: int) -> QueryDict:
        """What a browser would send for this part; the reason stays as it was typed."""
        data = QueryDict(mutable=True)
        for name, value in cls.filled(part).items():
            field = cls.base_fields.get(name)
            if field is not None:
                for each, values in flatten(field.widget, name, value):
                    data.setlist(each, values)
        data["revision"] = str(revision)
        data["reason"] = posted.get("reason", "")
        return data

    def fingerprint(self) -> str:
        """The same for the same part: whether what is published is what was previewed."""
        return hashlib.sha256(json.dumps(self.part(), sort_keys=True, default=str).encode()).hexdigest()

    def take(self, problems: Iterable[Problem]) -> None:
        """Show the problems of an edit at the fields they are about; what is about none, over the form."""
        for problem in problems:
            place, rest = self._place(problem)
            self.add_error(
                place, f"{rest}: {problem.message}" if place and rest else problem.message if place else str(problem)
            )

    def _place(self, problem: Problem) -> tuple[str | None, str]:
        """The field that a path is about, and which of its lines: "routes[0].steps[1]" → steps, "2"."""
        if not problem.path.startswith(f"{self.section}["):
            return None, ""
        path = problem.path.partition("]")[2].lstrip(".")
        for name in (path, path.partition(".")[0], path.partition("[")[0]):
            field = self.places.get(name, name)
            if field in self.fields:
                return field, _counted(path[len(name) :])
        return None, ""


def _counted(rest: str) -> str:
    """ "[1].limit" → "2, limit": people count from one."""
    number, _, field = rest.removeprefix("[").partition("]")
    if rest.startswith("[") and number.isdecimal():
        return ", ".join(part for part in (f"line {int(number) + 1}", _counted(field.lstrip("."))) if part)
    return rest.lstrip(".").replace("_", " ")


def key_fields(section: str) -> tuple[str, ...]:
    return KEYS.get(section, ("slug",))
