"""A body of Chat Completions, read."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from routing.terms.request import JsonFormat, Message, Request, Tool, ToolChoice
from routing.wire.base import Asked, Names, needs_of
from routing.wire.fields import Field
from routing.wire.ignored import unknown
from routing.wire.openai import EFFORTS, TEXT_INPUT, arguments, file_block, image_block, json_format, opening, thinks

MODES: Mapping[str, Literal["auto", "any", "none"]] = {"auto": "auto", "required": "any", "none": "none"}


def read(body: Mapping[str, Any]) -> Asked:
    """What the body asks for. Raises Unreadable."""
    whole = Field(body)
    turns, needs = _turns(whole.need("messages"))
    system, messages = opening(turns)
    tools, custom, choice = _tools(whole, needs)
    effort = _effort(whole)
    request = Request(
        messages=messages,
        system=system,
        max_tokens=_max_tokens(whole),
        temperature=whole.number_of("temperature", 0, 2),
        tools=tools,
        stop=_stop(whole),
        tool_choice=choice,
        parallel_tools=whole.flag_of("parallel_tool_calls"),
        response_format=_response_format(whole),
        top_p=whole.number_of("top_p", 0, 1),
        effort=effort,
        thinks=thinks(effort),
        answers=whole.count_of("n", 1) or 1,
    )
    options = whole.get("stream_options")
    return Asked(
        model=whole.need("model").name(),
        request=request,
        stream=bool(whole.flag_of("stream")),
        needs=frozenset(needs | needs_of(request) | _other_needs(whole) | unknown("chat", body)),
        include_usage=bool(options and options.flag_of("include_usage")),
        names=Names(custom=frozenset(custom)),
    )


def _max_tokens(whole: Field) -> int | None:
    newer = whole.count_of("max_completion_tokens", 1)
    return whole.count_of("max_tokens", 1) if newer is None else newer


def _effort(whole: Field) -> str:
    effort = whole.get("reasoning_effort")
    return effort.one_of(*EFFORTS) if effort else ""


def _stop(whole: Field) -> tuple[str, ...]:
    stop = whole.get("stop")
    if stop is None:
        return ()
    return (stop.text(),) if stop.is_text else tuple(each.text() for each in stop.items())


def _response_format(whole: Field) -> JsonFormat | None:
    form = whole.get("response_format")
    if form is None:
        return None
    return json_format(form, form.get("json_schema") or form)


def _other_needs(whole: Field) -> set[str]:
    """What is asked for and only this wire has."""
    needs = set()
    if (whole.count_of("n", 1) or 1) > 1:
        needs.add("choices")
    if whole.flag_of("logprobs"):
        needs.add("logprobs")
    if whole.value.get("logit_bias"):
        needs.add("logit_bias")
    if any(whole.number_of(name, -2, 2) for name in ("frequency_penalty", "presence_penalty")):
        needs.add("penalties")
    if whole.value.get("audio") or any(each.value == "audio" for each in whole.items_of("modalities")):
        needs.add("audio")
    if whole.value.get("functions") or whole.value.get("function_call"):
        needs.add("functions")  # the form before tools, whose answers have a form of their own
    if whole.value.get("web_search_options") is not None:
        needs.add("web_search")
    return needs


# --- the conversation


def _turns(messages: Field) -> tuple[list[Message], set[str]]:
    needs: set[str] = set()
    turns: list[Message] = []
    for message in messages.items():
        turn = _turn(message, needs)
        last = turns[-1] if turns else turn
        if turns and last.role == turn.role == "tool":
            turns[-1] = Message(
                "tool", [*_parts(last), *_parts(turn)]
            )  # elsewhere the results of one turn stand together
        else:
            turns.append(turn)
    if not turns:
        raise messages.bad("must hold at least one message")
    return turns, needs


def _parts(turn: Message) -> Sequence[Mapping[str, Any]]:
    return () if isinstance(turn.content, str) else turn.content


def _turn(message: Field, needs: set[str]) -> Message:
    role = message.need("role").one_of("system", "developer", "user", "assistant", "tool", "function")
    match role:
        case "user":
            return Message("user", _content(message.need("content"), needs))
        case "assistant":
            return Message("assistant", _said(message, needs))
        case "tool":
            content = _text(message.need("content"))
            call = message.need("tool_call_id").name()
            return Message("tool", [{"type": "tool_result", "tool_use_id": call, "content": content}])
        case "function":
            needs.add("functions")
            return Message("user", _text(message.need("content")))
    return Message("system", _text(message.need("content")))


def _text(content: Field) -> str:
    """Text, or parts of text as one."""
    if content.is_text:
        return content.text()
    return "".join(part.need("text").text() for part in content.items())


def _content(content: Field, needs: set[str]) -> str | list[Mapping[str, Any]]:
    if content.is_text:
        return content.text()
    return [part for each in content.items() for part in _part(each, needs)]


def _part(part: Field, needs: set[str]) -> Iterator[Mapping[str, Any]]:
    kind = part.need("type").text()
    match kind:
        case "text":
            yield {"type": "text", "text": part.need("text").text()}
        case "image_url":
            yield image_block(part.need("image_url").need("url"))
        case "file":
            file = part.need("file")
            if file.get("file_id"):
                needs.add("files")
            else:
                yield file_block(file.need("file_data"), file.text_of("filename"))
        case "input_audio":
            needs.add("audio")
        case _:
            raise part.need("type").bad("must be one of text, image_url, file, input_audio")


def _said(message: Field, needs: set[str]) -> list[Mapping[str, Any]]:
    """What the model said: text, refusals as text, calls. Reasoning of compatible servers is not read back."""
    content = message.get("content")
    texts: list[str] = []
    if content is not None:
        texts = [content.text()] if content.is_text else [_spoken(part) for part in content.items()]
    texts.append(message.text_of("refusal"))
    blocks: list[Mapping[str, Any]] = [{"type": "text", "text": text} for text in texts if text]
    blocks += [_call(call) for call in message.items_of("tool_calls")]
    if message.get("function_call"):
        needs.add("functions")
    if message.get("audio"):
        needs.add("audio")
    return blocks


def _spoken(part: Field) -> str:
    return part.need(part.need("type").one_of("text", "refusal")).text()


def _call(call: Field) -> Mapping[str, Any]:
    custom = call.get("custom")
    named = custom or call.need("function")
    given = {"input": named.need("input").text()} if custom else arguments(named.need("arguments"))
    return {"type": "tool_use", "id": call.need("id").name(), "name": named.need("name").name(), "input": given}


# --- tools


def _tools(whole: Field, needs: set[str]) -> tuple[list[Tool], set[str], ToolChoice | None]:
    """(tools, the names of those that take a text, the choice). Of a list of allowed tools only those are passed on."""
    tools, custom = [], set()
    for each in whole.items_of("tools"):
        match each.need("type").one_of("function", "custom"):
            case "function":
                tools.append(_function(each.need("function")))
            case _:
                tools.append(text_tool(each.need("custom")))
                custom.add(tools[-1].name)
    choice = whole.get("tool_choice")
    if choice is None:
        return tools, custom, None
    if choice.is_text:
        return tools, custom, ToolChoice(MODES[choice.one_of(*MODES)])
    match choice.need("type").one_of("function", "custom", "allowed_tools"):
        case "allowed_tools":
            allowed = choice.need("allowed_tools")
            names = {each.need(each.need("type").text()).need("name").text() for each in allowed.need("tools").items()}
            mode = MODES[allowed.need("mode").one_of("auto", "required")]
            return [tool for tool in tools if tool.name in names], custom, ToolChoice(mode)
        case kind:
            return tools, custom, ToolChoice("tool", choice.need(kind).need("name").name())


def _function(function: Field) -> Tool:
    parameters = function.get("parameters")
    return Tool(
        name=function.need("name").name(),
        description=function.text_of("description"),
        schema=parameters.object() if parameters else {"type": "object", "properties": {}},
        strict=bool(function.flag_of("strict")),
    )


def text_tool(tool: Field) -> Tool:
    """A tool that takes a text, passed on with one argument. The grammar that the text must follow is told in words."""
    description = tool.text_of("description")
    form = tool.get("format")
    grammar = form and (form.get("grammar") or form)
    if grammar and grammar.text_of("definition"):
        description += (
            f"\n\nThe input must follow this {grammar.text_of('syntax')} grammar:\n{grammar.text_of('definition')}"
        )
    return Tool(tool.need("name").name(), description.strip(), TEXT_INPUT)
