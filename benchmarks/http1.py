"""CPU a call of the relay's HTTP client beside that of the SDKs (httpx2), over plain TCP and over TLS, on loopback and uvloop.

The bytes that are asked and answered are the same. Rounds of both take turns in one process, so that the neighbours' load meets both;
each round is a number of calls one after another over a kept connection, and its figure the process's own CPU by the call. The upstream
is another process.

    python -m benchmarks.http1 --out benchmarks/results/http1.json
"""

import argparse
import asyncio
import json
import os
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.certificates import Authority
from benchmarks.dispatch import ROOT, free_port, process
from benchmarks.machine import MACHINE

CALLS, ROUNDS = 100, 9
SIZES = {"400 bytes": 400, "120 KB": 120_000}
HEADERS = [
    ("content-type", "application/json"),
    ("accept-encoding", "identity"),
    ("user-agent", "cortex"),
    ("authorization", "Bearer sk-bench"),
]
PATHS = {"one answer": "/v1/chat/completions", "stream of 20 chunks": "/stream/v1/chat/completions"}
UNTIL_S = 30.0
Call = Callable[[str, str, bytes], Awaitable[int]]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/http1.json")
    out: Path = arguments.parse_args().out
    busy = round(os.getloadavg()[0], 1)  # a busy machine makes every call dearer: compare within one run
    result = {"machine": MACHINE, "load_before": busy, "cpu_us_a_call": measured()}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2) + "\n")
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


def measured() -> dict[str, Any]:
    told: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority()
        certificate = authority.issue("localhost", into=Path(folder))
        for scheme, more in (("http", ()), ("https", (str(certificate),))):
            port = free_port()
            with process("-m", "benchmarks.upstream", str(port), *more):
                told[scheme] = uvloop.run(compared(f"{scheme}://localhost:{port}", authority.trusted()))
    return told


async def compared(base_url: str, trusted: ssl.SSLContext) -> dict[str, Any]:
    """Microseconds of CPU a call: the median of the rounds, by kind of answer and size of the request."""
    from routing.providers import http1_pool, pool

    for each in (pool, http1_pool):
        setattr(each, "tls", lambda: trusted)  # noqa: B010 - the upstream's certificate is our own
    clients = {"http1": http1(), "httpx2": httpx2()}
    await answered(clients["http1"], base_url)
    told: dict[str, Any] = {}
    for kind, path in PATHS.items():
        for size, length in SIZES.items():
            taken: dict[str, list[float]] = {name: [] for name in clients}
            for _ in range(ROUNDS):
                for name, call in clients.items():
                    taken[name].append(await cpu_us(call, base_url, path, b"x" * length))
            told[f"{kind}, {size}"] = {name: round(statistics.median(each), 1) for name, each in taken.items()}
    await pool.close_all()
    await http1_pool.close_all()
    return told


async def cpu_us(call: Call, base_url: str, path: str, body: bytes) -> float:
    await call(base_url, path, body)
    begun = time.process_time()
    for _ in range(CALLS):
        await call(base_url, path, body)
    return (time.process_time() - begun) / CALLS * 1e6


def http1() -> Call:
    from routing.providers.base import Endpoint
    from routing.providers.http1_head import head_of
    from routing.providers.http1_pool import connection, upstream
    from routing.terms.words import ProviderKind

    endpoint = Endpoint(ProviderKind.OPENAI, "bench", "bench", None, None, None)

    async def call(base_url: str, path: str, body: bytes) -> int:
        to = upstream(base_url)
        until = asyncio.get_running_loop().time() + UNTIL_S
        head = head_of(path, to.named, HEADERS, len(body))
        response = await (await connection(to, endpoint.address, UNTIL_S)).ask(head, body, until)
        size = 0
        while data := await response.some(until):
            size += len(data)
        response.close()
        return size

    return call


def httpx2() -> Call:
    from routing.providers.pool import http_client

    client = http_client(None)

    async def call(base_url: str, path: str, body: bytes) -> int:
        size = 0
        async with client.stream("POST", base_url + path, content=body, headers=HEADERS, timeout=UNTIL_S) as response:
            async for data in response.aiter_raw():
                size += len(data)
        return size

    return call


async def answered(call: Call, base_url: str) -> None:
    """Until the upstream listens."""
    for _ in range(200):
        try:
            await call(base_url, PATHS["one answer"], b"{}")
            return
        except OSError:
            await asyncio.sleep(0.05)
    raise RuntimeError(f"nobody answers at {base_url}")


if __name__ == "__main__":
    main()
