"""Cortex beside its peers, in one run: the same upstream, bodies and load, one worker each, rounds taken in turn. Recording is on for Cortex alone.

python -m benchmarks.peers --out benchmarks/results/peers.json [--rounds 3] [--seconds 2] [--only "nginx;LiteLLM"]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.dispatch import (
    LONG,
    RELAYED,
    ROOT,
    cpu_s,
    free_port,
    load,
    own_world,
    process,
    rss_mb,
    wait_for,
)
from benchmarks.machine import MACHINE
from benchmarks.systems import SYSTEMS, System, native

CONNECTIONS = 16
# (name, body, whether it is streamed)
LOADS: tuple[tuple[str, dict[str, Any], bool], ...] = (
    ("400 bytes", RELAYED, False),
    ("120 KB", LONG, False),
    ("stream of 20 chunks", RELAYED, True),
)
VERSIONS = {"LiteLLM": "1.106.2", "Portkey": "1.15.2", "TensorZero": "2026.6.0"}
# What the targets speak of: (name, ours, peer, measure, load, least ratio or most ratio).
TARGETS = (
    ("relay req/s over LiteLLM's", "Cortex, relay", "LiteLLM", "req_s", "400 bytes", 50.0),
    ("relay req/s over LiteLLM's, 120 KB", "Cortex, relay", "LiteLLM", "req_s", "120 KB", 50.0),
    ("relay req/s over Portkey's", "Cortex, relay", "Portkey", "req_s", "400 bytes", 5.0),
    ("relay req/s over Portkey's, 120 KB", "Cortex, relay", "Portkey", "req_s", "120 KB", 5.0),
    ("relay req/s over TensorZero's", "Cortex, relay", "TensorZero", "req_s", "400 bytes", 0.6),
    ("relay req/s over TensorZero's, 120 KB", "Cortex, relay", "TensorZero", "req_s", "120 KB", 0.6),
    ("native req/s over LiteLLM's", "Cortex, native", "LiteLLM", "req_s", "400 bytes", 4.0),
)
MOST = (
    ("relay CPU a call over nginx's", "Cortex, relay", "nginx", "cpu_ms", "400 bytes", 16.0),
    ("relay CPU a call over nginx's, 120 KB", "Cortex, relay", "nginx", "cpu_ms", "120 KB", 16.0),
)


class Unserved(Exception):
    """A system does not answer this load with 200; in its words."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/peers.json")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--only", default="", help="names of systems, with semicolons between")
    asked = parser.parse_args()
    only = asked.only.split(";") if asked.only else list(SYSTEMS)
    names = [name for name in SYSTEMS if name in only]
    with own_world():
        result = compared(names, asked.rounds, asked.seconds)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(result, indent=2) + "\n")
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


def compared(names: list[str], rounds: int, seconds: float) -> dict[str, Any]:
    upstream = free_port()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cortex-peers-")))
        stack.enter_context(process("-m", "benchmarks.upstream", str(upstream)))
        wait_for(upstream)
        systems: dict[str, System] = {}
        missing = []
        for name in names:
            place = folder / name.replace(", ", "-")
            place.mkdir()
            started = stack.enter_context(SYSTEMS[name](upstream, place))
            if started is None:
                missing.append(name)
            else:
                systems[name] = started
            if name == "Cortex, relay" and started is not None:
                systems["Cortex, native"] = native(started)
        measured = in_turn(systems, rounds, seconds)
    return {
        "machine": MACHINE,
        "load_before": round(os.getloadavg()[0], 1),
        "versions": VERSIONS,
        "not_installed": missing,
        "systems": measured,
        "ratios": list(ratios(measured)),
    }


def in_turn(systems: dict[str, System], rounds: int, seconds: float) -> dict[str, Any]:
    """Medians over the rounds; in each, every system has its turn at every load."""
    seen: dict[str, dict[str, dict[str, list[float]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    refused: dict[tuple[str, str], str] = {}
    for number in range(rounds + 1):
        for name, system in systems.items():
            for label, body, streams in LOADS:
                if (name, label) in refused:
                    continue
                try:
                    told = asked(system, body, streams, seconds if number else 1.0)
                except Unserved as error:
                    refused[name, label] = str(error)
                    continue
                if number:  # the first round warms up
                    for measure, value in told.items():
                        seen[name][label][measure].append(value)
    measured: dict[str, Any] = {}
    for name, system in systems.items():
        measured[name] = {
            label: {measure: round(statistics.median(values), 4) for measure, values in of_load.items()}
            for label, of_load in seen[name].items()
        }
        measured[name] |= {label: {"refused": said} for (of, label), said in refused.items() if of == name}
        measured[name] |= {"paced, 50 req/s": calm(system)}
        if system.pid:
            measured[name]["rss_mb"] = sum(rss_mb(pid) for pid in serving(system))
    for name in measured:
        if "direct" in measured and name != "direct":
            base, own = measured["direct"]["paced, 50 req/s"], measured[name]["paced, 50 req/s"]
            own |= {f"added_{each}": round(own[each] - base[each], 2) for each in ("p50_ms", "p99_ms")}
    return measured


def asked(system: System, body: dict[str, Any], streams: bool, seconds: float) -> dict[str, float]:
    order = order_of(system, body, streams) | {"kind": "closed", "connections": CONNECTIONS, "seconds": seconds}
    before = sum(cpu_s(pid) for pid in serving(system))
    try:
        told = load(order)
    except subprocess.CalledProcessError as error:
        last = error.stderr.strip().splitlines()[-1] if error.stderr else ""
        raise Unserved(last) from None
    cpu = sum(cpu_s(pid) for pid in serving(system)) - before
    result = {"req_s": told["calls"] / seconds, "p99_ms": told["p99_ms"]}
    return result | ({"cpu_ms": cpu * 1000 / told["calls"]} if system.pid else {})


def calm(system: System) -> dict[str, float]:
    """Latency at 50 calls a second, which nothing here is busy at."""
    told = load(order_of(system, RELAYED, streams=False) | {"kind": "paced", "per_s": 50, "seconds": 10.0})
    return {name: told[name] for name in ("p50_ms", "p99_ms")}


def order_of(system: System, body: dict[str, Any], streams: bool) -> dict[str, Any]:
    model = (system.stream_model or system.model) if streams else system.model
    if system.is_native:
        said = [turn for turn in body["messages"] if turn["role"] == "user"]
        first = [turn["content"] for turn in body["messages"] if turn["role"] == "system"]
        sent = {"task_type": model, "messages": said, "max_tokens": body["max_tokens"]}
        sent |= {"system": first[0]} if first else {}
    else:
        sent = {**body, "model": model}
    headers = system.headers if not streams or system.stream_headers is None else system.stream_headers
    path = system.stream_path if streams else system.path
    return {
        "port": system.port,
        "path": path,
        "headers": dict(headers),
        "body": sent | ({"stream": True} if streams else {}),
    }


def serving(system: System) -> Iterator[int]:
    """The processes that serve: of Cortex the worker alone (its drainer is told apart), of a peer all that it started."""
    if not system.pid:
        return
    waiting = [system.pid]
    while waiting:
        pid = waiting.pop()
        try:
            waiting += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")
        except OSError:
            continue
        if system.serving in words:
            yield pid


def ratios(measured: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for rows, is_least in ((TARGETS, True), (MOST, False)):
        for name, ours, peer, measure, label, bar in rows:
            if ours not in measured or peer not in measured:
                continue
            ratio = measured[ours][label][measure] / measured[peer][label][measure]
            met = ratio >= bar if is_least else ratio <= bar
            yield {"what": name, "ratio": round(ratio, 2), "at least" if is_least else "at most": bar, "met": met}


if __name__ == "__main__":
    main()
