"""What must be known of an answer that is only handed on: whether it is one, why it ended, what it cost.

One class a wire. `whole` checks and reads an answer in one piece. A stream's events are parsed until the first that has content; of
those behind it only the few whose bytes look as if they told something.
"""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from routing.providers.anthropic import STOP_REASONS as MESSAGE_STOPS
from routing.providers.errors import malformed, plain, truncated
from routing.providers.exchange import MODEL_CHARS
from routing.providers.openai import STOP_REASONS as CHAT_STOPS
from routing.providers.usage import chat_usage, message_usage, response_usage
from routing.terms.request import Usage


class Reading:
    """What one answer has told so far. `tell` is given a parsed event; `whole` the parsed body of an answer in one piece."""

    path: ClassVar[str]
    id_header: ClassVar[str]
    # An event behind the first content that may tell something. Inside a string the quotes would be escaped.
    telling: ClassVar[re.Pattern[bytes]]
    noun: ClassVar[str]

    def __init__(self) -> None:
        self.model = ""
        self.id = ""
        self.stop = ""  # in our words; "" until the answer says why it ended
        self.usage: Usage | None = None
        self.is_over = False  # nothing more is to come
        self.content: int | None = None  # characters of content in the event that was told last; None: it has none
        self.text = ""  # of a whole answer
        self.is_usage_alone = False  # the event that was told last tells the usage and nothing else

    def tell(self, event: Mapping[str, Any]) -> None:
        raise NotImplementedError

    @property
    def is_kept(self) -> bool:
        """Whether the provider keeps the answer for calls that go on from it, unless it was told not to."""
        return False

    def whole(self, body: Mapping[str, Any]) -> None:
        """Raises Failed where the body is malformed or was cut off."""
        raise NotImplementedError

    def _named(self, body: Mapping[str, Any]) -> None:
        self.model = self.model or plain(body.get("model") or "", MODEL_CHARS)
        self.id = self.id or str(body.get("id") or "")


class Chat(Reading):
    path, id_header, noun = "/chat/completions", "x-request-id", "completion"
    tier: Any = None  # the service tier, which some tell only at the beginning
    telling = re.compile(rb'"(?:finish_reason"\s*:\s*"|usage"\s*:\s*\{|error"\s*:\s*["{\[])')

    def tell(self, event: Mapping[str, Any]) -> None:
        self._named(event)
        self.tier = event.get("service_tier") or self.tier
        self.usage = chat_usage(event.get("usage"), self.tier) or self.usage
        choices = event.get("choices")
        if not isinstance(choices, list):
            raise malformed("a chunk without choices")
        self.is_usage_alone = not choices and bool(event.get("usage"))
        lengths = [_length(choice.get("delta")) for choice in choices if isinstance(choice, dict)]
        for choice in choices:
            if isinstance(choice, dict) and choice.get("finish_reason"):
                self._stopped(choice["finish_reason"])
        self.content = sum(each or 0 for each in lengths) if any(each is not None for each in lengths) else None

    def whole(self, body: Mapping[str, Any]) -> None:
        self._named(body)
        self.usage = chat_usage(body.get("usage"), body.get("service_tier"))
        choices = body.get("choices")
        if not isinstance(choices, list) or not choices:
            raise malformed("the completion has no choice with a message")
        for choice in choices:
            message = choice.get("message") if isinstance(choice, dict) else None
            if not isinstance(message, dict):
                raise malformed("the completion has no choice with a message")
            if not isinstance(choice.get("finish_reason"), str) or not choice["finish_reason"]:
                raise truncated("the completion has no finish_reason")
            self._stopped(choice["finish_reason"])
        content = choices[0]["message"].get("content")
        self.text = content if isinstance(content, str) else ""

    def _stopped(self, finish: object) -> None:
        self.stop = self.stop or CHAT_STOPS.get(str(finish), "end_turn")


def _length(delta: Any) -> int | None:
    """Characters of content in a chunk's delta; None where it holds none."""
    if not isinstance(delta, dict):
        return None
    texts = [delta.get(name) for name in ("content", "refusal", "reasoning_content", "reasoning")]
    said = [text for text in texts if isinstance(text, str) and text]
    calls = delta.get("tool_calls") or delta.get("function_call") or delta.get("audio")
    if not said and not calls:
        return None
    return sum(map(len, said)) + (len(str(calls)) // 2 if calls else 0)


class Messages(Reading):
    path, id_header, noun = "/v1/messages", "request-id", "message"
    telling = re.compile(rb'"type"\s*:\s*"(?:message_(?:start|delta|stop)|error)"')

    def __init__(self) -> None:
        super().__init__()
        self._usage: dict[str, Any] = {}

    def tell(self, event: Mapping[str, Any]) -> None:
        self.content = None
        match event.get("type"):
            case "message_start":
                message = _part(event, "message")
                self._named(message)
                self._used(message.get("usage"))
            case "content_block_start":
                # Text and thinking begin empty; whatever else begins is there.
                block = _part(event, "content_block")
                self.content = None if block.get("type") in ("text", "thinking") else 1
            case "content_block_delta":
                delta = _part(event, "delta")
                self.content = sum(
                    len(value) for name, value in delta.items() if name != "type" and isinstance(value, str)
                )
            case "message_delta":
                self._used(event.get("usage"))
                self._stopped(_part(event, "delta").get("stop_reason"))
            case "message_stop":
                self.is_over = True

    def whole(self, body: Mapping[str, Any]) -> None:
        self._named(body)
        self._used(body.get("usage"))
        blocks = body.get("content")
        if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
            raise malformed("the message has no content list")
        if not isinstance(body.get("stop_reason"), str):
            raise truncated("the message has no stop_reason")
        self._stopped(body["stop_reason"])
        self.text = "".join(str(block.get("text") or "") for block in blocks if block.get("type") == "text")

    def _stopped(self, reason: object) -> None:
        if isinstance(reason, str) and reason:
            self.stop = MESSAGE_STOPS.get(reason, "end_turn")

    def _used(self, usage: Any) -> None:
        """Cumulative on this wire: what a later event leaves out stands."""
        if isinstance(usage, dict):
            self._usage |= {name: value for name, value in usage.items() if value is not None}
            self.usage = message_usage(self._usage)


class Responses(Reading):
    path, id_header, noun = "/responses", "x-request-id", "response"
    telling = re.compile(rb'"type"\s*:\s*"(?:response\.(?:completed|incomplete|failed|cancelled)|error)"')
    _EMPTY = frozenset({"message", "reasoning"})  # items that begin without content
    _BEFORE = frozenset(
        (
            *("response.created", "response.queued", "response.in_progress", "response.content_part.added"),
            *("response.reasoning_summary_part.added", "keepalive"),
        )
    )
    _STOPS: Mapping[str, str] = {"max_output_tokens": "max_tokens", "content_filter": "refusal"}

    def tell(self, event: Mapping[str, Any]) -> None:
        kind = str(event.get("type") or "")
        self.content = None
        response = event.get("response")
        if isinstance(response, dict):
            self._named(response)
            if kind in ("response.completed", "response.incomplete", "response.cancelled"):
                self._ended(response)
                self.is_over = True
        elif kind == "response.output_item.added":
            item = event.get("item")
            self.content = None if isinstance(item, dict) and item.get("type") in self._EMPTY else 1
        elif kind.startswith("response.") and kind not in self._BEFORE:
            delta = event.get("delta")
            self.content = len(delta) if isinstance(delta, str) else 0

    def whole(self, body: Mapping[str, Any]) -> None:
        self._named(body)
        if not isinstance(body.get("output"), list):
            raise malformed("the response has no output list")
        if not isinstance(body.get("status"), str):
            raise truncated("the response has no status")
        self._ended(body)
        parts = [part for item in body["output"] if isinstance(item, dict) for part in item.get("content") or ()]
        self.text = "".join(str(part.get("text") or "") for part in parts if isinstance(part, dict))

    @property
    def is_kept(self) -> bool:
        return bool(self.id)

    def _ended(self, response: Mapping[str, Any]) -> None:
        details = response.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, dict) else None
        output = response.get("output")
        calls = any(isinstance(item, dict) and str(item.get("type")).endswith("_call") for item in output or ())
        self.stop = self._STOPS.get(str(reason), "tool_use" if calls else "end_turn")
        self.usage = response_usage(response)


def _part(event: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = event.get(name)
    if not isinstance(part, dict):
        raise malformed(f"a {event.get('type')} event without {name}")
    return part


READINGS: Mapping[str, type[Reading]] = {
    "openai_chat": Chat,
    "openai_responses": Responses,
    "anthropic": Messages,
}
