"""OpenAI's Chat Completions: bodies are read, and the openai SDK reads what is written.

Over 300 lines: the whole wire, field by field.
"""

import json
from dataclasses import replace

import openai
import pytest
from openai.types.chat import ChatCompletion

from routing.terms.request import JsonFormat, Message, Tool, ToolChoice, Usage
from routing.wire import chat
from routing.wire.base import Names, Unreadable
from tests.routing.wire.answers import (
    ANTHROPIC,
    ANTHROPIC_PIECES,
    CALLING,
    PIECES,
    PLAIN,
    TEXT_PIECES,
    TOLD,
    broken,
    streamed,
)
from tests.routing.wire.sdks import openai_client

HI = [{"role": "user", "content": "Hi"}]
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "description": "Of a city.", "parameters": {"type": "object"}},
}
GREP = {
    "type": "custom",
    "custom": {
        "name": "grep",
        "description": "Search.",
        "format": {"type": "grammar", "grammar": {"syntax": "regex", "definition": "[a-z]+"}},
    },
}


def read(**fields):
    return chat.read({"model": "gpt-5.2", "messages": HI} | fields)


def test_a_plain_body():
    asked = read(stream=True, stream_options={"include_usage": True}, max_tokens=5, max_completion_tokens=9, stop="END")

    assert (asked.model, asked.stream, asked.include_usage, asked.needs) == ("gpt-5.2", True, True, frozenset())
    assert asked.request.messages == [Message("user", "Hi")]
    assert (asked.request.max_tokens, asked.request.stop) == (9, ("END",))


def test_a_conversation_in_blocks():
    asked = read(
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": [{"type": "text", "text": "In "}, {"type": "text", "text": "French."}]},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "high"}},
                    {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                    {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "reasoning_content": "Hm.",
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": "it"}'}},
                    {"id": "c2", "type": "custom", "custom": {"name": "grep", "input": "cat"}},
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
            {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "12"}]},
            {"role": "system", "content": "Now in German."},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        ]
    )

    assert asked.request.system == "Be brief.\n\nIn French."
    assert asked.request.messages == [
        Message(
            "user",
            [
                {"type": "text", "text": "What is this?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
                {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
                {
                    "type": "document",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"},
                    "title": "a.pdf",
                },
            ],
        ),
        Message(
            "assistant",
            [
                {"type": "tool_use", "id": "c1", "name": "look", "input": {"at": "it"}},
                {"type": "tool_use", "id": "c2", "name": "grep", "input": {"input": "cat"}},
            ],
        ),
        Message(
            "tool",
            [
                {"type": "tool_result", "tool_use_id": "c1", "content": "a cat"},
                {"type": "tool_result", "tool_use_id": "c2", "content": "12"},
            ],
        ),
        Message("system", "Now in German."),
        Message("assistant", [{"type": "text", "text": "No."}]),
    ]
    assert asked.needs == {"images", "documents"}


@pytest.mark.parametrize("broken", ['{"city": ', "[1, 2]", ""])
def test_arguments_of_a_history_are_kept_whatever_the_model_wrote(broken):
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": broken}}
    asked = read(messages=[*HI, {"role": "assistant", "tool_calls": [call]}])

    given = asked.request.messages[-1].content[0]["input"]
    assert given == ({"arguments": [1, 2]} if broken == "[1, 2]" else {"arguments": broken} if broken else {})


@pytest.mark.parametrize(
    ("choice", "names", "read_as"),
    [
        ("auto", ["weather", "grep"], ToolChoice("auto")),
        ("required", ["weather", "grep"], ToolChoice("any")),
        ("none", ["weather", "grep"], ToolChoice("none")),
        ({"type": "function", "function": {"name": "weather"}}, ["weather", "grep"], ToolChoice("tool", "weather")),
        ({"type": "custom", "custom": {"name": "grep"}}, ["weather", "grep"], ToolChoice("tool", "grep")),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "weather"}}]},
            },
            ["weather"],
            ToolChoice("any"),
        ),
    ],
)
def test_tools_and_the_choice_of_them(choice, names, read_as):
    asked = read(tools=[WEATHER, GREP], tool_choice=choice, parallel_tool_calls=False)

    assert [tool.name for tool in asked.request.tools] == names
    assert asked.request.tools[0] == Tool("weather", "Of a city.", {"type": "object"})
    assert (asked.request.tool_choice, asked.request.parallel_tools) == (read_as, False)
    assert (asked.needs, asked.names.custom) == ({"tools"}, {"grep"})


def test_a_tool_that_takes_a_text_is_passed_on_with_one_argument_and_its_grammar_in_words():
    (tool,) = read(tools=[GREP]).request.tools

    assert tool.schema["required"] == ["input"]
    assert tool.description == "Search.\n\nThe input must follow this regex grammar:\n[a-z]+"


def test_formats_and_efforts():
    schema = {"type": "object", "properties": {}}
    form = {"type": "json_schema", "json_schema": {"name": "city", "schema": schema, "strict": True}}
    asked = read(response_format=form, reasoning_effort="xhigh")

    assert asked.request.response_format == JsonFormat(schema, "city", strict=True)
    assert (asked.request.effort, asked.request.thinks) == ("xhigh", True)
    assert asked.needs == {"json_schema"}
    assert read(response_format={"type": "json_object"}).request.response_format == JsonFormat()
    assert read(response_format={"type": "text"}).request.response_format is None
    assert read(reasoning_effort="none").request.thinks is False
    assert read().request.thinks is None
    assert (read(n=3).request.answers, read(n=None).request.answers, read().request.answers) == (3, 1, 1)


@pytest.mark.parametrize(
    ("fields", "needs"),
    [
        ({"n": 2}, {"choices"}),
        ({"n": 1}, set()),
        ({"logprobs": True, "top_logprobs": 3}, {"logprobs"}),
        ({"logit_bias": {"50256": -100}}, {"logit_bias"}),
        ({"presence_penalty": 0.5}, {"penalties"}),
        ({"frequency_penalty": 0}, set()),
        ({"modalities": ["text", "audio"], "audio": {"voice": "a", "format": "mp3"}}, {"audio"}),
        ({"functions": [{"name": "f"}]}, {"functions"}),
        ({"web_search_options": {}}, {"web_search"}),
        ({"top_k": 40}, {"field 'top_k'"}),
        ({"top_k": None}, set()),
        (
            {
                "user": "u",
                "metadata": {"a": "b"},
                "store": False,
                "seed": 7,
                "service_tier": "flex",
                "verbosity": "low",
            },
            set(),
        ),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]}, {"audio"}),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]}, {"files"}),
    ],
)
def test_what_only_this_wire_can_say_is_a_need(fields, needs):
    asked = read(**fields)
    assert asked.needs == needs
    assert asked.bound == needs


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages.0.content"),
        ({"messages": [{"role": "me", "content": ""}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0.text"),
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "messages.0.content.0.type"),
        ({"messages": [{"role": "tool", "content": ""}]}, "messages.0.tool_call_id"),
        ({"temperature": 3}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"stream": "yes"}, "stream"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}},
            "response_format.json_schema.name",
        ),
        ({"tools": [{"type": "function", "function": {}}]}, "tools.0.function.name"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"reasoning_effort": "much"}, "reasoning_effort"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc"}}]}]},
            "messages.0.content.0.image_url.url",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_path(fields, path):
    with pytest.raises(Unreadable) as unreadable:
        read(**fields)
    assert unreadable.value.path == path


def test_a_whole_answer():
    body = chat.answer(replace(CALLING, extra={"simulated": True}), TOLD)
    completion = ChatCompletion.model_validate(body, strict=True)

    assert (completion.id, completion.model, completion.created) == (
        "chatcmpl-01",
        "task:code_generation",
        1_790_000_000,
    )
    (choice,) = completion.choices
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", "It works.")
    assert [(call.id, call.function.name, call.function.arguments) for call in choice.message.tool_calls] == [
        ("toolu_1", "weather", '{"city": "Zürich"}'),
        ("toolu_2", "time", "{}"),
    ]
    # OpenAI counts cached tokens in the prompt and reasoning in the completion
    usage = completion.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (1000, 50, 1050)
    assert (usage.prompt_tokens_details.cached_tokens, usage.completion_tokens_details.reasoning_tokens) == (900, 30)
    assert body["choices"][0]["message"]["reasoning_content"] == "Let me see."
    assert completion.service_tier is None


@pytest.mark.parametrize(("tier", "told"), [("flex", "flex"), ("priority", "priority"), ("batch", None), ("", None)])
def test_the_service_tier_is_told_where_this_wire_has_a_word_for_it(tier, told):
    answer = replace(PLAIN, usage=Usage(10, 5, service_tier=tier))
    assert ChatCompletion.model_validate(chat.answer(answer, TOLD), strict=True).service_tier == told
    asked = replace(TOLD, include_usage=True)
    last = json.loads(streamed(chat.Stream(), TEXT_PIECES, answer, asked).split(b"data: ")[-2])
    assert (last["usage"]["prompt_tokens"], last.get("service_tier")) == (10, told)


def test_a_call_of_a_tool_that_takes_a_text_comes_back_as_text():
    told = replace(TOLD, names=Names(custom=frozenset({"weather"})))
    calls = ChatCompletion.model_validate(chat.answer(CALLING, told)).choices[0].message.tool_calls

    assert (calls[0].type, calls[0].custom.input) == ("custom", '{"city": "Zürich"}')
    assert calls[1].type == "function"


@pytest.mark.parametrize(
    ("stop", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("refusal", "content_filter"),
        ("tool_use", "tool_calls"),
    ],
)
def test_each_stop_reason_has_its_word(stop, finish):
    body = chat.answer(replace(PLAIN, stop_reason=stop), TOLD)
    assert ChatCompletion.model_validate(body, strict=True).choices[0].finish_reason == finish


def test_an_answer_of_nothing_is_still_one():
    body = chat.answer(replace(PLAIN, output="", usage=None), TOLD)
    completion = ChatCompletion.model_validate(body, strict=True)
    assert (completion.choices[0].message.content, completion.usage) == ("", None)


@pytest.mark.parametrize(
    ("pieces", "answer"), [(PIECES, CALLING), (ANTHROPIC_PIECES, ANTHROPIC)], ids=["plain", "signed"]
)
def test_the_sdk_puts_a_stream_together_to_the_whole_answer(pieces, answer):
    raw = streamed(chat.Stream(), pieces, answer, replace(TOLD, include_usage=True))
    with openai_client(raw).chat.completions.stream(model="x", messages=HI) as stream:
        completion = stream.get_final_completion()

    whole = ChatCompletion.model_validate(chat.answer(answer, TOLD))
    (choice,), (expected,) = completion.choices, whole.choices
    assert (completion.id, completion.model, completion.usage) == (whole.id, whole.model, whole.usage)
    assert (choice.finish_reason, choice.message.content) == (expected.finish_reason, expected.message.content)
    assert [call.function.arguments for call in choice.message.tool_calls] == ['{"city": "Zürich"}', "{}"]
    assert [call.id for call in choice.message.tool_calls] == ["toolu_1", "toolu_2"]


def test_usage_comes_only_where_it_was_asked_for():
    told = replace(TOLD, include_usage=True)
    assert b'"usage"' not in streamed(chat.Stream(), TEXT_PIECES, PLAIN)
    assert streamed(chat.Stream(), TEXT_PIECES, PLAIN, told).count(b'"prompt_tokens": 1000') == 1
    assert b'"usage"' not in streamed(chat.Stream(), TEXT_PIECES, replace(PLAIN, usage=None), told)


def test_a_stream_ends_once():
    assert streamed(chat.Stream(), TEXT_PIECES, PLAIN).endswith(b"data: [DONE]\n\n")
    assert streamed(chat.Stream(), TEXT_PIECES, PLAIN).count(b"[DONE]") == 1
    assert b"[DONE]" not in broken(chat.Stream())


def test_a_broken_stream_is_an_error_to_the_sdk_after_what_was_said():
    chunks = openai_client(broken(chat.Stream())).chat.completions.create(model="x", messages=HI, stream=True)
    said = [next(chunks).choices[0].delta.content for _ in range(3)]
    with pytest.raises(openai.APIError) as failed:
        next(chunks)

    assert said == ["", "It ", "works."]
    assert (failed.value.message, failed.value.code) == ("The provider broke off.", "provider_failed")


@pytest.mark.parametrize(
    ("status", "kind", "raised"),
    [
        (400, "invalid_request_error", openai.BadRequestError),
        (401, "authentication_error", openai.AuthenticationError),
        (402, "insufficient_quota", openai.APIStatusError),
        (403, "permission_error", openai.PermissionDeniedError),
        (404, "not_found_error", openai.NotFoundError),
        (422, "invalid_request_error", openai.UnprocessableEntityError),
        (429, "rate_limit_error", openai.RateLimitError),
        (503, "server_error", openai.InternalServerError),
    ],
)
def test_an_error_is_the_sdks_own(status, kind, raised):
    body = chat.error(status, "some_code", "It is wrong.", "01", {"path": "messages.0"})
    with pytest.raises(raised) as failed:
        openai_client(body, status).chat.completions.create(model="x", messages=HI)

    error = failed.value
    assert (error.type, error.code, error.param) == (kind, "some_code", "messages.0")
    assert "It is wrong." in error.message
