"""A stream's bytes, cut between its events, each looked at no more than it must be."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from routing.providers.errors import malformed
from routing.providers.relay_reading import Reading
from routing.providers.sse import MAX_EVENT_CHARS
from routing.terms.event import Relayed
from routing.terms.fault import Failed, Fault

_BETWEEN = re.compile(rb"\r?\n\r?\n|\r\r")


class Scan:
    """`feed` the bytes as they come, b"" at the end. Held back until the first event with content; then whatever is whole is handed on at once."""

    def __init__(self, reading: Reading, fault_of: Callable[[bytes], Fault], *, drops_usage: bool) -> None:
        self.has_begun = False
        self._reading, self._fault_of, self._drops_usage = reading, fault_of, drops_usage
        self._tail = b""  # of an event that is not whole yet
        self._held: list[bytes] = []
        self._frame = 0  # bytes of an event that are not content; measured once

    def feed(self, data: bytes) -> Relayed | None:
        """What may be handed on now. Raises Failed for an event that is an error or none at all."""
        is_last = not data
        data = self._tail + data if self._tail else data
        if is_last:
            self._reading.is_over = True
            data += b"\n\n" if data else b""  # some servers leave the last empty line out
        at, written, passed = 0, 0, self._held
        for found in _BETWEEN.finditer(data):
            event = data[at : found.end()]
            at = found.end()
            length = self._length(event)
            if length is not None:
                passed.append(event)
                written += length
        self._tail = data[at:]
        if len(self._tail) > MAX_EVENT_CHARS or (not self.has_begun and sum(map(len, passed)) > MAX_EVENT_CHARS):
            raise malformed(f"an event is longer than {MAX_EVENT_CHARS:,} characters")
        if not (passed and (self.has_begun or self._reading.is_over)):
            return None
        self._held = []
        return Relayed(b"".join(passed), written)

    def _length(self, event: bytes) -> int | None:
        """Characters of content in the event; None for one that is not the client's."""
        data = b"\n".join(line[5:].strip() for line in event.splitlines() if line.startswith(b"data:"))
        if not data:
            return 0
        reading = self._reading
        if data == b"[DONE]":
            reading.is_over = True
            return 0
        if self.has_begun and not reading.telling.search(data):
            if not (data.startswith(b"{") and data.endswith(b"}")):
                raise malformed("an event of the stream is no JSON object")
            return max(len(data) - self._frame, 1)
        reading.tell(self._parsed(data))
        if reading.is_usage_alone and self._drops_usage:
            return None
        if reading.content is None:
            return 0
        if not self.has_begun:
            self.has_begun = True
            self._frame = len(data) - reading.content
        return reading.content

    def _parsed(self, data: bytes) -> Mapping[str, Any]:
        try:
            event = json.loads(data)
        except (ValueError, RecursionError):
            raise malformed("an event of the stream is no JSON") from None
        if not isinstance(event, dict):
            raise malformed("an event of the stream is no JSON object")
        response = event.get("response")
        if event.get("error") or event.get("type") in ("error", "response.failed"):
            error = response if isinstance(response, dict) and response.get("error") else None
            raise Failed(self._fault_of(json.dumps(error).encode() if error else data))
        return event
