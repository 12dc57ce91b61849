"""What a request becomes for each generation of OpenAI's models and for servers that are compatible with them."""

from dataclasses import replace

import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from pydantic import TypeAdapter

from routing.providers.base import Endpoint
from routing.providers.openai_request import chat_body, thinking_control
from routing.terms.fault import Failed
from routing.terms.request import JsonFormat, Message, Request, Tool, ToolChoice
from routing.terms.words import ErrorKind, ProviderKind

REASONING = Endpoint(ProviderKind.OPENAI, "openai", "gpt-5.2")
PLAIN = replace(REASONING, upstream_id="gpt-4o")
LOCAL = Endpoint(ProviderKind.OPENAI_COMPATIBLE, "local", "qwen2.5:14b")
HELLO = Request([Message("user", "Hello")])
TOOL = Tool("weather", "The weather of a city.", {"type": "object"}, strict=True)


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (ToolChoice("auto"), "auto"),
        (ToolChoice("any"), "required"),
        (ToolChoice("none"), "none"),
        (ToolChoice("tool", "weather"), {"type": "function", "function": {"name": "weather"}}),
    ],
)
def test_a_choice_of_tools_goes_out(choice, sent):
    request = replace(HELLO, tools=[TOOL], tool_choice=choice, parallel_tools=False)
    body = chat_body(PLAIN, request)

    assert (body["tool_choice"], body["parallel_tool_calls"]) == (sent, False)
    assert body["tools"][0]["function"]["strict"] is True
    assert not {"tool_choice", "parallel_tool_calls"} & chat_body(PLAIN, replace(request, tools=[])).keys()
    TypeAdapter(CompletionCreateParamsNonStreaming).validate_python(body)


@pytest.mark.parametrize(
    ("form", "sent"),
    [
        (JsonFormat(), {"type": "json_object"}),
        (
            JsonFormat({"type": "object"}, "city", "One city.", strict=True),
            {
                "type": "json_schema",
                "json_schema": {
                    "name": "city",
                    "schema": {"type": "object"},
                    "strict": True,
                    "description": "One city.",
                },
            },
        ),
    ],
    ids=["any object", "a schema"],
)
def test_a_format_goes_out(form, sent):
    assert chat_body(PLAIN, replace(HELLO, response_format=form))["response_format"] == sent


@pytest.mark.parametrize(
    ("model", "asked", "sent"),
    [
        ("gpt-5.2", "xhigh", "xhigh"),
        ("gpt-6-sol", "max", "xhigh"),
        ("gpt-5.1", "xhigh", "high"),
        ("gpt-5.1", "none", "none"),
        ("gpt-5", "none", "minimal"),
        ("gpt-5", "minimal", "minimal"),
        ("gpt-5.2", "minimal", "low"),
        ("o3", "none", None),
        ("o3", "medium", "medium"),
        ("gpt-4o", "high", None),
    ],
)
def test_an_effort_is_said_in_the_models_own_words(model, asked, sent):
    endpoint = replace(REASONING, upstream_id=model)
    assert chat_body(endpoint, replace(HELLO, effort=asked, thinks=asked != "none")).get("reasoning_effort") == sent


@pytest.mark.parametrize(
    ("endpoint", "changes", "told"),
    [
        (REASONING, {"thinks": False}, "reasoning_effort none"),
        (REASONING, {"thinks": True}, ""),  # no word was said, and the model thinks by itself
        (LOCAL, {"thinks": False}, "none: the model's own"),
        (LOCAL, {"effort": "max", "thinks": True}, "reasoning_effort high"),
        (PLAIN, {"effort": "low", "thinks": True}, "none: not a reasoning model"),
        (REASONING, {"effort": "high", "thinking_budget": 1024}, "reasoning_effort high"),
    ],
)
def test_what_the_wish_to_think_became_is_told(endpoint, changes, told):
    assert thinking_control(endpoint, replace(HELLO, **changes)) == told


def test_no_more_is_asked_for_than_the_model_writes():
    small = replace(PLAIN, max_output_tokens=16_384)

    assert chat_body(small, replace(HELLO, max_tokens=64_000))["max_completion_tokens"] == 16_384
    assert chat_body(small, replace(HELLO, max_tokens=100))["max_completion_tokens"] == 100
    assert "max_completion_tokens" not in chat_body(small, HELLO)


def test_top_p_goes_to_models_that_take_sampling():
    request = replace(HELLO, top_p=0.5)
    assert chat_body(PLAIN, request)["top_p"] == 0.5
    assert "top_p" not in chat_body(REASONING, request)


def test_what_the_system_says_later_stays_in_its_place_where_that_is_allowed():
    request = Request([Message("user", "Hi"), Message("system", "Speak French.")], system="A")

    assert [turn["role"] for turn in chat_body(PLAIN, request)["messages"]] == ["system", "user", "system"]
    assert chat_body(LOCAL, request)["messages"] == [
        {"role": "system", "content": "A\n\nSpeak French."},
        {"role": "user", "content": "Hi"},
    ]


@pytest.mark.parametrize(
    ("model", "asked", "sent"), [("gpt-4o", True, None), ("o3", False, None), ("gpt-5.2", False, False)]
)
def test_calls_one_at_a_time_are_asked_for_where_that_is_a_choice(model, asked, sent):
    request = replace(HELLO, tools=[TOOL], parallel_tools=asked)
    assert chat_body(replace(PLAIN, upstream_id=model), request).get("parallel_tool_calls") is sent


def test_a_turn_that_was_another_providers_thinking_only_is_left_out():
    thought = Message("assistant", [{"type": "thinking", "thinking": "…", "signature": "x"}])
    assert chat_body(PLAIN, Request([*HELLO.messages, thought]))["messages"] == [{"role": "user", "content": "Hello"}]


def test_documents_go_as_files_and_texts():
    pdf = {
        "type": "document",
        "title": "a.pdf",
        "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"},
    }
    plain = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Hm."}}
    body = chat_body(PLAIN, Request([Message("user", [pdf, plain])]))

    assert body["messages"][0]["content"] == [
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}},
        {"type": "text", "text": "Hm."},
    ]


@pytest.mark.parametrize("source", [{"type": "url", "url": "https://example.com/a.pdf"}, None, "a.pdf"])
def test_a_document_that_the_wire_cannot_carry_is_the_callers_error(source):
    with pytest.raises(Failed) as failed:
        chat_body(PLAIN, Request([Message("user", [{"type": "document", "source": source}])]))

    assert failed.value.fault.kind is ErrorKind.CLIENT
