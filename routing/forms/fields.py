"""Fields that hold lists: words in a line, a chain of steps, lines of several inputs."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from django import forms
from django.utils.datastructures import MultiValueDict


class WordsInput(forms.TextInput):
    """A list as one line, its words apart by commas."""

    def format_value(self, value: Any) -> str:
        return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value or "")


class Words(forms.CharField):
    """A list of words, in the order they were typed: "openai, gemini"."""

    widget = WordsInput

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": False, "max_length": 4000, **kwargs})

    def clean(self, value: Any) -> list[str]:
        return [word for word in re.split(r"[,\s]+", super().clean(value)) if word]


class HeadersInput(forms.Textarea):
    """Names and values, a line each."""

    def format_value(self, value: Any) -> str:
        return (
            "\n".join(f"{name}: {text}" for name, text in value.items())
            if isinstance(value, Mapping)
            else str(value or "")
        )


class Headers(forms.CharField):
    """HTTP headers, a line each: "X-Team: search"."""

    widget = HeadersInput(attrs={"rows": 2})

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": False, "max_length": 8000, **kwargs})

    def clean(self, value: Any) -> dict[str, str] | None:
        found: dict[str, str] = {}
        for line in filter(None, map(str.strip, super().clean(value).splitlines())):
            name, colon, text = line.partition(":")
            if not colon:
                raise forms.ValidationError(f"'{line[:60]}' has no colon: write Name: value.")
            found[name.strip()] = text.strip()
        return found or None


class Steps(forms.Field):
    """A chain as so many inputs of one name, in the order of the page."""

    widget = forms.MultipleHiddenInput

    def clean(self, value: Any) -> list[str]:
        return [step for step in value or () if step]


class LinesInput(forms.Widget):
    """Lines of several inputs: `name-column`, once a line, in the order of the page. The page's template draws them."""

    def __init__(self, columns: Sequence[str]) -> None:
        super().__init__()
        self.columns = tuple(columns)

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> list[dict[str, str]]:
        lists = (
            data if isinstance(data, MultiValueDict) else MultiValueDict({key: [value] for key, value in data.items()})
        )
        columns = {column: lists.getlist(f"{name}-{column}") for column in self.columns}
        count = max(map(len, columns.values()), default=0)
        return [
            {column: values[place] if place < len(values) else "" for column, values in columns.items()}
            for place in range(count)
        ]

    def value_omitted_from_data(self, data: Mapping[str, Any], files: Any, name: str) -> bool:
        return False

    def flatten(self, name: str, value: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, list[str]]]:
        """As a browser sends it."""
        for column in self.columns:
            yield f"{name}-{column}", [_text(line.get(column)) for line in value]


class CurveInput(LinesInput):
    """Steps of a curve: `steps-from` and `steps-note` once a step, `steps-allowed-0`, `-1` … the models of each in their order."""

    def __init__(self) -> None:
        super().__init__(("from", "note"))

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = list(super().value_from_datadict(data, files, name))
        for place, line in enumerate(lines):
            line["allowed"] = data.getlist(f"{name}-allowed-{place}") if isinstance(data, MultiValueDict) else []
        return lines

    def flatten(self, name: str, value: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, list[str]]]:
        yield from super().flatten(name, value)
        for place, line in enumerate(value):
            yield f"{name}-allowed-{place}", list(line["allowed"])


class Windows(forms.Field):
    """The windows of a quota; a line without anything in it is none."""

    widget = LinesInput(("name", "limit", "unit", "hours"))

    def clean(self, value: Any) -> list[dict[str, Any]]:
        lines = [line for line in value or () if line["name"].strip() or line["limit"].strip() or line["hours"].strip()]
        return [
            {
                "name": line["name"].strip(),
                "limit": _number(line["limit"], int, f"line {place}, limit"),
                "unit": line["unit"] or "calls",
                "hours": _number(line["hours"], float, f"line {place}, hours"),
            }
            for place, line in enumerate(lines, 1)
        ]


class CurveSteps(forms.Field):
    """The steps of a degradation curve."""

    widget = CurveInput()

    def clean(self, value: Any) -> list[dict[str, Any]]:
        return [
            {
                "from": _number(line["from"], float, f"step {place}, from"),
                "allowed": line["allowed"],
                "note": line["note"].strip(),
            }
            for place, line in enumerate(value or (), 1)
        ]


def _number(text: str, kind: type[int] | type[float], where: str) -> float | int | None:
    if not text.strip():
        return None
    try:
        number = kind(text)
    except ValueError:
        number = float("nan")
    if number != number or abs(number) > 1e12:
        raise forms.ValidationError(f"{where}: '{text[:40]}' is not a {'whole ' if kind is int else ''}number.")
    return number


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def flatten(widget: forms.Widget, name: str, value: Any) -> Iterator[tuple[str, list[str]]]:
    """What a browser sends for a value: the input's names, each with all its values; nothing for a box without its tick."""
    if isinstance(widget, LinesInput):
        yield from widget.flatten(name, value or ())
    elif isinstance(widget, WordsInput | HeadersInput):
        yield name, [widget.format_value(value)]
    elif isinstance(value, list | tuple):
        yield name, [str(each) for each in value]
    elif value is True:
        yield name, ["on"]
    elif value is not False:
        yield name, [_text(value)]


class Suggest(forms.TextInput):
    """A line of text that offers what is usual; anything else may be typed."""

    def __init__(self, options: Iterable[str]) -> None:
        super().__init__()
        self.options = tuple(options)


class Named(forms.ChoiceField):
    """The slug of one of the rows there are, or none of them."""

    def __init__(self, rows: Any, empty: str = "", **kwargs: Any) -> None:
        self.rows, self.empty = rows, empty
        super().__init__(choices=self.there, **kwargs)

    def there(self) -> list[tuple[str, str]]:
        """Asked for whenever the form is shown."""
        first = [] if self.required and not self.empty else [("", self.empty or "none")]
        return first + [(slug, slug) for slug in self.rows.objects.order_by("slug").values_list("slug", flat=True)]

    def clean(self, value: Any) -> str | None:
        return super().clean(value) or None


def words(values: Iterable[str]) -> list[tuple[str, str]]:
    return [(each, each.replace("_", " ")) for each in values]
