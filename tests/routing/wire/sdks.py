"""The vendors' own clients, over a transport in memory that answers each request with given bytes."""

import json
from typing import Any

import anthropic
import httpx2
import openai


def _transport(raw: bytes, status: int, kind: str) -> httpx2.Client:
    def respond(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, content=raw, headers={"content-type": kind}, request=request)

    return httpx2.Client(transport=httpx2.MockTransport(respond))


def openai_client(body: bytes | dict[str, Any], status: int = 200) -> openai.OpenAI:
    raw, kind = _told(body)
    return openai.OpenAI(
        api_key="ck", base_url="http://cortex/v1", http_client=_transport(raw, status, kind), max_retries=0
    )


def anthropic_client(body: bytes | dict[str, Any], status: int = 200) -> anthropic.Anthropic:
    raw, kind = _told(body)
    return anthropic.Anthropic(
        api_key="ck", base_url="http://cortex", http_client=_transport(raw, status, kind), max_retries=0
    )


def _told(body: bytes | dict[str, Any]) -> tuple[bytes, str]:
    """A dict is a whole answer, bytes are a stream."""
    if isinstance(body, bytes):
        return body, "text/event-stream"
    return json.dumps(body).encode(), "application/json"
