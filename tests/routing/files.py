"""Files to import, written the short way."""

import csv
import io
import itertools
from typing import Any

from routing.imports import Imported, load
from routing.imports.columns import ALL, COLUMNS

_numbers = itertools.count(1)
USUAL = {
    "ts": "2026-11-20T10:00:00Z",
    "task_type": "triage",
    "provider": "acme",
    "model": "small",
    "role": "primary",
    "propensity": "0.9",
    "input_tokens": "900",
    "output_tokens": "100",
    "ttft_ms": "",
    "total_ms": "1200",
    "success": "1",
    "cost_usd": "0.0015",
    "attempt": "1",
}


def row(**changes: Any) -> dict[str, Any]:
    """A line of triage by acme's small model, with a request_id of its own."""
    return {**USUAL, "request_id": f"r{next(_numbers)}", **changes}


def csv_of(*lines: dict[str, Any]) -> bytes:
    text = io.StringIO()
    names = [name for name in ALL if name in COLUMNS or any(name in line for line in lines)]
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue().encode()


def imported(*lines: dict[str, Any], **options: Any) -> Imported:
    return load(io.BytesIO(csv_of(*lines)), "calls.csv", **options)
