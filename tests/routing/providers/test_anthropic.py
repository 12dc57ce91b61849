"""Anthropic's Messages: what is sent, and how its answer is read."""

from dataclasses import replace

import pytest

from routing.providers.anthropic import Anthropic, message_usage
from routing.providers.anthropic_request import generation, message_body
from routing.providers.base import Endpoint
from routing.terms.request import Message, Request, Timeouts, Tool, ToolCall, Usage
from routing.terms.secret import Secret
from routing.terms.words import CredentialKind, ProviderKind
from tests import doubles
from tests.doubles import script

NEW = Endpoint(ProviderKind.ANTHROPIC, "anthropic", "claude-opus-5-5")
OLD = replace(NEW, upstream_id="claude-sonnet-4-5-20250929")
FOREIGN = replace(NEW, upstream_id="kimi-k3", base_url="https://kimi.example/anthropic")
HELLO = Request([Message("user", "Hello")])


async def complete(endpoint, request, *acts):
    async with doubles.provider(*acts) as double:
        endpoint = replace(endpoint, base_url=double.anthropic, secret=Secret("sk-1"))
        return await Anthropic().complete(endpoint, request, Timeouts()), double.requests[0]


def test_a_plain_request():
    assert message_body(NEW, replace(HELLO, system="Be brief.", max_tokens=300, stop=["END"])) == {
        "model": "claude-opus-5-5",
        "max_tokens": 300,
        "messages": [{"role": "user", "content": "Hello"}],
        "system": "Be brief.",
        "stop_sequences": ["END"],
    }


def test_max_tokens_is_always_sent_and_leaves_room_for_thinking():
    assert message_body(NEW, HELLO)["max_tokens"] == 8192
    assert message_body(NEW, replace(HELLO, thinking_budget=10_000))["max_tokens"] == 18_192
    assert message_body(replace(NEW, options={"max_tokens": 500}), HELLO)["max_tokens"] == 500


@pytest.mark.parametrize(
    ("endpoint", "budget", "sent", "told"),
    [
        (NEW, 1024, "low", "adaptive, effort low"),
        (NEW, 2048, "medium", "adaptive, effort medium"),
        (NEW, 32_000, "high", "adaptive, effort high"),
        (replace(NEW, upstream_id="claude-opus-4-6"), 4096, "high", "adaptive, effort high"),
        (replace(NEW, upstream_id="claude-mythos-preview"), 4096, "high", "adaptive, effort high"),
        (replace(FOREIGN, options={"thinking": "adaptive"}), 4096, "high", "adaptive, effort high"),
    ],
)
def test_newer_models_think_by_effort(endpoint, budget, sent, told):
    request = replace(HELLO, thinking_budget=budget, temperature=0.2)
    body = message_body(endpoint, request)

    assert body["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert body["output_config"] == {"effort": sent}
    assert "temperature" not in body
    assert Anthropic().thinking_control(endpoint, request) == told


@pytest.mark.parametrize("endpoint", [OLD, FOREIGN, replace(NEW, options={"thinking": "budget"})], ids=str)
def test_older_and_foreign_models_think_by_budget(endpoint):
    request = replace(HELLO, thinking_budget=500)

    assert message_body(endpoint, request)["thinking"] == {
        "type": "enabled",
        "budget_tokens": 1024,
    }  # the wire's minimum
    assert Anthropic().thinking_control(endpoint, request) == "budget_tokens 1024"


def test_without_a_budget_nothing_is_said_of_thinking():
    assert not {"thinking", "output_config"} & message_body(NEW, HELLO).keys()
    assert Anthropic().thinking_control(NEW, HELLO) == ""


@pytest.mark.parametrize(
    ("model", "born"),
    [
        ("claude-opus-4-6-20260205", (4, 6)),
        ("claude-sonnet-4-5-20250929", (4, 5)),
        ("claude-opus-4-20250514", (4, 0)),
        ("claude-sonnet-5", (5, 0)),
        ("claude-haiku-5-5", (5, 5)),
        ("claude-3-5-haiku-20241022", (3, 5)),
        ("anthropic/claude-opus-4.7", (4, 7)),
        ("claude-mythos-preview", (0, 0)),
        ("kimi-k3", None),
    ],
)
def test_a_name_tells_its_generation(model, born):
    assert generation(model) == born


async def test_a_temperature_goes_to_models_that_take_one_under_the_version_that_allows_it():
    _, old = await complete(OLD, replace(HELLO, temperature=0.2))
    _, new = await complete(NEW, replace(HELLO, temperature=0.2))

    assert (old.body["temperature"], old.headers["anthropic-version"]) == (0.2, "2023-06-01")
    assert "temperature" not in new.body
    assert new.headers["anthropic-version"] > "2023-06-01"


async def test_servers_of_others_get_the_key_in_the_older_header_too():
    _, seen = await complete(replace(NEW, credential_kind=CredentialKind.API_KEY), HELLO)
    assert (seen.headers["x-api-key"], seen.headers["authorization"]) == ("sk-1", "Bearer sk-1")


async def test_an_oauth_token_is_a_bearer_and_nothing_else():
    _, seen = await complete(replace(NEW, credential_kind=CredentialKind.OAUTH), HELLO)
    assert seen.headers["authorization"] == "Bearer sk-1"
    assert "x-api-key" not in seen.headers


async def test_a_base_url_may_end_in_v1():
    async with doubles.provider() as double:
        await Anthropic().complete(replace(NEW, base_url=double.openai), HELLO, Timeouts())

    assert double.requests[0].path == "/v1/messages"


async def test_tools_go_out_and_calls_come_back():
    tool = Tool("weather", "The weather of a city.", {"type": "object", "properties": {"city": {"type": "string"}}})
    act = script.answer("", tool_calls=(("weather", {"city": "Paris"}),), finish="tool_calls")

    answer, seen = await complete(NEW, replace(HELLO, tools=[tool]), act)

    assert seen.body["tools"] == [
        {"name": "weather", "description": "The weather of a city.", "input_schema": tool.schema}
    ]
    assert answer.tool_calls == (ToolCall("toolu_0", "weather", {"city": "Paris"}),)
    assert (answer.stop_reason, answer.output) == ("tool_use", "")


def test_thinking_goes_back_to_its_wire_signed_and_never_unsigned():
    signed = {"type": "thinking", "thinking": "…", "signature": "x"}
    redacted = {"type": "redacted_thinking", "data": "y"}
    history = [
        Message("assistant", [{"type": "thinking", "thinking": "another's"}, {"type": "text", "text": ""}]),
        Message("assistant", [signed, redacted, {"type": "text", "text": "Hm."}]),
        Message("tool", [{"type": "tool_result", "tool_use_id": "functions.look:0", "content": "17 °C"}]),
    ]
    assert message_body(NEW, Request(history))["messages"] == [
        {"role": "assistant", "content": [signed, redacted, {"type": "text", "text": "Hm."}]},
        # "." and ":" are not in the wire's pattern of ids
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "functions_look_0", "content": "17 °C"}]},
    ]


async def test_an_answer_is_read_whole():
    act = script.answer(
        "Done.", thinking="Let me see.", finish="length", read=1000, cached=900, written=50, reasoning=30
    )

    answer, _ = await complete(NEW, HELLO, act)

    assert (answer.output, answer.thinking, answer.stop_reason) == ("Done.", "Let me see.", "max_tokens")
    assert (answer.served_model, answer.provider_request_id) == ("claude-opus-5-5-served", "req_double")
    # capabilities, row 29: input 100 beside 900 read from the cache are 1,000 read
    assert answer.usage == Usage(1000, 50, cache_read_tokens=900, reasoning_tokens=30)


def test_cache_writes_count_as_read_with_their_hour_long_part_apart():
    wire = {
        "input_tokens": 10,
        "cache_read_input_tokens": 200,
        "cache_creation_input_tokens": 3000,
        "cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 2000},
        "output_tokens": 5,
    }
    assert message_usage(wire) == Usage(3210, 5, 200, 3000, 2000)
    assert message_usage(None) is None


async def test_a_refusal_is_an_answer():
    answer, _ = await complete(NEW, HELLO, script.answer("I will not.", finish="content_filter"))
    assert (answer.stop_reason, answer.output) == ("refusal", "I will not.")
