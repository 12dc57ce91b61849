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
from routing.terms.raw import decoded

_BETWEEN = re.compile(rb"\r?\n\r?\n|\r\r")
SEAM_BYTES = 3  # of what is there already may be the beginning of such an end


class Scan:
    """`feed` the bytes as they come, b"" at the end. Held back until the first event with content; then whatever is whole is handed on at once."""

    def __init__(self, reading: Reading, fault_of: Callable[[bytes], Fault], *, drops_usage: bool) -> None:
        self.has_begun = False
        self._reading, self._fault_of, self._drops_usage = reading, fault_of, drops_usage
        self._tail = bytearray()  # of an event that is not whole yet
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._frame = 0  # bytes of an event that are not content; measured once

    def feed(self, data: bytes) -> Relayed | None:
        """What may be handed on now. Raises Failed for an event that is an error or none at all."""
        is_last = not data
        if self._tail:
            if not is_last and not _ends(
                self._tail[-SEAM_BYTES:] + data
            ):  # what has been searched is not searched again
                self._tail += data
                self._bound()
                return None
            data = bytes(self._tail + data)
        if is_last:
            self._reading.is_over = True
            data += b"\n\n" if data else b""  # some servers leave the last empty line out
        at, written, passed, may_be_quiet = 0, 0, self._held, True
        while True:
            if self.has_begun and may_be_quiet:
                end, length = self._quiet(data, at)
                may_be_quiet = end > at
                if may_be_quiet:
                    passed.append(data[at:end])
                    written += length
                    at = end
            found = _BETWEEN.search(data, at)
            if found is None:
                break
            event, at = data[at : found.end()], found.end()
            told = self._length(event)
            if told is not None:
                passed.append(event)
                written += told
        self._tail = bytearray(data[at:])
        self._held_bytes += 0 if self.has_begun else at
        self._bound()
        if not (passed and (self.has_begun or self._reading.is_over)):
            return None
        self._held = []
        return Relayed(b"".join(passed), written)

    def _bound(self) -> None:
        """Raises Failed where more waits for an event's end, or for the first content, than any answer needs."""
        if len(self._tail) > MAX_EVENT_CHARS or (not self.has_begun and self._held_bytes > MAX_EVENT_CHARS):
            raise malformed(f"an event is longer than {MAX_EVENT_CHARS:,} characters")

    def _quiet(self, data: bytes, at: int) -> tuple[int, int]:
        """(where the events that have content alone end, its characters), told by all of them at once; (at, 0) where that cannot be told."""
        telling = self._reading.telling.search(data, at)
        end = data.rfind(b"\n\n", at, telling.start() if telling else len(data)) + 2
        if end <= at + 1:
            return at, 0
        run = data[at:end]
        events = run.count(b"\n\n")
        if run.count(b"}\n\n") != events or run.count(b"data: {") != events:
            return at, 0
        frames = events * (self._frame + len(b"data: \n\n"))
        return end, max(len(run) - frames, events)

    def _length(self, event: bytes) -> int | None:
        """Characters of content in the event; None for one that is not the client's."""
        if event.startswith(b"data: {") and event.count(b"\n") == 2:
            data = event[6:].strip()
        else:
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
            event = decoded(data)
        except (ValueError, RecursionError):
            raise malformed("an event of the stream is no JSON") from None
        if not isinstance(event, dict):
            raise malformed("an event of the stream is no JSON object")
        response = event.get("response")
        if event.get("error") or event.get("type") in ("error", "response.failed"):
            error = response if isinstance(response, dict) and response.get("error") else None
            raise Failed(self._fault_of(json.dumps(error).encode() if error else data))
        return event


def _ends(data: bytes | bytearray) -> bool:
    """Whether an event ends there. The pattern takes twenty times as long as to look for what most servers write."""
    return b"\n\n" in data or (b"\r" in data and _BETWEEN.search(data) is not None)
