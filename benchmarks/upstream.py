"""An upstream that answers at once, always the same: OpenAI chat, under /stream/ as a stream, and Anthropic messages.

python -m benchmarks.upstream PORT [FILE WITH KEY AND CERTIFICATE]
"""

import asyncio
import json
import sys
from pathlib import Path

import httptools
import uvloop

from benchmarks.certificates import serving

CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "bench",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "four"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 12, "completion_tokens": 1, "total_tokens": 13},
}
MESSAGES = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "bench",
    "content": [{"type": "text", "text": "four"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 12, "output_tokens": 1},
}


def _response(body: object) -> bytes:
    content = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        len(content),
        content,
    )


def _stream(chunks: int) -> bytes:
    """A streamed completion of so many chunks with content, each an HTTP chunk of its own."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "bench"}
    told = [
        head | {"choices": [{"index": 0, "delta": {"content": "four "}, "finish_reason": None}]} for _ in range(chunks)
    ]
    told.append(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    told.append(head | {"choices": [], "usage": CHAT["usage"]})
    events = [b"data: %b\n\n" % json.dumps(each).encode() for each in told] + [b"data: [DONE]\n\n"]
    sent = b"".join(b"%x\r\n%b\r\n" % (len(event), event) for event in events)
    return b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n%b0\r\n\r\n" % sent


ANSWERS = {
    b"/v1/chat/completions": _response(CHAT),
    b"/v1/messages": _response(MESSAGES),
    b"/stream/v1/chat/completions": _stream(20),
}


class Upstream(asyncio.Protocol):
    """One connection: whatever is posted gets its path's answer as soon as it is whole."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.parser = httptools.HttpRequestParser(self)
        self.url = b""

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.url = b""

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_message_complete(self) -> None:
        answer = ANSWERS.get(self.url, b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
        self.transport.write(answer)  # type: ignore[attr-defined]  # a TCP transport


async def serve(port: int, certificate: Path | None) -> None:
    tls = serving(certificate) if certificate else None
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port, ssl=tls)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None))
