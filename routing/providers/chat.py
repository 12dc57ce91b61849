"""A conversation in Chat Completions' form. Our parts are Anthropic's blocks; this wire has its own for each."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from routing.providers.base import PROVIDER_BOUND
from routing.terms.fault import Failed, Fault
from routing.terms.request import Message, Request
from routing.terms.words import ErrorKind


def chat_messages(request: Request, *, system_first: bool = False) -> list[dict[str, Any]]:
    """The system text and all messages. Raises Failed(CLIENT) for a part that has no form on this wire.

    `system_first` puts what the system says later in front too: many local models' templates refuse it anywhere else.
    """
    later = [message for message in request.messages if system_first and message.role == "system"]
    texts = [request.system, *(message.content for message in later)]
    system = "\n\n".join(text for text in texts if isinstance(text, str) and text)
    messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    for message in request.messages:
        if not (system_first and message.role == "system"):
            messages.extend(_messages(message))
    return messages


def _messages(message: Message) -> Iterator[dict[str, Any]]:
    """One of ours may be several of theirs: each tool's result is a message of its own, before what the user adds."""
    if isinstance(message.content, str):
        yield {"role": "user" if message.role == "tool" else message.role, "content": message.content}
        return
    said: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    for part in message.content:
        match part.get("type"):
            case "tool_result":
                text, images = _result(part)
                yield {"role": "tool", "tool_call_id": str(part.get("tool_use_id", "")), "content": text}
                said.extend(images)
            case "tool_use":
                calls.append(_call(part))
            case kind if kind in PROVIDER_BOUND:
                continue
            case _:
                said.append(_part(part))
    if message.role == "assistant":
        if said or calls:  # nothing is left of a turn that was another provider's thinking only
            yield _assistant(said, calls)
    elif said:
        yield {"role": "user", "content": said}


def _assistant(said: list[dict[str, Any]], calls: list[dict[str, Any]]) -> dict[str, Any]:
    """As plain text: compatible servers take no list of parts from an assistant."""
    text = "".join(part["text"] for part in said if part["type"] == "text")
    message: dict[str, Any] = {"role": "assistant", "content": text or (None if calls else "")}
    return message | {"tool_calls": calls} if calls else message


def _call(part: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": str(part.get("id", "")),
        "type": "function",
        "function": {"name": str(part.get("name", "")), "arguments": json.dumps(part.get("input", {}))},
    }


def _result(part: Mapping[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """A tool's result as (text, images); the wire takes text only, so that images follow in the user's turn."""
    content = part.get("content", "")
    if isinstance(content, str):
        return content, []
    parts = [_part(inner) for inner in content]
    text = "\n".join(inner["text"] for inner in parts if inner["type"] == "text")
    return text, [inner for inner in parts if inner["type"] != "text"]


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    given = part.get("source")
    source: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    match part.get("type"), source.get("type"):
        case "text", _:
            return {"type": "text", "text": str(part.get("text", ""))}
        case "image", "base64":
            url = f"data:{source.get('media_type')};base64,{source.get('data')}"
        case "image", "url":
            url = str(source.get("url"))
        case "document", "text":
            return {"type": "text", "text": str(source.get("data", ""))}
        case "document", "base64":
            return _file(part, source)
        case kind, form:
            what = f"a part of type {kind!r}" + (f" given as {form!r}" if form else "")
            raise Failed(Fault(ErrorKind.CLIENT, f"{what} cannot be sent to a Chat Completions provider"))
    return {"type": "image_url", "image_url": {"url": url}}


def _file(part: Mapping[str, Any], source: Mapping[str, Any]) -> dict[str, Any]:
    data = f"data:{source.get('media_type')};base64,{source.get('data')}"
    return {"type": "file", "file": {"filename": str(part.get("title") or "document.pdf"), "file_data": data}}
