"""A client that keeps every byte: one POST over a socket, with an Idempotency-Key or without."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.routing.two_providers import BODIES

NATIVE = {"task_type": "talk", "prompt": "Say it.", "max_tokens": 1}
DOORS: dict[str, tuple[str, dict[str, Any]]] = {
    "native": ("/api/v1/dispatch", NATIVE),
    "chat": ("/v1/chat/completions", BODIES["openai_chat"]),
    "responses": ("/v1/responses", BODIES["openai_responses"]),
    "messages": ("/v1/messages", BODIES["anthropic"]),
}


@dataclass(frozen=True)
class Heard:
    status: int
    headers: dict[str, str]  # names in lower case
    content: bytes

    @property
    def is_replayed(self) -> bool:
        return self.headers.get("idempotent-replayed") == "true"

    @property
    def code(self) -> str:
        """Of an error, wherever the wire has put it."""
        error = json.loads(self.content)["error"]
        return str(error.get("code") or error["message"].rpartition("(")[2].rstrip(")"))

    @property
    def lasting(self) -> dict[str, str]:
        """The headers that a replay has too."""
        passing = ("date", "connection", "transfer-encoding", "content-length", "idempotent-replayed")
        return {name: value for name, value in self.headers.items() if name not in passing}


@dataclass(frozen=True)
class Client:
    url: str
    key: str

    def post(self, path: str, body: object, word: str | None = "k-1", timeout: float = 60, **headers: str) -> Heard:
        """Header names are given with underscores."""
        sent = {"Content-Type": "application/json", "X-Cortex-Key": self.key}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        sent |= {} if word is None else {"Idempotency-Key": word}
        wire = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=timeout)
        try:
            wire.request("POST", path, body if isinstance(body, bytes) else json.dumps(body), sent)
            answer = wire.getresponse()
            content = answer.read()
            return Heard(answer.status, {name.lower(): value for name, value in answer.getheaders()}, content)
        finally:
            wire.close()

    def ask(self, door: str, word: str | None = "k-1", more: Mapping[str, Any] | None = None, **headers: str) -> Heard:
        path, body = DOORS[door]
        return self.post(path, {**body, **(more or {})}, word, **headers)
