"""A streamed message: one block after another, each begun, grown and ended, and the usage with the stop reason."""

from typing import Any

from routing.terms.event import StreamStart, TextDelta, ThinkingDelta, ToolCallDelta
from routing.terms.request import Answer
from routing.wire import seals, sse
from routing.wire.base import Delta, Told
from routing.wire.messages_output import error_body, message, stop, usage_of

_AT_THE_START = frozenset({"cache_creation", "service_tier"})  # of a usage: no later event has a place for it


class Stream:
    """See `base.Stream`."""

    def __init__(self) -> None:
        self._told = Told("", "", 0)
        self._count = 0  # blocks begun; the last of them is open while `_kind` says what it is
        self._kind = ""
        self._is_signed = False  # the open block of thinking bears a signature
        self._tools: dict[int, int] = {}  # index of a call → of its block

    def start(self, told: Told, begun: StreamStart) -> bytes:
        self._told = told
        body = message(told, [], usage_of(begun.usage)) | {"stop_reason": None, "stop_sequence": None}
        return _event("message_start", message=body) + _event("ping")

    def feed(self, event: Delta) -> bytes:
        match event:
            case TextDelta():
                if not event.text:
                    return b""
                begun = self._opened("text", {"type": "text", "text": ""})
                return begun + self._delta({"type": "text_delta", "text": event.text})
            case ThinkingDelta():
                return self._thought(event)
            case ToolCallDelta():
                return self._called(event)

    def end(self, answer: Answer) -> bytes:
        usage = {name: value for name, value in usage_of(answer.usage).items() if name not in _AT_THE_START}
        return self._closed() + _event("message_delta", delta=stop(answer), usage=usage) + _event("message_stop")

    def error(self, status: int, code: str, message: str) -> bytes:
        return _event("error", **error_body(status, message))

    def _thought(self, event: ThinkingDelta) -> bytes:
        if event.block is not None and event.block.get("type") == "redacted_thinking":
            return self._opened("redacted", event.block, anew=True) + self._closed()
        begun = self._opened("thinking", {"type": "thinking", "thinking": "", "signature": ""})
        if event.text:
            begun += self._delta({"type": "thinking_delta", "thinking": event.text})
        if event.block is None:
            return begun
        if seals.is_signed(event.block):
            self._is_signed = True
            begun += self._delta({"type": "signature_delta", "signature": event.block["signature"]})
        return begun + self._closed()

    def _called(self, event: ToolCallDelta) -> bytes:
        begun = b""
        if event.index not in self._tools:
            call = event.id or f"toolu_{self._told.id}_{event.index}"
            block = {"type": "tool_use", "id": call, "name": self._told.names.called(event.name or "")[1], "input": {}}
            begun = self._opened("tool", block, anew=True)
            self._tools[event.index] = self._count - 1
        if not event.arguments:
            return begun
        delta = {"type": "input_json_delta", "partial_json": event.arguments}
        return begun + _event("content_block_delta", index=self._tools[event.index], delta=delta)

    def _opened(self, kind: str, block: Any, *, anew: bool = False) -> bytes:
        """A block of that kind is open; whichever other was, is closed."""
        if self._kind == kind and not anew:
            return b""
        closed = self._closed()
        self._kind, self._count = kind, self._count + 1
        return closed + _event("content_block_start", index=self._count - 1, content_block=block)

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return _event("content_block_delta", index=self._count - 1, delta=delta)

    def _closed(self) -> bytes:
        if not self._kind:
            return b""
        last = b""
        if self._kind == "thinking" and not self._is_signed:
            # Clients repeat thinking, and a provider refuses what it has not signed: so it bears our mark.
            last = self._delta({"type": "signature_delta", "signature": seals.sealed()})
        self._kind, self._is_signed = "", False
        return last + _event("content_block_stop", index=self._count - 1)


def _event(kind: str, **more: Any) -> bytes:
    return sse.event({"type": kind} | more, kind)
