"""Load on one HTTP address over kept connections. `python -m benchmarks.load` runs one round in a process of its own and prints JSON."""

import asyncio
import json
import statistics
import sys
import time
from typing import Any

import httptools
import uvloop


class Connection(asyncio.Protocol):
    """Sends the same request again and again; `ask` returns the seconds until the whole answer was there."""

    def __init__(self, request: bytes) -> None:
        self.request = request
        self.done: asyncio.Future[int] | None = None
        self.heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.parser = httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def connection_lost(self, error: Exception | None) -> None:
        if self.done is not None and not self.done.done():
            self.done.set_exception(error or ConnectionError("closed"))

    def on_body(self, data: bytes) -> None:
        self.heard = self.heard or data

    def on_message_complete(self) -> None:
        status = self.parser.get_status_code()
        self.parser = httptools.HttpResponseParser(self)
        if self.done is not None and not self.done.done():
            self.done.set_result(status)

    async def ask(self) -> float:
        begun = time.perf_counter()
        self.done = asyncio.get_running_loop().create_future()
        self.heard = b""
        self.transport.write(self.request)  # type: ignore[attr-defined]  # a TCP transport
        status = await self.done
        if status != 200:
            raise RuntimeError(f"answered {status}: {self.heard[:300]!r}")
        return time.perf_counter() - begun


def as_request(port: int, path: str, headers: dict[str, str], body: object) -> bytes:
    content = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(content)}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


async def _open(port: int, request: bytes) -> Connection:
    _, connection = await asyncio.get_running_loop().create_connection(lambda: Connection(request), "127.0.0.1", port)
    return connection


async def closed(port: int, request: bytes, connections: int, seconds: float) -> list[float]:
    """As many as will go: each connection asks again as soon as it was answered."""
    end = time.perf_counter() + seconds

    async def one() -> list[float]:
        connection, took = await _open(port, request), []
        while time.perf_counter() < end:
            took.append(await connection.ask())
        return took

    return [each for taken in await asyncio.gather(*(one() for _ in range(connections))) for each in taken]


async def paced(port: int, request: bytes, per_s: float, seconds: float) -> list[float]:
    """So many a second, whatever the answers take; latency counts from when each was due."""
    idle: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(16):
        idle.put_nowait(await _open(port, request))
    begun = time.perf_counter()

    async def one(place: int) -> float:
        due = begun + place / per_s
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        connection = await idle.get()
        await connection.ask()
        idle.put_nowait(connection)
        return time.perf_counter() - due

    return list(await asyncio.gather(*(one(place) for place in range(int(per_s * seconds)))))


def measured(order: dict[str, Any]) -> dict[str, float]:
    """How many calls were answered, and how long they took."""
    request = as_request(order["port"], order["path"], order["headers"], order["body"])
    if order["kind"] == "closed":
        took = uvloop.run(closed(order["port"], request, order["connections"], order["seconds"]))
    else:
        took = uvloop.run(paced(order["port"], request, order["per_s"], order["seconds"]))
    took.sort()
    return {
        "calls": len(took),
        "p50_ms": round(statistics.median(took) * 1000, 2),
        "p99_ms": round(took[int(len(took) * 0.99)] * 1000, 2),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measured(json.load(sys.stdin))))
