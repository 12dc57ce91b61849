"""`make bench`: every benchmark in a process of its own, results as JSON in benchmarks/results and a table at the end."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
BENCHMARKS = ("dispatch", "relay_profile", "peers", "http1", "ingest", "nightly", "evidence")


def main() -> None:
    names = sys.argv[1:] or BENCHMARKS
    failed = [name for name in names if not ran(name)]
    for name in names:
        path = RESULTS / f"{name}.json"
        for line in lines(json.loads(path.read_text()), name) if path.exists() else ():
            sys.stdout.write(line + "\n")
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}.")


def ran(name: str) -> bool:
    command = (sys.executable, "-m", f"benchmarks.{name}", "--out", str(RESULTS / f"{name}.json"))
    return subprocess.run(command, stdout=subprocess.DEVNULL).returncode == 0


def lines(value: Any, path: str) -> Iterator[str]:
    """One line a figure: its path in the result, and the figure."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from lines(part, f"{path} · {name}")
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from lines(part, f"{path} · {place}")
    else:
        yield f"{path:<70} {value}"


if __name__ == "__main__":
    main()
