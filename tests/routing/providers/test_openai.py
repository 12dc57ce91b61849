"""Chat Completions, OpenAI's own and everyone else's: what is sent, and how its answer is read."""

from dataclasses import replace

import pytest

from routing.providers.base import Endpoint
from routing.providers.openai import OpenAI, chat_usage
from routing.providers.openai_request import chat_body, is_reasoning
from routing.terms.fault import Failed
from routing.terms.request import Message, Request, Timeouts, Tool, ToolCall, Usage
from routing.terms.words import ErrorKind, ProviderKind
from tests import doubles
from tests.doubles import script

REASONING = Endpoint(ProviderKind.OPENAI, "openai", "gpt-6-sol")
PLAIN = replace(REASONING, upstream_id="gpt-4o")
LOCAL = Endpoint(ProviderKind.OPENAI_COMPATIBLE, "local", "qwen2.5:14b")
HELLO = Request([Message("user", "Hello")])


async def complete(endpoint, request, *acts):
    async with doubles.provider(*acts) as double:
        answer = await OpenAI().complete(replace(endpoint, base_url=double.openai), request, Timeouts())
        return answer, double.requests[0]


def test_a_plain_request():
    request = replace(HELLO, system="Be brief.", max_tokens=300, stop=["END"], temperature=0.2)

    assert chat_body(PLAIN, request) == {
        "model": "gpt-4o",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
        "max_completion_tokens": 300,
        "temperature": 0.2,
        "stop": ["END"],
    }


def test_compatible_servers_get_the_older_name_of_max_tokens():
    request = replace(HELLO, max_tokens=300)

    assert chat_body(LOCAL, request)["max_tokens"] == 300
    newer = replace(LOCAL, options={"max_tokens_field": "max_completion_tokens"})
    assert chat_body(newer, request)["max_completion_tokens"] == 300


def test_a_reasoning_model_is_not_sent_what_it_refuses():
    body = chat_body(REASONING, replace(HELLO, temperature=0.2, stop=["END"]))
    assert not {"temperature", "stop"} & body.keys()


@pytest.mark.parametrize(
    ("endpoint", "budget", "sent", "told"),
    [
        (REASONING, 1024, "low", "reasoning_effort low"),
        (REASONING, 2048, "medium", "reasoning_effort medium"),
        (REASONING, 32_000, "high", "reasoning_effort high"),
        (LOCAL, 4096, "high", "reasoning_effort high"),
        (replace(LOCAL, options={"reasoning": False}), 4096, None, "none: not a reasoning model"),
        (PLAIN, 4096, None, "none: not a reasoning model"),
        (REASONING, 0, None, ""),
    ],
)
def test_a_thinking_budget_becomes_an_effort_where_one_is_taken(endpoint, budget, sent, told):
    request = replace(HELLO, thinking_budget=budget)

    assert chat_body(endpoint, request).get("reasoning_effort") == sent
    assert OpenAI().thinking_control(endpoint, request) == told


@pytest.mark.parametrize(
    ("model", "reasoning"),
    [
        ("o3-mini", True),
        ("gpt-5.2-codex", True),
        ("gpt-6-sol", True),
        ("openai/gpt-5.4-mini", True),
        ("gpt-5-chat-latest", False),
        ("gpt-4o", False),
        ("gpt-4.1-mini", False),
        ("gpt-oss:20b", False),
        ("llama3.1:8b", False),
    ],
)
def test_a_name_tells_a_reasoning_model(model, reasoning):
    assert is_reasoning(replace(REASONING, upstream_id=model)) is reasoning


def test_a_history_in_blocks_becomes_this_wires_messages():
    history = [
        Message(
            "user",
            [
                {"type": "text", "text": "What is this?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
                {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
            ],
        ),
        Message(
            "assistant",
            [
                {"type": "thinking", "thinking": "…", "signature": "x"},
                {"type": "text", "text": "I look it up."},
                {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": "it"}},
            ],
        ),
        Message(
            "user",
            [
                {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "a cat"}]},
                {"type": "text", "text": "Well?"},
            ],
        ),
    ]
    assert chat_body(PLAIN, Request(history))["messages"] == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
            ],
        },
        {
            "role": "assistant",
            "content": "I look it up.",
            "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "look", "arguments": '{"at": "it"}'}}],
        },
        {"role": "tool", "tool_call_id": "t1", "content": "a cat"},
        {"role": "user", "content": [{"type": "text", "text": "Well?"}]},
    ]


def test_a_part_that_the_wire_cannot_carry_is_the_callers_error():
    with pytest.raises(Failed) as failed:
        chat_body(PLAIN, Request([Message("user", [{"type": "document", "source": {"type": "url", "url": "…"}}])]))

    assert failed.value.fault.kind is ErrorKind.CLIENT
    assert "'document'" in failed.value.fault.message


async def test_tools_go_out_and_calls_come_back():
    tool = Tool("weather", "The weather of a city.", {"type": "object"})
    act = script.answer("", tool_calls=(("weather", {"city": "Paris"}),), finish="tool_calls")

    answer, seen = await complete(PLAIN, replace(HELLO, tools=[tool]), act)

    function = {"name": "weather", "description": "The weather of a city.", "parameters": {"type": "object"}}
    assert seen.body["tools"] == [{"type": "function", "function": function}]
    assert answer.tool_calls == (ToolCall("call_0", "weather", {"city": "Paris"}),)
    assert answer.stop_reason == "tool_use"


async def test_an_answer_is_read_whole():
    act = script.answer(
        "Done.", thinking="Let me see.", finish="length", read=1000, cached=900, written=50, reasoning=30
    )

    answer, _ = await complete(LOCAL, HELLO, act)

    assert (answer.output, answer.thinking, answer.stop_reason) == ("Done.", "Let me see.", "max_tokens")
    assert (answer.served_model, answer.provider_request_id) == ("qwen2.5:14b-served", "req_double")
    # capabilities, row 29: a prompt of 1,000 with 900 of them cached is 1,000 read
    assert answer.usage == Usage(1000, 50, cache_read_tokens=900, reasoning_tokens=30)


@pytest.mark.parametrize(
    ("wire", "usage"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 5}, Usage(10, 5)),
        # Gemini: 70 thoughts stand in the total only
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 85}, Usage(10, 75, reasoning_tokens=70)),
        # DeepSeek
        ({"prompt_tokens": 10, "completion_tokens": 5, "prompt_cache_hit_tokens": 8}, Usage(10, 5, 8)),
        ({"prompt_tokens": 10, "prompt_tokens_details": {"cache_write_tokens": 6}}, Usage(10, 0, 0, 6)),
        ({"prompt_tokens": None, "completion_tokens": "5"}, Usage()),
        (None, None),
    ],
)
def test_usage_is_normalised(wire, usage):
    assert chat_usage(wire) == usage


async def test_a_refusal_is_an_answer():
    answer, _ = await complete(PLAIN, HELLO, script.answer("I will not.", finish="content_filter"))
    assert (answer.stop_reason, answer.output) == ("refusal", "I will not.")


async def test_a_server_named_by_host_alone_is_spoken_to_under_v1():
    async with doubles.provider() as double:
        await OpenAI().complete(replace(LOCAL, base_url=double.url + "/"), HELLO, Timeouts())

    assert double.requests[0].path == "/v1/chat/completions"


async def test_a_compatible_provider_without_an_address_is_a_configuration_error():
    with pytest.raises(Failed) as failed:
        await OpenAI().complete(LOCAL, HELLO, Timeouts())

    assert failed.value.fault.kind is ErrorKind.CONFIG
    assert failed.value.fault.message == "provider 'local' has no base_url"
