"""The text of an answer that passed by as a provider's own events: what a second opinion is compared with."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_Said = Callable[[Mapping[str, Any]], str]


def _messages(event: Mapping[str, Any]) -> str:
    delta = event.get("delta")
    return str(delta.get("text") or "") if isinstance(delta, dict) and delta.get("type") == "text_delta" else ""


def _chat(event: Mapping[str, Any]) -> str:
    choices = event.get("choices")
    first = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    delta = first.get("delta")
    return str(delta.get("content") or "") if isinstance(delta, dict) else ""


def _responses(event: Mapping[str, Any]) -> str:
    return str(event.get("delta") or "") if event.get("type") == "response.output_text.delta" else ""


_SAID: Mapping[str, _Said] = {"anthropic": _messages, "openai_chat": _chat, "openai_responses": _responses}


def text_of(wire: str, data: bytes) -> str:
    """The text that the whole stream `data` of this wire wrote; thinking and tool calls are none."""
    return "".join(_SAID[wire](event) for event in _events(data))


def _events(data: bytes) -> Iterator[Mapping[str, Any]]:
    for line in data.splitlines():
        if not line.startswith(b"data:"):
            continue
        try:
            event = json.loads(line[5:])
        except ValueError:  # [DONE], or what no reader could make sense of
            continue
        if isinstance(event, dict):
            yield event
