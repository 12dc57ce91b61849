"""The two real sets that are logs of calls, as files for `calls import`. The third, BFCL, comes through `benchmarks.replay`.

    python -m benchmarks.datasets aider > aider.csv
    python -m benchmarks.datasets llmperf | python manage.py calls import -

Nobody drew a model by chance in either: every row has the role `observed` (served as the client asked) and no propensity, so that none of
them enters a comparison.
"""

import argparse
import csv
import gzip
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

DATA = Path(__file__).parent / "data"
COLUMNS = [
    "ts", "task_type", "provider", "model", "role", "propensity", "input_tokens", "output_tokens", "ttft_ms", "total_ms",
    "success", "cost_usd", "request_id", "attempt", "client", "status", "error_kind",
]  # fmt: skip
Row = dict[str, str]
# The first part of a model's name where it is a gateway or a provider as LiteLLM names them; any other part belongs to the model.
_PREFIXES = frozenset(
    ["anthropic", "bedrock", "cohere_chat", "deepinfra", "deepseek", "fireworks_ai", "gemini", "github", "groq", "lm_studio",
     "mistral", "ollama", "ollama_chat", "openai", "openrouter", "together_ai", "vertex_ai", "xai"]
)  # fmt: skip
_VENDORS = (
    ("claude", "anthropic"),
    ("gemini", "gemini"),
    ("gpt", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
)
_AIDER_ENDS = {  # (status, class of the exception) → (status, kind of error)
    ("ok", ""): ("ok", ""),
    ("no_completion", ""): ("unknown", ""),  # a start without a finish: nobody knows what became of it
    ("exception", "timeout"): ("error", "timeout"),
    ("exception", "notfound"): ("error", "client"),
    ("exception", "keyboardinterrupt"): ("cancelled", "cancelled"),
    ("exception", "other"): ("error", ""),
}
PROBED_FROM = datetime(2024, 1, 1, tzinfo=UTC)  # the set carries no times: its rows stand a minute apart from here


def aider() -> Iterator[Row]:
    """Every call of the Aider trace as it is: its failures, its $9,990 row, its 108 models by the names they had there."""
    for number, row in enumerate(_rows("aider_calls_trace.csv.gz"), 1):
        status, error_kind = _AIDER_ENDS[row["status"], row["error_class"]]
        yield {
            "ts": row["ts_utc"],
            "task_type": row["edit_format"] or "unsaid",
            "provider": _provider_of(row["model"]),
            "model": row["model"],
            "role": "observed",
            "input_tokens": row["input_tokens"],
            "output_tokens": row["output_tokens"],
            "total_ms": _ms(row["elapsed_s"]),
            "cost_usd": row["cost_usd"],
            "request_id": f"aider-{number}",
            "attempt": "1",
            "client": "aider",
            "status": status,
            "error_kind": error_kind,
        }


def llmperf() -> Iterator[Row]:
    """Every probe of the provider latency set. Too short an answer is a failure by the benchmark's own rule, which judges all that answered."""
    for number, row in enumerate(_rows("llmperf_provider_latency.csv.gz")):
        code = row["error_code"]
        refused = code not in ("", "-100.0")
        yield {
            "ts": (PROBED_FROM + timedelta(minutes=number)).isoformat(),
            "task_type": "latency_probe",
            "provider": row["provider"],
            "model": row["model"],
            "role": "observed",
            "input_tokens": row["input_tokens"],
            "output_tokens": row["output_tokens"],
            "ttft_ms": "" if refused else _ms(row["ttft_s"]),
            "total_ms": _ms(row["total_s"]),
            "success": "" if refused else "0" if code else "1",
            "request_id": f"llmperf-{number + 1}",
            "attempt": "1",
            "client": "llmperf",
            "status": "error" if refused else "ok",
            "error_kind": {"429.0": "rate_limit"}.get(code, "server") if refused else "",
        }


def _rows(name: str) -> Iterator[Row]:
    with gzip.open(DATA / name, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _provider_of(model: str) -> str:
    first = model.partition("/")[0]
    if first in _PREFIXES:
        return first
    return next((vendor for start, vendor in _VENDORS if model.startswith(start)), "unsaid")


def _ms(seconds: str) -> str:
    return str(round(float(seconds) * 1000)) if seconds else ""


SETS: dict[str, Callable[[], Iterator[Row]]] = {"aider": aider, "llmperf": llmperf}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", choices=SETS)
    writer = csv.DictWriter(sys.stdout, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(SETS[parser.parse_args().name]())


if __name__ == "__main__":
    main()
