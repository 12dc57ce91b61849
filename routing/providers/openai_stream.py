"""The chunks of a streamed completion, put together: deltas as they come, and the whole completion at the end."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from routing.providers.errors import malformed
from routing.terms.event import TextDelta, ThinkingDelta, ToolCallDelta

Delta = TextDelta | ThinkingDelta | ToolCallDelta


@dataclass(slots=True)
class CompletionStream:
    """`feed` each chunk in turn; then `whole()` is what the answer would have been without streaming."""

    head: dict[str, Any] = field(
        default_factory=dict
    )  # id and model, of the first chunk that names them; the service tier, of the last
    usage: Any = None
    finish: str | None = None
    text: dict[str, str] = field(default_factory=dict)  # content, reasoning_content, refusal: growing
    calls: dict[int, dict[str, str]] = field(default_factory=dict)  # id, name, arguments: growing

    def feed(self, chunk: Mapping[str, Any]) -> Iterator[Delta]:
        """The deltas in one chunk; only the first choice is read, as only one is asked for."""
        for name in ("id", "model"):
            if chunk.get(name):
                self.head.setdefault(name, chunk[name])
        if chunk.get("service_tier"):
            self.head["service_tier"] = chunk["service_tier"]
        self.usage = chunk.get("usage") or self.usage
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            raise malformed("a chunk without choices")
        if not choices or not isinstance(choices[0], dict):
            return
        self.finish = choices[0].get("finish_reason") or self.finish
        delta = choices[0].get("delta")
        if isinstance(delta, dict):
            yield from self._grown(delta)

    def whole(self) -> dict[str, Any]:
        """The completion as it would have come in one piece."""
        calls = [self.calls[index] for index in sorted(self.calls)]
        message = self.text | {
            "tool_calls": [
                {"id": call["id"], "function": {"name": call["name"], "arguments": call["arguments"]}} for call in calls
            ]
        }
        return self.head | {"choices": [{"message": message, "finish_reason": self.finish}], "usage": self.usage}

    def _grown(self, delta: Mapping[str, Any]) -> Iterator[Delta]:
        for name, into in (("reasoning_content", "reasoning_content"), ("reasoning", "reasoning_content")):
            if isinstance(delta.get(name), str) and delta[name]:
                self._add(into, delta[name])
                yield ThinkingDelta(delta[name])
                break
        for name in ("content", "refusal"):
            if isinstance(delta.get(name), str) and delta[name]:
                self._add(name, delta[name])
                yield TextDelta(delta[name])
        for piece in delta.get("tool_calls") or ():
            yield self._called(piece)

    def _add(self, name: str, text: str) -> None:
        self.text[name] = self.text.get(name, "") + text

    def _called(self, piece: Any) -> ToolCallDelta:
        if not isinstance(piece, dict):
            raise malformed("a tool call's piece is no object")
        # Gemini and some local servers leave the index out: they send each call whole.
        index = piece.get("index")
        index = index if isinstance(index, int) else len(self.calls)
        named = piece.get("function")
        function: dict[str, Any] = named if isinstance(named, dict) else {}
        is_new = index not in self.calls
        call = self.calls.setdefault(index, {"id": "", "name": "", "arguments": ""})
        arguments = str(function.get("arguments") or "")
        call["id"] = call["id"] or str(piece.get("id") or "")
        call["name"] = call["name"] or str(function.get("name") or "")
        call["arguments"] += arguments
        return ToolCallDelta(index, arguments, *((call["id"], call["name"]) if is_new else (None, None)))
