"""A provider on loopback that speaks OpenAI's chat completions and responses and Anthropic's messages, and breaks as it is told.

Raw asyncio, so that a fault is exactly the bytes it is: nothing repairs, completes or closes on its own.
"""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.doubles.script import Act, act_from, answer
from tests.doubles.wires import answer_body, error_body, events

FAULTS = (
    *("stall", "stall_before_headers", "disconnect", "disconnect_before_headers"),
    *("malformed", "cut", "no_finish", "empty", "error"),
)


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: Any  # parsed JSON; None without one
    raw: bytes = field(default=b"", repr=False)

    def as_json(self) -> dict[str, Any]:
        return {"method": self.method, "path": self.path, "headers": self.headers, "body": self.body}


@dataclass
class Double:
    """A running double. `script` may be extended at any time; `requests` grows with each request but the double's own."""

    script: deque[Act] = field(default_factory=deque)  # one for each request, in order
    then: Act = field(default_factory=answer)  # for every request after them
    requests: list[Seen] = field(default_factory=list)
    serves: tuple[str, ...] = ("double-1",)  # what it lists as its models
    connections: set[asyncio.Task[None]] = field(default_factory=set)  # open now
    cancelled: int = 0  # requests whose client went away before the answer was complete
    busy: int = 0  # requests that are not answered yet
    busiest: int = 0  # the most there ever were
    port: int = 0
    _server: asyncio.Server | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def openai(self) -> str:
        """base_url for an OpenAI or compatible provider."""
        return f"{self.url}/v1"

    @property
    def anthropic(self) -> str:
        """base_url for an Anthropic provider."""
        return self.url

    @property
    def bodies(self) -> list[Any]:
        return [seen.body for seen in self.requests]

    def will(self, *acts: Act, then: Act | None = None) -> None:
        self.script.extend(acts)
        self.then = then or self.then

    async def until(self, holds: Callable[[], bool]) -> None:
        """Returns when `holds()` does, asked again at each request, each lost client and each closed connection."""
        while not holds():
            self._changed.clear()
            await asyncio.wait_for(self._changed.wait(), 5)

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in self.connections:
            connection.cancel()
        await asyncio.gather(*self.connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.connections.add(task)
        try:
            while await self._serve(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            self.cancelled += 1
        except asyncio.CancelledError:
            pass  # the double stops; a task that ends cancelled would be reported by asyncio's streams
        finally:
            self.connections.discard(task)
            self._changed.set()
            writer.transport.abort() if writer.transport.is_closing() else writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request. True when the connection may carry another."""
        seen = await _request(reader)
        if seen is None:
            return False
        if seen.path.startswith("/_double/"):
            return _write(writer, 200, self._control(seen))
        self.requests.append(seen)
        self._changed.set()
        self.busy += 1
        self.busiest = max(self.busy, self.busiest)
        try:
            return await self._play(seen, reader, writer)
        finally:
            self.busy -= 1

    async def _play(self, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        act = self.script.popleft() if self.script else self.then
        if act.fault == "stall_before_headers":
            return await self._stall(reader)
        if act.fault == "disconnect_before_headers":
            return False
        if act.delay_s:
            await asyncio.sleep(act.delay_s)
        if act.status == 200 and isinstance(seen.body, dict) and seen.body.get("stream"):
            return await self._stream(seen, act, reader, writer)
        return await self._whole(seen, act, reader, writer)

    async def _whole(self, seen: Seen, act: Act, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if 300 <= act.status < 400:
            return _write(writer, act.status, b"", act.headers)
        raw = _payload(seen, act, self.serves)
        if act.fault not in ("stall", "disconnect"):
            return _write(writer, act.status, raw, act.headers)
        _write(writer, act.status, raw[: act.after], act.headers, length=len(raw))
        await writer.drain()
        return await self._stall(reader) if act.fault == "stall" else False

    async def _stream(self, seen: Seen, act: Act, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(_head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"} | act.headers))
        for number, event in enumerate(events(seen.path, seen.body.get("model", ""), act)):
            if act.fault in FAULTS and act.fault not in ("no_finish", "empty") and number == act.after:
                await writer.drain()
                match act.fault:
                    case "stall":
                        return await self._stall(reader)
                    case "disconnect":
                        return False
                    case "cut":
                        break
                    case "malformed":
                        event = b'data: {"no json\n\n'
            if act.pace_s and number:
                await writer.drain()
                await asyncio.sleep(act.pace_s)
            writer.write(b"%x\r\n%s\r\n" % (len(event), event))
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    async def _stall(self, reader: asyncio.StreamReader) -> bool:
        """Until the client gives up, or the double stops."""
        await reader.read(1)
        self.cancelled += 1
        self._changed.set()
        return False

    def _control(self, seen: Seen) -> bytes:
        """POST /_double/script {"acts": […], "then": …}; GET /_double/requests: how a double in another process is told and asked."""
        if seen.path == "/_double/script":
            then = seen.body.get("then")
            self.will(*map(act_from, seen.body.get("acts", ())), then=act_from(then) if then else None)
        return json.dumps({"requests": [each.as_json() for each in self.requests]}).encode()


def double(acts: Iterable[Act] = (), then: Act | None = None) -> Double:
    return Double(deque(acts), then or answer())


def _payload(seen: Seen, act: Act, serves: Iterable[str]) -> bytes:
    model = seen.body.get("model", "") if isinstance(seen.body, dict) else ""
    if act.status >= 400 or act.fault == "error":
        return json.dumps(error_body(seen.path, act)).encode()
    if seen.method == "GET" and act.fault != "malformed":  # discovery, ping
        return json.dumps({"object": "list", "data": [{"id": each, "object": "model"} for each in serves]}).encode()
    body = answer_body(seen.path, model, act)
    match act.fault:
        case "malformed":
            return b"<html>Bad gateway</html>"
        case "cut":
            return json.dumps(body).encode()[:-40]
        case "no_finish":
            body |= _without_an_end(body)
        case "empty":
            body |= {"choices": []} if "choices" in body else {"content": None, "output": None}
    return json.dumps(body).encode()


def _without_an_end(body: dict[str, Any]) -> dict[str, Any]:
    if "choices" in body:
        return {"choices": [body["choices"][0] | {"finish_reason": None}]}
    return {"status": None} if "output" in body else {"stop_reason": None}


async def _request(reader: asyncio.StreamReader) -> Seen | None:
    """The next request; None when the client has closed an idle connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    first, *lines = head.decode("latin-1").rstrip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.strip().lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
    raw = await reader.readexactly(int(headers.get("content-length", "0")))
    return Seen(method, path, headers, json.loads(raw) if raw else None, raw)


def _write(
    writer: asyncio.StreamWriter,
    status: int,
    raw: bytes,
    headers: dict[str, str] | None = None,
    length: int | None = None,
) -> bool:
    size = str(len(raw) if length is None else length)
    writer.write(_head(status, {"content-type": "application/json", "content-length": size} | (headers or {})) + raw)
    return True


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} Double\r\nx-request-id: req_double\r\nrequest-id: req_double\r\n{lines}\r\n".encode()
