"""A weekly review as files to take away: Markdown for people, CSV for spreadsheets. Both from the stored review alone."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from typing import Any

from analytics import sentences
from routing.records import defused

Told = Mapping[str, Any]
COLUMNS = (
    "week", "task_type", "model", "simulated", "attempts", "answered_share", "graded", "successes", "success", "success_low",
    "success_high", "ttft_p50_ms", "ttft_p95_ms", "total_p50_ms", "total_p95_ms", "cost_usd", "cost_per_item_usd",
    "cost_per_success_usd", "unpriced",
)  # fmt: skip
UNKNOWN = "–"


def markdown(told: Told) -> str:
    """The review as one Markdown document."""
    lines = [f"# Review of {told['week']}", "", f"{told['starts_on']} to {told['ends_on']} (UTC)"]
    if told["quality"]["simulated"]:
        lines.append("\n**All figures of this week are simulated.**")
    lines += ["", *(f"- {line}" for line in told["headlines"])]
    lines += _section(
        "Task types", _task_rows(told), "Task type", "Model", "Success", "95 % interval", "n", "Attempts", "p95", "Cost"
    )
    changed = [[str(one["number"]), one["at"][:10], one["by_name"], one["reason"]] for one in told["changes"]]
    lines += _section("Changes of the week", changed, "Revision", "On", "By", "Why")
    lines += _section(
        "Approved changes, and how they turn out",
        _force_rows(told),
        "Proposal",
        "Task type",
        "Change",
        "Predicted",
        "Realised",
        "n",
    )
    opened = [
        [str(one["proposal"]), one["task_type"], _change(one), one["kind"], one["opened_on"]]
        for one in told["open_proposals"]
    ]
    lines += _section("Open proposals", opened, "Proposal", "Task type", "Change", "Kind", "Opened")
    spent = [
        [one["name"], f"${one['cost_usd']}", str(one["attempts"]), str(one["unpriced"])]
        for one in told["spend"]["model"]
    ]
    lines += _section("Spend by model", spent, "Model", "USD", "Attempts", "Unpriced")
    return "\n".join(lines) + "\n"


def _section(title: str, rows: list[list[str]], *columns: str) -> Iterator[str]:
    yield from ("", f"## {title}", "")
    if not rows:
        yield "None."
        return
    yield f"| {' | '.join(columns)} |"
    yield f"|{' --- |' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(map(_plain, row))} |"


def _plain(text: str) -> str:
    """Text that stays text in a Markdown table: no cell, line or markup of its own."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(str(text).split())) or UNKNOWN


def _task_rows(told: Told) -> list[list[str]]:
    rows = []
    for task in told["tasks"]:
        for row in task["models"]:
            found = row["success"]
            rows.append(
                [
                    task["task_type"], row["model"] + (" (winner)" if row["model"] == task["winner"] else ""),
                    sentences.percent(found["interval"]["estimate"], 1) if found else UNKNOWN,
                    _interval(found["interval"]) if found else UNKNOWN, f"{found['n']:,}" if found else "0", f"{row['attempts']:,}",
                    UNKNOWN if row["total_p95_ms"] is None else f"{row['total_p95_ms']:,.0f} ms", f"${row['cost_usd']}",
                ]
            )  # fmt: skip
    return rows


def _force_rows(told: Told) -> list[list[str]]:
    rows = []
    for one in told["in_force"]:
        predicted, realised = one["predicted"], one["realised"]
        rows.append(
            [
                str(one["proposal"]), one["task_type"], _change(one) + (", reverted" if one["reverted"] else ""),
                sentences.percent(predicted["estimate"], 1) if predicted else UNKNOWN,
                sentences.percent(realised["interval"]["estimate"], 1) if realised else UNKNOWN,
                f"{realised['n']:,}" if realised else "0",
            ]
        )  # fmt: skip
    return rows


def _change(one: Told) -> str:
    return f"{sentences.slug_of(one['from'])} → {sentences.slug_of(one['to'])}"


def _interval(found: Told) -> str:
    return f"{sentences.percent(found['low'], 1)} to {sentences.percent(found['high'], 1)}"


def as_csv(told: Told) -> str:
    """One row a task type and model. What is unknown is empty; no cell is a live formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for task in told["tasks"]:
        for row in task["models"]:
            writer.writerow(_cell(value) for value in _values(told["week"], task["task_type"], row))
    return text.getvalue()


def _values(week: str, task_type: str, row: Told) -> list[Any]:
    success, answered = row["success"], row["availability"]
    interval = success["interval"] if success else {}
    head = [week, task_type, row["model"], int(row["simulated"]), row["attempts"]]
    rates = [
        answered and answered["interval"]["estimate"], success["n"] if success else 0, success["successes"] if success else 0,
        *(interval.get(side) for side in ("estimate", "low", "high")),
    ]  # fmt: skip
    times = [row[name] for name in ("ttft_p50_ms", "ttft_p95_ms", "total_p50_ms", "total_p95_ms")]
    return head + rates + times + [row[name] for name in COLUMNS[-4:]]


def _cell(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else defused(value)
