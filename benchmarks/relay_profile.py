"""Where a relayed call's CPU goes, inside one process and without its server: microseconds, calls of Python functions, and the share of each module.

    python -m benchmarks.relay_profile --out benchmarks/results/relay_profile.json

The microseconds are the least of many windows of a hundred calls, measured without the profiler; the shares are of a run under it.
"""

import argparse
import asyncio
import cProfile
import gc
import json
import pstats
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.dispatch import RELAY, ROOT, free_port, own_world, process, publish, wait_for
from benchmarks.machine import MACHINE

WINDOW, PROFILED, SECONDS = 100, 1000, 8.0
PATH = "/v1/chat/completions"
SHOWN = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/relay_profile.json")
    out: Path = parser.parse_args().out
    upstream, told = free_port(), {}
    with own_world(), process("-m", "benchmarks.upstream", str(upstream)):
        wait_for(upstream)
        for name, (body, suffix) in RELAY.items():
            key = publish("openai_compatible", f"http://127.0.0.1:{upstream}{suffix}")
            know_the_table()
            told[name] = uvloop.run(profiled(json.dumps(body).encode(), key))
    text = json.dumps({"machine": MACHINE, "calls": told}, indent=2) + "\n"
    out.write_text(text)
    sys.stdout.write(text)


def know_the_table() -> None:
    from routing import snapshot

    snapshot.load_now()


async def profiled(body: bytes, key: str) -> dict[str, Any]:
    from routing.providers.registry import close_all

    for _ in range(3 * WINDOW):
        await call(body, key)
    gc.collect()
    gc.freeze()
    least, until = float("inf"), time.monotonic() + SECONDS
    while time.monotonic() < until:
        begun = time.thread_time()
        for _ in range(WINDOW):
            await call(body, key)
        least = min(least, (time.thread_time() - begun) / WINDOW)
    profile = cProfile.Profile(time.thread_time)
    profile.enable()
    for _ in range(PROFILED):
        await call(body, key)
    profile.disable()
    await close_all()
    functions: Mapping[Any, Any] = pstats.Stats(profile).stats  # type: ignore[attr-defined]  # what pstats is made of
    seconds: dict[str, float] = defaultdict(float)
    for (file, _, name), (_, _, own, _, _) in functions.items():
        seconds[name if file == "~" else _module(file)] += own
    whole = sum(seconds.values())
    shares = sorted(seconds.items(), key=lambda each: -each[1])[:SHOWN]
    return {
        "us_a_call": round(least * 1e6),
        "function_calls_a_call": round(sum(made for _, made, *_ in functions.values()) / PROFILED),
        "percent": {name: round(100 * own / whole, 1) for name, own in shares},
    }


async def call(body: bytes, key: str) -> None:
    """One call through the application, as a server would bring it."""
    from cortex.asgi import application

    waiting, told = [body], []

    async def receive() -> dict[str, Any]:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]  # the client stays

    async def send(message: Mapping[str, Any]) -> None:
        told.append(message)

    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"x-cortex-key", key.encode()),
    ]
    scope = {
        "type": "http",
        "method": "POST",
        "path": PATH,
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
    }
    await application(scope, receive, send)
    if told[0]["status"] != 200:
        raise RuntimeError(str(told))


def _module(file: str) -> str:
    if "site-packages/" in file:
        return file.rpartition("site-packages/")[2]
    return file.removeprefix(f"{ROOT}/") if file.startswith(f"{ROOT}/") else Path(file).name


if __name__ == "__main__":
    main()
