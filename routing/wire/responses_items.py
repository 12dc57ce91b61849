"""The input of a Responses body as a conversation: items of one speaker in a row become one message."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from routing.terms.request import Message
from routing.wire import seals
from routing.wire.fields import Field
from routing.wire.ignored import MOST_TOLD, NAME_CHARS
from routing.wire.openai import arguments, file_block, image_block
from routing.wire.responses_tools import Tools

Speaker = Literal["user", "assistant", "tool", "system"]
Block = Mapping[str, Any]


def turns(given: Field, needs: set[str], tools: Tools) -> list[Message]:
    """The conversation. Adds to `needs` what only the provider that wrote an item can read."""
    if given.is_text:
        return [Message("user", given.text())]
    said: list[tuple[Speaker, list[Block]]] = []
    for item in given.items():
        for speaker, blocks in _item(item, needs, tools):
            if said and said[-1][0] == speaker and speaker in ("assistant", "tool"):
                said[-1][1].extend(blocks)  # calls and results of one turn belong together on every other wire
            else:
                said.append((speaker, blocks))
    if not said:
        raise given.bad("must hold at least one message")
    return [_message(speaker, blocks) for speaker, blocks in said]


def _message(speaker: Speaker, blocks: list[Block]) -> Message:
    if speaker == "system":
        return Message("system", "\n\n".join(block["text"] for block in blocks))
    return Message(speaker, blocks)


def _item(item: Field, needs: set[str], tools: Tools) -> Iterator[tuple[Speaker, list[Block]]]:
    kind = item.get("type")
    match kind.text() if kind else "message":
        case "message":
            yield _said(item, needs)
        case "function_call":
            yield "assistant", [_call(item, tools.called(item), arguments(item.need("arguments")))]
        case "custom_tool_call":
            yield "assistant", [_call(item, tools.called(item), {"input": item.need("input").text()})]
        case "function_call_output" | "custom_tool_call_output":
            yield "tool", [_result(item, needs)]
        case "reasoning":
            sealed = item.value.get("encrypted_content")
            block = seals.opened(sealed) if seals.is_sealed(sealed) else None
            if block:  # any other is the thinking of another provider
                yield "assistant", [block]
        case "web_search_call":
            return  # that a search was made; what it found stands in the text that follows
        case "additional_tools":
            tools.add(item.need("tools").items())
        case "item_reference":
            needs.add("stored")
        case other:
            needs.add(f"item {other[:NAME_CHARS]!r}" if len(needs) < MOST_TOLD else "other items that nobody knows")


def _said(item: Field, needs: set[str]) -> tuple[Speaker, list[Block]]:
    role = item.need("role").one_of("user", "assistant", "system", "developer")
    speaker: Speaker = "user" if role == "user" else "assistant" if role == "assistant" else "system"
    content = _content(item.need("content"), needs)
    if speaker == "system" and any(block["type"] != "text" for block in content):
        raise item.need("content").bad(f"must be text in a message of the {role}")
    return speaker, content


def _content(content: Field, needs: set[str]) -> list[Block]:
    if content.is_text:
        return [{"type": "text", "text": content.text()}]
    return [block for part in content.items() for block in _part(part, needs)]


def _part(part: Field, needs: set[str]) -> Iterator[Block]:
    kind = part.need("type")
    match kind.text():
        case "input_text" | "output_text" | "text":
            yield {"type": "text", "text": part.need("text").text()}
        case "refusal":
            yield {"type": "text", "text": part.need("refusal").text()}
        case "input_image" | "input_file" if part.get("file_id"):
            needs.add("files")
        case "input_image":
            yield image_block(part.need("image_url"))
        case "input_file" if part.get("file_url"):
            yield {"type": "document", "source": {"type": "url", "url": part.need("file_url").text()}}
        case "input_file":
            yield file_block(part.need("file_data"), part.text_of("filename"))
        case "input_audio":
            needs.add("audio")
        case _:
            raise kind.bad("must be one of input_text, input_image, input_file, output_text, refusal")


def _call(item: Field, name: str, given: Mapping[str, Any]) -> Block:
    return {"type": "tool_use", "id": item.need("call_id").name(), "name": name, "input": given}


def _result(item: Field, needs: set[str]) -> Block:
    output = item.need("output")
    content = output.text() if output.is_text else _content(output, needs)
    return {"type": "tool_result", "tool_use_id": item.need("call_id").name(), "content": content}
