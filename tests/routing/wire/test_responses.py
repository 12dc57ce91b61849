"""OpenAI's Responses: bodies are read, and the openai SDK reads what is written.

Over 300 lines: the whole wire, field by field.
"""

from dataclasses import replace

import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from routing.terms.event import ToolCallDelta
from routing.terms.request import JsonFormat, Message, ToolChoice
from routing.wire import responses, seals
from routing.wire.base import Names, Unreadable
from tests.routing.wire.answers import (
    ANTHROPIC,
    ANTHROPIC_PIECES,
    CALLING,
    PIECES,
    PLAIN,
    REDACTED,
    SIGNED,
    TEXT_PIECES,
    TOLD,
    broken,
    kinds,
    streamed,
    without,
)
from tests.routing.wire.sdks import openai_client

WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "Of a city.",
    "parameters": {"type": "object"},
    "strict": False,
}
PATCH = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Edit.",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"},
}
AGENTS = {"type": "namespace", "name": "agents", "description": "Of agents.", "tools": [WEATHER | {"name": "spawn"}]}


def read(**fields):
    return responses.read({"model": "gpt-5.2-codex", "input": "Hi"} | fields)


def test_a_plain_body():
    asked = read(instructions="Be brief.", stream=True, max_output_tokens=100, temperature=0.5, top_p=0.9)

    assert (asked.model, asked.stream, asked.needs, asked.pins) == ("gpt-5.2-codex", True, frozenset(), None)
    assert asked.request.messages == [Message("user", "Hi")]
    assert (asked.request.system, asked.request.max_tokens) == ("Be brief.", 100)
    assert (asked.request.temperature, asked.request.top_p) == (0.5, 0.9)


def test_items_become_a_conversation_of_turns():
    asked = read(
        instructions="Be brief.",
        input=[
            {
                "type": "message",
                "id": "msg_1",
                "role": "developer",
                "content": [{"type": "input_text", "text": "In French."}],
            },
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "What is this?"},
                    {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,aGk="},
                    {"type": "input_file", "file_url": "https://example.com/a.pdf"},
                ],
            },
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
            {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": seals.sealed(SIGNED)},
            {
                "type": "message",
                "id": "msg_2",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": "I look.", "annotations": []}],
            },
            {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"at": "it"}'},
            {"type": "function_call", "call_id": "c2", "name": "spawn", "namespace": "agents", "arguments": "{}"},
            {"type": "custom_tool_call", "call_id": "c3", "name": "apply_patch", "input": "*** Begin"},
            {"type": "web_search_call", "id": "ws_1", "status": "completed"},
            {"type": "function_call_output", "call_id": "c1", "output": "a cat"},
            {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "ok"}]},
            {"type": "custom_tool_call_output", "call_id": "c3", "output": "done"},
            {"role": "developer", "content": "Now in German."},
            {"role": "user", "content": "Well?"},
        ],
    )

    assert asked.request.system == "Be brief.\n\nIn French."
    assert asked.request.messages == [
        Message(
            "user",
            [
                {"type": "text", "text": "What is this?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
                {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
            ],
        ),
        Message(
            "assistant",
            [
                SIGNED,
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "c1", "name": "look", "input": {"at": "it"}},
                {"type": "tool_use", "id": "c2", "name": "agents__spawn", "input": {}},
                {"type": "tool_use", "id": "c3", "name": "apply_patch", "input": {"input": "*** Begin"}},
            ],
        ),
        Message(
            "tool",
            [
                {"type": "tool_result", "tool_use_id": "c1", "content": "a cat"},
                {"type": "tool_result", "tool_use_id": "c2", "content": [{"type": "text", "text": "ok"}]},
                {"type": "tool_result", "tool_use_id": "c3", "content": "done"},
            ],
        ),
        Message("system", "Now in German."),
        Message("user", [{"type": "text", "text": "Well?"}]),
    ]
    assert asked.needs == {"images", "documents"}


def test_tools_of_every_form():
    asked = read(
        tools=[WEATHER, PATCH, AGENTS, {"type": "web_search", "external_web_access": False}], tool_choice="auto"
    )

    assert [tool.name for tool in asked.request.tools] == ["weather", "apply_patch", "agents__spawn"]
    assert asked.request.tools[1].description == "Edit.\n\nThe input must follow this lark grammar:\nstart: x"
    assert asked.names == Names(frozenset({"apply_patch"}), {"agents__spawn": ("agents", "spawn")})
    assert asked.needs == {"tools"}


def test_a_namespace_with_a_long_name_gives_names_that_every_provider_takes():
    tools = [WEATHER | {"name": "a" * 60 + end} for end in ("1", "2")]
    names = [tool.name for tool in read(tools=[AGENTS | {"tools": tools}]).request.tools]

    assert [len(name) for name in names] == [64, 64]
    assert names[0] != names[1]


@pytest.mark.parametrize(
    ("choice", "read_as", "left"),
    [
        ("required", ToolChoice("any"), 3),
        ("none", ToolChoice("none"), 3),
        ({"type": "function", "name": "weather"}, ToolChoice("tool", "weather"), 3),
        ({"type": "custom", "name": "apply_patch"}, ToolChoice("tool", "apply_patch"), 3),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "weather"}]},
            ToolChoice("auto"),
            1,
        ),
    ],
)
def test_the_choice_of_tools(choice, read_as, left):
    asked = read(tools=[WEATHER, PATCH, AGENTS], tool_choice=choice)
    assert (asked.request.tool_choice, len(asked.request.tools)) == (read_as, left)


def test_formats_and_efforts():
    schema = {"type": "object", "properties": {}}
    form = {"type": "json_schema", "name": "city", "schema": schema, "strict": True}
    asked = read(text={"format": form, "verbosity": "low"}, reasoning={"effort": "high", "summary": "auto"})

    assert asked.request.response_format == JsonFormat(schema, "city", strict=True)
    assert (asked.request.effort, asked.request.thinks) == ("high", True)
    assert read(text={"format": {"type": "text"}}).request.response_format is None
    assert read(reasoning={"summary": "auto"}).request.thinks is None


def test_a_stored_answer_pins_its_provider():
    asked = read(previous_response_id="resp_1")
    assert (asked.pins, asked.needs) == ("resp_1", {"stored"})


@pytest.mark.parametrize(
    ("fields", "needs"),
    [
        ({"store": True}, {"stored"}),
        ({"store": False, "include": ["reasoning.encrypted_content"], "truncation": "auto"}, set()),
        ({"background": True}, {"stored"}),
        ({"conversation": "conv_1"}, {"stored"}),
        ({"prompt": {"id": "pmpt_1"}}, {"stored"}),
        ({"input": [{"type": "item_reference", "id": "msg_1"}, {"role": "user", "content": "Hi"}]}, {"stored"}),
        ({"include": ["message.output_text.logprobs"]}, {"logprobs"}),
        ({"tools": [{"type": "web_search"}]}, {"web_search"}),
        ({"tools": [{"type": "web_search_preview"}]}, {"web_search"}),
        ({"tools": [{"type": "file_search", "vector_store_ids": []}]}, {"server_tools"}),
        ({"tools": [WEATHER | {"strict": True}], "tool_choice": {"type": "file_search"}}, {"tools", "server_tools"}),
        (
            {"input": [{"type": "compaction", "encrypted_content": "g"}, {"role": "user", "content": "Hi"}]},
            {"item 'compaction'"},
        ),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}, {"files"}),
        ({"frequency": 5}, {"field 'frequency'"}),
    ],
)
def test_what_only_this_wire_can_say_is_a_need(fields, needs):
    assert read(**fields).needs == needs


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": 5}, "input"),
        ({"input": [{"role": "me", "content": "Hi"}]}, "input.0.role"),
        ({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, "input.0.call_id"),
        ({"input": [{"role": "user", "content": [{"type": "video"}]}]}, "input.0.content.0.type"),
        (
            {"input": [{"role": "system", "content": [{"type": "input_image", "image_url": "https://a/b"}]}]},
            "input.0.content",
        ),
        ({"tools": [{"type": "function"}]}, "tools.0.name"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"reasoning": {"effort": "much"}}, "reasoning.effort"),
        ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name"),
        ({"max_output_tokens": 1.5}, "max_output_tokens"),
    ],
)
def test_what_is_wrong_is_said_with_its_path(fields, path):
    with pytest.raises(Unreadable) as unreadable:
        read(**fields)
    assert unreadable.value.path == path


def test_a_whole_answer():
    body = responses.answer(ANTHROPIC, TOLD)
    response = Response.model_validate(body, strict=True)

    assert (response.id, response.model, response.status) == ("resp_01", "task:code_generation", "completed")
    assert response.output_text == "It works."
    assert [item.type for item in response.output] == [
        *("reasoning", "reasoning", "message", "function_call", "function_call"),
    ]
    assert response.output[0].summary[0].text == "Let me see."
    assert (response.output[3].call_id, response.output[3].arguments) == ("toolu_1", '{"city": "Zürich"}')
    # OpenAI counts cached tokens in the input and reasoning in the output
    usage = response.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (1000, 50, 1050)
    assert (usage.input_tokens_details.cached_tokens, usage.input_tokens_details.cache_write_tokens) == (900, 60)
    assert usage.output_tokens_details.reasoning_tokens == 30


def test_signed_thinking_comes_back_through_a_client_that_repeats_what_it_was_told():
    output = responses.answer(ANTHROPIC, TOLD)["output"]
    asked = read(input=[{"role": "user", "content": "Hi"}, *output])

    assert asked.request.messages[1].content[:2] == [SIGNED, REDACTED]
    assert [part["type"] for part in asked.request.messages[1].content[2:]] == ["text", "tool_use", "tool_use"]


def test_the_answer_repeats_what_was_asked():
    asked = read(metadata={"a": "b"}, temperature=0.5, parallel_tool_calls=False, tool_choice="none", store=True)
    response = Response.model_validate(responses.answer(PLAIN, asked.told("02", 5)), strict=True)

    assert (response.metadata, response.temperature, response.parallel_tool_calls) == ({"a": "b"}, 0.5, False)
    assert (response.tool_choice, response.created_at, response.model) == ("none", 5, "gpt-5.2-codex")


@pytest.mark.parametrize(("stop", "reason"), [("max_tokens", "max_output_tokens"), ("refusal", "content_filter")])
def test_an_answer_that_was_cut_is_incomplete(stop, reason):
    answer = replace(PLAIN, stop_reason=stop)
    response = Response.model_validate(responses.answer(answer, TOLD), strict=True)

    assert (response.status, response.incomplete_details.reason) == ("incomplete", reason)
    assert kinds(streamed(responses.Stream(), TEXT_PIECES, answer))[-1] == "response.incomplete"


@pytest.mark.parametrize(
    ("pieces", "answer"),
    [(ANTHROPIC_PIECES, ANTHROPIC), (PIECES, CALLING), (TEXT_PIECES, PLAIN)],
    ids=["signed", "unsigned", "text"],
)
def test_the_sdk_puts_a_stream_together_to_the_whole_answer(pieces, answer):
    raw = streamed(responses.Stream(), pieces, answer)
    with openai_client(raw).responses.stream(model="x", input="Hi") as stream:
        response = stream.get_final_response()

    said = without(response.to_dict(), "parsed", "parsed_arguments")
    assert said == Response.model_validate(responses.answer(answer, TOLD)).to_dict()


@pytest.mark.parametrize("pieces", [ANTHROPIC_PIECES, PIECES, TEXT_PIECES], ids=["signed", "unsigned", "text"])
def test_every_event_is_one_of_the_sdks_and_bears_the_next_number(pieces):
    raw = streamed(responses.Stream(), pieces, ANTHROPIC)
    datas = [line.removeprefix("data: ") for line in raw.decode().splitlines() if line.startswith("data: ")]
    events = [TypeAdapter(ResponseStreamEvent).validate_json(data) for data in datas]

    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events] == kinds(raw)
    assert [kind for kind in kinds(raw) if kind in ("response.created", "response.completed")] == [
        *("response.created", "response.completed"),
    ]


def test_the_events_of_a_text_come_in_the_wires_order():
    assert kinds(streamed(responses.Stream(), TEXT_PIECES, PLAIN)) == [
        *("response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"),
        *("response.output_text.delta", "response.output_text.delta", "response.output_text.done"),
        *("response.content_part.done", "response.output_item.done", "response.completed"),
    ]


def test_a_text_tool_and_one_of_a_namespace_are_called_as_the_client_named_them():
    names = read(tools=[PATCH, AGENTS]).names
    pieces = (
        ToolCallDelta(0, '{"input": "*** ', "c1", "apply_patch"),
        ToolCallDelta(0, 'Begin"}'),
        ToolCallDelta(1, "{}", "c2", "agents__spawn"),
    )
    raw = streamed(responses.Stream(), pieces, PLAIN, replace(TOLD, names=names))
    with openai_client(raw).responses.stream(model="x", input="Hi") as stream:
        patch, spawn = stream.get_final_response().output

    assert (patch.type, patch.name, patch.input) == ("custom_tool_call", "apply_patch", "*** Begin")
    assert (spawn.type, spawn.name, spawn.namespace) == ("function_call", "spawn", "agents")


def test_a_broken_stream_fails_once_and_keeps_what_was_said():
    raw = broken(responses.Stream(), PIECES[:3])
    events = list(openai_client(raw).responses.create(model="x", input="Hi", stream=True))

    assert [event.type for event in events if event.type.split(".")[1] in ("completed", "failed", "incomplete")] == [
        "response.failed"
    ]
    failed = events[-1].response
    assert (failed.status, failed.error.code) == ("failed", "server_error")
    assert failed.error.message == "The provider broke off. (provider_failed)"
