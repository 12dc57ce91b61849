"""A streamed response: numbered events, each item added, grown and done, and the whole response as the last word."""

from typing import Any

from routing.terms.event import StreamStart, TextDelta, ThinkingDelta, ToolCallDelta
from routing.terms.request import Answer
from routing.wire import responses_output as output
from routing.wire import sse
from routing.wire.base import Delta, Told

# What the wire's own list of codes has; anything else is a server_error there.
CODES = {429: "rate_limit_exceeded", 400: "invalid_prompt", 413: "invalid_prompt", 422: "invalid_prompt"}


class _Item:
    """The item that is growing now."""

    def __init__(self, kind: str, name: str, index: int, *, call: str = "", tool: str = "") -> None:
        self.kind, self.name, self.index, self.call, self.tool = kind, name, index, call, tool
        self.text = ""
        self.id = ""  # with the prefix of its type


class Stream:
    """See `base.Stream`."""

    def __init__(self) -> None:
        self._told = Told("", "", 0)
        self._number = 0
        self._done: list[dict[str, Any]] = []
        self._item: _Item | None = None
        self._tool = -1  # index of the call that is growing

    def start(self, told: Told, begun: StreamStart) -> bytes:
        self._told = told
        return self._lifecycle("response.created") + self._lifecycle("response.in_progress")

    def feed(self, event: Delta) -> bytes:
        match event:
            case TextDelta():
                return self._opened("message") + self._grown(event.text)
            case ThinkingDelta(block=None):
                return self._opened("reasoning") + self._grown(event.text)
            case ThinkingDelta():
                return self._opened("reasoning") + self._closed(event.block)
            case ToolCallDelta():
                return self._called(event)

    def end(self, answer: Answer) -> bytes:
        closed = self._closed()
        body = output.response(self._told, self._done, answer=answer)
        return closed + self._event(f"response.{body['status']}", response=body)

    def error(self, status: int, code: str, message: str) -> bytes:
        """The stream's last word: the response has failed. What was said stays said."""
        body = output.response(self._told, self._done, "failed")
        body["error"] = {
            "code": CODES.get(status, "server_error"),
            "message": f"{message} ({code})" if code else message,
        }
        return self._event("response.failed", response=body)

    # --- items

    def _opened(self, kind: str) -> bytes:
        """An item of that kind is growing; whichever other was, is done."""
        if self._item and self._item.kind == kind:
            return b""
        return self._closed() + self._added(_Item(kind, self._name(), len(self._done)))

    def _called(self, event: ToolCallDelta) -> bytes:
        begun = b""
        if event.index != self._tool:
            self._tool = event.index
            call = event.id or f"call_{self._told.id}_{event.index}"
            begun = self._closed()
            begun += self._added(_Item("call", self._name(), len(self._done), call=call, tool=event.name or ""))
        return begun + self._grown(event.arguments)

    def _name(self) -> str:
        return f"{self._told.id}_{len(self._done)}"

    def _added(self, item: _Item) -> bytes:
        self._item = item
        whole = self._whole(item)
        item.id = whole["id"]
        added = self._event("response.output_item.added", item=whole | _unfinished(whole), output_index=item.index)
        match item.kind:
            case "message":
                part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
                added += self._part("response.content_part.added", part=part, content_index=0)
            case "reasoning":
                part = {"type": "summary_text", "text": ""}
                added += self._part("response.reasoning_summary_part.added", part=part, summary_index=0)
        return added

    def _grown(self, text: str) -> bytes:
        item = self._item
        if item is None or not text:
            return b""
        item.text += text
        match item.kind:
            case "message":
                return self._part("response.output_text.delta", delta=text, content_index=0, logprobs=[])
            case "reasoning":
                return self._part("response.reasoning_summary_text.delta", delta=text, summary_index=0)
        if item.tool in self._told.names.custom:
            return b""  # its text stands inside JSON, and is told whole when that is complete
        return self._part("response.function_call_arguments.delta", delta=text)

    def _closed(self, block: Any = None) -> bytes:
        """What was growing is done. `block` is its signed form."""
        item = self._item
        if item is None:
            return b""
        whole = self._whole(item, block)
        done = self._last_words(item, whole)
        done += self._event("response.output_item.done", item=whole, output_index=item.index)
        self._done.append(whole)
        self._item = None
        return done

    def _last_words(self, item: _Item, whole: dict[str, Any]) -> bytes:
        match whole["type"]:
            case "message":
                told = self._part("response.output_text.done", text=item.text, content_index=0, logprobs=[])
                return told + self._part("response.content_part.done", part=whole["content"][0], content_index=0)
            case "reasoning":
                part = {"type": "summary_text", "text": item.text}
                told = self._part("response.reasoning_summary_text.done", text=item.text, summary_index=0)
                return told + self._part("response.reasoning_summary_part.done", part=part, summary_index=0)
            case "custom_tool_call":
                told = self._part("response.custom_tool_call_input.delta", delta=whole["input"])
                return told + self._part("response.custom_tool_call_input.done", input=whole["input"])
        return self._part("response.function_call_arguments.done", arguments=item.text, name=whole["name"])

    def _whole(self, item: _Item, block: Any = None) -> dict[str, Any]:
        match item.kind:
            case "message":
                return output.message(item.name, item.text)
            case "reasoning":
                return output.reasoning(item.name, item.text, block)
        return output.called(item.name, item.call, item.tool, item.text, self._told)

    # --- events

    def _lifecycle(self, kind: str) -> bytes:
        return self._event(kind, response=output.response(self._told, []))

    def _part(self, kind: str, **more: Any) -> bytes:
        item = self._item
        if item is None:
            return b""
        return self._event(kind, item_id=item.id, output_index=item.index, **more)

    def _event(self, kind: str, **more: Any) -> bytes:
        body = {"type": kind, "sequence_number": self._number} | more
        self._number += 1
        return sse.event(body, kind)


def _unfinished(item: dict[str, Any]) -> dict[str, Any]:
    """What an item says of itself before it has begun."""
    match item["type"]:
        case "message":
            return {"status": "in_progress", "content": []}
        case "reasoning":
            return {"summary": []}
        case "function_call":
            return {"status": "in_progress", "arguments": ""}
    return {"input": ""}
