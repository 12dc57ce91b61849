"""The events of a streamed message, put together: deltas as they come, and the whole message at the end."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from routing.providers.base import PROVIDER_BOUND
from routing.providers.errors import malformed
from routing.terms.event import TextDelta, ThinkingDelta, ToolCallDelta

Delta = TextDelta | ThinkingDelta | ToolCallDelta


@dataclass(slots=True)
class MessageStream:
    """`feed` each event in turn; then `body` is what the answer would have been without streaming."""

    body: dict[str, Any] = field(default_factory=dict)  # of message_start, filled as the stream goes on
    is_over: bool = False  # message_stop has come
    _blocks: dict[int, dict[str, Any]] = field(default_factory=dict)  # by the wire's index
    _inputs: dict[int, str] = field(default_factory=dict)  # JSON text of tool calls, growing

    def feed(self, event: Mapping[str, Any]) -> Iterator[Delta]:
        """The deltas in one event. An event of a kind that is not known is none, as the wire's rules ask."""
        match event.get("type"):
            case "message_start":
                self.body = dict(_mapping(event, "message"))
            case "content_block_start":
                yield from self._opened(_index(event), _mapping(event, "content_block"))
            case "content_block_delta":
                yield from self._grown(_index(event), _mapping(event, "delta"))
            case "content_block_stop":
                block = self._blocks.get(_index(event), {})
                if block.get("type") in PROVIDER_BOUND:
                    yield ThinkingDelta("", dict(block))
            case "message_delta":
                self.body |= _mapping(event, "delta")
                usage = _mapping(event, "usage") if event.get("usage") else {}
                told = {name: value for name, value in usage.items() if value is not None}
                self.body["usage"] = dict(self.body.get("usage") or {}) | told  # cumulative on this wire
            case "message_stop":
                self.is_over = True

    def whole(self) -> dict[str, Any]:
        """The message as it would have come in one piece. Raises Failed(MALFORMED) where a tool call's input is no JSON."""
        for index, text in self._inputs.items():
            try:
                self._blocks[index]["input"] = json.loads(text or "{}")
            except (ValueError, RecursionError):
                raise malformed("a tool call's input is no JSON") from None
        return self.body | {"content": [self._blocks[index] for index in sorted(self._blocks)]}

    def _opened(self, index: int, block: Mapping[str, Any]) -> Iterator[Delta]:
        self._blocks[index] = dict(block)
        if block.get("type") == "tool_use":
            self._inputs[index] = ""
            name, call = str(block.get("name") or ""), str(block.get("id") or "")
            yield ToolCallDelta(self._ordinal(index), "", call, name)

    def _grown(self, index: int, delta: Mapping[str, Any]) -> Iterator[Delta]:
        block = self._blocks.get(index)
        if block is None:
            raise malformed(f"a delta of block {index}, which never began")
        match delta.get("type"):
            case "text_delta":
                text = str(delta.get("text") or "")
                block["text"] = str(block.get("text") or "") + text
                yield TextDelta(text)
            case "thinking_delta":
                text = str(delta.get("thinking") or "")
                block["thinking"] = str(block.get("thinking") or "") + text
                yield ThinkingDelta(text)
            case "signature_delta":
                block["signature"] = str(delta.get("signature") or "")
            case "input_json_delta" if index in self._inputs:
                text = str(delta.get("partial_json") or "")
                self._inputs[index] += text
                yield ToolCallDelta(self._ordinal(index), text)

    def _ordinal(self, index: int) -> int:
        """Which tool call this is, counted from 0; the wire counts text blocks too."""
        return sorted(self._inputs).index(index)


def _mapping(event: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = event.get(name)
    if not isinstance(part, dict):
        raise malformed(f"a {event.get('type')} event without {name}")
    return part


def _index(event: Mapping[str, Any]) -> int:
    index = event.get("index")
    if not isinstance(index, int):
        raise malformed(f"a {event.get('type')} event without index")
    return index
