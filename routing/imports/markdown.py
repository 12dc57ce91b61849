"""The performance log that people keep in Markdown: a table with a row a call, its columns named as one happens to name them.

    | Date | Task type | Model | Input tokens | Output tokens | TTFT | Total | Success | Cost |
    |---|---|---|---|---|---|---|---|---|
    | 2026-02-03 | meeting_summary | anthropic / haiku | 1,200 | 300 | 0.8 s | 4.1 s | no | $0.0031 |

Text around tables is passed over, and so are columns that mean nothing here (notes). A row has no name of its own: its request_id is made of its
content and of how often that content stood before, so that a log that has grown can be imported again.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from django.utils import timezone

from routing.imports.columns import ALL, COST, BadLine, BadValue, Cells

# Words that a heading begins with or consists of, after units and punctuation are gone; the first that fits counts.
HEADINGS = (
    ("request_id", r"request( ?id)?|id"),
    ("attempt", r"attempt"),
    ("ts", r"date( ?time)?|time ?stamp|ts|when|day"),
    ("task_type", r"task( type)?|kind"),
    ("provider_model", r"provider (and |& ?|\+ ?|/ ?)?model( used)?|model (and |& ?|\+ ?|/ ?)?provider"),
    ("provider", r"provider( used)?"),
    ("model", r"model( used)?"),
    ("tokens", r"(input|in) ?/ ?(output|out)( tokens)?|tokens( \(?in ?/ ?out\)?)?"),
    ("input_tokens", r"(input|in|prompt)( ?tokens)?|tokens in"),
    ("output_tokens", r"(output|out|completion)( ?tokens)?|tokens out"),
    ("ttft_ms", r"(latency )?(ttft|time to first token|first token)( ms)?"),
    ("total_ms", r"(latency )?(total( time| latency)?|latency|duration|time)( ms)?"),
    ("success", r"success(ful)?|ok|achieved|worked"),
    ("cost_usd", r"cost( estimate| usd)?|est(imated)? cost|price"),
    ("role", r"role"),
    ("propensity", r"propensity"),
    ("session", r"session"),
    ("client", r"client"),
    ("size", r"size"),
)
_YES = frozenset({"yes", "y", "true", "ok", "good", "✓", "✔", "✅", "☑"})
_NO = frozenset({"no", "n", "false", "bad", "fail", "failed", "✗", "✘", "❌", "x"})
_BLANK = frozenset({"", "-", "—", "–", "n/a", "na", "?", "unknown"})
_DURATION = re.compile(r"(?i)^([\d.,]+)\s*(ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?)?$")


def read(lines: Iterable[str], provider_of: Callable[[str], str | None]) -> Iterator[tuple[int, Cells | BadLine]]:
    """Every row of every table that has a date and a task."""
    header: list[tuple[str, str]] | None = None  # (our column, unit)
    before = ""
    seen: Counter[str] = Counter()
    for number, raw in enumerate(lines, 1):
        line = raw.strip()
        if not line.startswith("|"):
            header = None
        elif set(line) <= set("|-: ") and "-" in line:
            header = _headings(_split(before))
        elif header is not None:
            try:
                yield number, _cells(header, _split(line), provider_of, seen)
            except BadValue as error:
                yield number, BadLine(number, str(error))
        before = line


def _split(line: str) -> list[str]:
    cells = re.split(r"(?<!\\)\|", line.strip().removeprefix("|").removesuffix("|"))
    return [re.sub(r"^[*_`]+|[*_`]+$", "", cell.replace("\\|", "|").strip()).strip() for cell in cells]


def _headings(cells: list[str]) -> list[tuple[str, str]] | None:
    """What each column is, with the unit its heading gives; None for a table about something else."""
    found = []
    for cell in cells:
        unit = re.search(r"\(?\b(ms|s|sec|seconds)\b\)?$", cell, re.IGNORECASE)
        text = re.sub(r"[()_$?:]+", " ", cell[: unit.start()] if unit and unit.start() else cell)
        text = " ".join(text.lower().split())
        name = next((name for name, pattern in HEADINGS if re.fullmatch(pattern, text)), "")
        found.append((name, unit[1].lower() if unit else ""))
    names = {name for name, _ in found}
    return found if {"ts", "task_type"} <= names and names & {"model", "provider_model"} else None


def _cells(
    header: list[tuple[str, str]], cells: list[str], provider_of: Callable[[str], str | None], seen: Counter[str]
) -> Cells:
    if len(cells) != len(header):
        raise BadValue(f"has {len(cells)} cells; the table's head has {len(header)}")
    row: dict[str, str] = {}
    for (name, unit), cell in zip(header, cells, strict=True):
        value = "" if cell.lower() in _BLANK else cell
        if name == "tokens":
            row["input_tokens"], _, row["output_tokens"] = (part.strip() for part in value.partition("/"))
        elif name == "provider_model":
            row["provider"], row["model"] = _provider_and_model(value)
        elif name:
            row[name] = _READ[name](value, unit) if name in _READ else value
    for name in ("input_tokens", "output_tokens", "cost_usd"):
        row[name] = re.sub(r"^[~≈]|[$,\s]|USD$", "", row.get(name, ""))
    row["task_type"] = re.sub(r"\s*/\s*|\s+", "_", row["task_type"].lower())
    if not row.get("provider"):
        row["provider"], row["model"] = _provider_and_model(row.get("model", ""))
    row["provider"] = row["provider"] or provider_of(row["model"].lower()) or ""
    if not row["provider"]:
        raise BadValue(f"provider: not said, and no single provider has the model {row['model'][:60]!r}")
    row["attempt"] = row.get("attempt") or "1"
    row["role"] = row.get("role") or "primary"
    row["request_id"] = row.get("request_id") or _name(row, seen)
    return tuple(row.get(name, "") for name in ALL)


_NOT_ITS_NAME = frozenset({"success", "cost_usd", *COST})  # no log tells the last; a name once given must stay


def _name(row: dict[str, str], seen: Counter[str]) -> str:
    """A request_id from what the call was; success and cost may be filled in later."""
    content = "\0".join(f"{name}={row.get(name, '')}" for name in ALL if name not in _NOT_ITS_NAME)
    digest = hashlib.sha256(content.encode("utf-8", "surrogateescape")).hexdigest()[:24]
    seen[digest] += 1
    return f"log-{digest}-{seen[digest]}"


def _provider_and_model(text: str) -> tuple[str, str]:
    parts = re.split(r"\s+/\s+|\s*→\s*|\s*:\s+|:(?=[a-z])|\s+-\s+", text, maxsplit=1)
    return (parts[0].strip().lower(), parts[1].strip().lower()) if len(parts) == 2 else ("", text.strip().lower())


def _moment(text: str, _: str) -> str:
    """A bare date is its first moment in the configured zone, and so is a time without a zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.get_default_timezone())
    return moment.isoformat()


def _milliseconds(text: str, unit: str) -> str:
    found = _DURATION.match(text)
    if not found:
        return text
    said = (found[2] or unit or "ms").lower()
    scale = 1 if said.startswith(("ms", "milli")) else 60_000 if said.startswith("m") else 1000
    try:
        return str(round(float(found[1].replace(",", "")) * scale))
    except ValueError:
        return text


def _success(text: str, _: str) -> str:
    word = text.lower()
    return "1" if word in _YES else "0" if word in _NO else text


_READ: dict[str, Callable[[str, str], str]] = {
    "ts": _moment,
    "ttft_ms": _milliseconds,
    "total_ms": _milliseconds,
    "success": _success,
}
