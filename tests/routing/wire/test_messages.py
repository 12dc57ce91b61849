"""Anthropic's Messages: bodies are read, and the anthropic SDK reads what is written.

Over 300 lines: the whole wire, field by field.
"""

import json
from dataclasses import replace

import anthropic
import pytest
from anthropic.types import Message as WireMessage

from routing.terms.event import ToolCallDelta
from routing.terms.request import JsonFormat, Message, Tool, ToolCall, ToolChoice, Usage
from routing.wire import messages, seals
from routing.wire.base import Unreadable
from tests.routing.wire.answers import (
    ANTHROPIC,
    ANTHROPIC_PIECES,
    CALLING,
    PIECES,
    PLAIN,
    SIGNED,
    TEXT_PIECES,
    TOLD,
    broken,
    kinds,
    streamed,
    without,
)
from tests.routing.wire.sdks import anthropic_client

HI = [{"role": "user", "content": "Hi"}]
MARK = {"type": "ephemeral", "ttl": "1h"}
WEATHER = {"name": "weather", "description": "Of a city.", "input_schema": {"type": "object"}}


def read(**fields):
    return messages.read({"model": "claude-opus-5-5", "max_tokens": 4096, "messages": HI} | fields)


def test_a_plain_body():
    asked = read(system="Be brief.", stream=True, stop_sequences=["END"], temperature=0.5, top_p=0.9)

    assert (asked.model, asked.stream, asked.needs, asked.session) == ("claude-opus-5-5", True, frozenset(), "")
    assert asked.request.messages == [Message("user", "Hi")]
    assert (asked.request.system, asked.request.system_blocks) == ("Be brief.", [])
    assert (asked.request.max_tokens, asked.request.stop) == (4096, ["END"])
    assert (asked.request.temperature, asked.request.top_p) == (0.5, 0.9)


def test_blocks_pass_as_they_are_with_their_marks():
    blocks = [
        {"type": "text", "text": "See.", "cache_control": MARK},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
        {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
        {
            "type": "tool_result",
            "tool_use_id": "t0",
            "is_error": True,
            "content": [{"type": "image", "source": {"type": "url", "url": "https://example.com/b.png"}}],
        },
    ]
    said = [SIGNED, {"type": "text", "text": "I look."}, {"type": "tool_use", "id": "t1", "name": "look", "input": {}}]
    asked = read(messages=[{"role": "user", "content": blocks}, {"role": "assistant", "content": said}])

    assert asked.request.messages == [Message("user", blocks), Message("assistant", said)]
    assert asked.needs == {"images", "documents"}


def test_a_system_in_blocks_is_kept_in_blocks_where_one_is_marked():
    blocks = [{"type": "text", "text": "A"}, {"type": "text", "text": "B", "cache_control": MARK}]

    assert read(system=blocks).request.system == "A\n\nB"
    assert read(system=blocks).request.system_blocks == blocks
    assert read(system=without(blocks, "cache_control")).request.system_blocks == []


def test_what_the_system_says_in_the_middle_stays_there():
    asked = read(messages=[*HI, {"role": "system", "content": [{"type": "text", "text": "Agents: none."}]}])
    assert asked.request.messages == [Message("user", "Hi"), Message("system", "Agents: none.")]


@pytest.mark.parametrize(
    ("choice", "read_as", "parallel"),
    [
        ({"type": "auto", "disable_parallel_tool_use": True}, ToolChoice("auto"), False),
        ({"type": "any", "disable_parallel_tool_use": False}, ToolChoice("any"), True),
        ({"type": "none"}, ToolChoice("none"), None),
        ({"type": "tool", "name": "weather"}, ToolChoice("tool", "weather"), None),
    ],
)
def test_tools_and_the_choice_of_them(choice, read_as, parallel):
    tool = WEATHER | {"type": "custom", "strict": True, "cache_control": MARK}
    asked = read(tools=[tool], tool_choice=choice)

    assert asked.request.tools == [Tool("weather", "Of a city.", {"type": "object"}, strict=True, cache_control=MARK)]
    assert (asked.request.tool_choice, asked.request.parallel_tools) == (read_as, parallel)
    assert asked.needs == {"tools"}


@pytest.mark.parametrize(
    ("fields", "budget", "effort", "thinks"),
    [
        ({}, 0, "", None),
        ({"thinking": {"type": "disabled"}}, 0, "", False),
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, 2048, "", True),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, 0, "max", True),
        ({"output_config": {"effort": "low"}}, 0, "low", None),
    ],
)
def test_thinking_and_effort(fields, budget, effort, thinks):
    asked = read(**fields)
    assert (asked.request.thinking_budget, asked.request.effort, asked.request.thinks) == (budget, effort, thinks)
    assert asked.needs == ({"thinking"} if budget else set())


def test_a_schema_for_the_answer():
    asked = read(output_config={"format": {"type": "json_schema", "schema": {"type": "object"}}})
    assert asked.request.response_format == JsonFormat({"type": "object"})
    assert asked.needs == {"json_schema"}


@pytest.mark.parametrize(
    ("fields", "needs"),
    [
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, {"web_search"}),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, {"server_tools"}),
        ({"tools": [WEATHER | {"defer_loading": True}]}, {"tools", "tool_search"}),
        ({"mcp_servers": [{}]}, {"field 'mcp_servers'"}),
        ({"top_k": 5}, {"field 'top_k'"}),
        ({"max_tokens": 0}, {"cache_prewarm"}),
        ({"context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}}, set()),
        ({"context_management": {"edits": [{"type": "compact_20260112"}]}}, {"compaction"}),
        ({"metadata": {"user_id": "u"}, "service_tier": "auto", "cache_control": MARK}, set()),
        ({"messages": [{"role": "assistant", "content": [{"type": "server_tool_use"}]}]}, {"server_tools"}),
        ({"messages": [{"role": "user", "content": [{"type": "search_result"}]}]}, {"search_result"}),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}]}
                ]
            },
            {"files", "images"},
        ),
    ],
)
def test_what_only_this_wire_can_say_is_a_need(fields, needs):
    assert read(**fields).needs == needs


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"model": 5}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": None}]}]}, "messages.0.content.0.text"),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "t"}]}]},
            "messages.0.content.0.name",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}, "messages.0.content.0.tool_use_id"),
        ({"system": [{"type": "text"}]}, "system.0.text"),
        ({"tools": [{"name": "x"}]}, "tools.0.input_schema"),
        ({"thinking": {"type": "enabled", "budget_tokens": 4096}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": 100}}, "thinking.budget_tokens"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"output_config": {"effort": "minimal"}}, "output_config.effort"),
        ({"temperature": 1.5}, "temperature"),
    ],
)
def test_what_is_wrong_is_said_with_its_path(fields, path):
    with pytest.raises(Unreadable) as unreadable:
        read(**fields)
    assert unreadable.value.path == path


def test_a_body_to_count_needs_no_max_tokens():
    body = {"model": "claude-opus-5-5", "messages": HI}
    assert messages.read(body, counting=True).request.max_tokens is None


@pytest.mark.parametrize(
    ("user_id", "session"),
    [
        (json.dumps({"device_id": "d", "account_uuid": "", "session_id": "899fd0a9-2d46"}), "899fd0a9-2d46"),
        ("user_ab12_account__session_899fd0a9-2d46", "899fd0a9-2d46"),
        ("somebody", ""),
        ("[]", ""),
        (json.dumps({"session_id": 5}), ""),
    ],
)
def test_claude_codes_session_is_read_of_its_metadata(user_id, session):
    assert read(metadata={"user_id": user_id}).session == session


def test_a_whole_answer():
    message = WireMessage.model_validate(messages.answer(ANTHROPIC, TOLD), strict=True)

    assert (message.id, message.model, message.stop_reason) == ("msg_01", "task:code_generation", "tool_use")
    assert [block.type for block in message.content] == [
        *("thinking", "redacted_thinking", "text", "tool_use", "tool_use"),
    ]
    assert (message.content[0].thinking, message.content[0].signature) == ("Let me see.", "c2ln")
    assert (message.content[3].id, message.content[3].input) == ("toolu_1", {"city": "Zürich"})
    # Anthropic tells cached parts beside the input: 1,000 read are 900 cached, 60 written to the cache and 40 more
    usage = message.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (40, 900, 60)
    assert (usage.cache_creation.ephemeral_5m_input_tokens, usage.cache_creation.ephemeral_1h_input_tokens) == (40, 20)
    assert (usage.output_tokens, usage.output_tokens_details.thinking_tokens) == (50, 30)


def test_searches_and_the_service_tier_are_told_whole_and_streamed():
    answer = replace(PLAIN, usage=Usage(10, 5, searches=2, service_tier="priority"))
    usage = WireMessage.model_validate(messages.answer(answer, TOLD), strict=True).usage
    assert (usage.server_tool_use.web_search_requests, usage.service_tier) == (2, "priority")
    raw = streamed(messages.Stream(), TEXT_PIECES, answer)
    with anthropic_client(raw).messages.stream(model="x", max_tokens=9, messages=HI) as told:
        assert told.get_final_message().usage.server_tool_use.web_search_requests == 2
    flex = replace(PLAIN, usage=Usage(10, 5, service_tier="flex"))  # a word of OpenAI's alone
    assert "service_tier" not in messages.answer(flex, TOLD)["usage"]


def test_thinking_that_nobody_signed_bears_our_mark():
    message = WireMessage.model_validate(messages.answer(CALLING, TOLD), strict=True)
    assert (message.content[0].thinking, message.content[0].signature) == ("Let me see.", seals.MARK)


@pytest.mark.parametrize(
    ("answer", "reason", "sequence"),
    [
        (replace(PLAIN, stop_reason="max_tokens"), "max_tokens", None),
        (replace(PLAIN, stop_reason="stop_sequence", extra={"stop_sequence": "END"}), "stop_sequence", "END"),
        (replace(PLAIN, stop_reason="refusal", extra={"stop_details": {"type": "refusal"}}), "refusal", None),
        (replace(PLAIN, stop_reason="strange", usage=None), "end_turn", None),
    ],
)
def test_each_end_has_its_reason(answer, reason, sequence):
    message = WireMessage.model_validate(messages.answer(answer, TOLD), strict=True)
    assert (message.stop_reason, message.stop_sequence) == (reason, sequence)


@pytest.mark.parametrize(
    ("pieces", "answer"),
    [(ANTHROPIC_PIECES, ANTHROPIC), (PIECES, CALLING), (TEXT_PIECES, PLAIN)],
    ids=["signed", "unsigned", "text"],
)
def test_the_sdk_puts_a_stream_together_to_the_whole_answer(pieces, answer):
    raw = streamed(messages.Stream(), pieces, answer)
    with anthropic_client(raw).messages.stream(model="x", max_tokens=9, messages=HI) as stream:
        message = stream.get_final_message()

    assert without(message.to_dict(), "parsed_output", "stop_details") == messages.answer(answer, TOLD)


def test_the_events_come_in_the_wires_order_and_end_once():
    assert kinds(streamed(messages.Stream(), ANTHROPIC_PIECES[-6:], ANTHROPIC)) == [
        *("message_start", "ping"),
        *("content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"),
        *("content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"),
        *("content_block_start", "content_block_delta", "content_block_stop"),
        *("message_delta", "message_stop"),
    ]


def test_a_call_without_a_name_of_its_own_gets_one():
    stream = messages.Stream()
    raw = streamed(stream, (ToolCallDelta(0, "{}", "", "look"),), PLAIN)
    assert b'"id": "toolu_01_0"' in raw


def test_a_name_too_long_for_others_comes_back_as_the_client_gave_it():
    long = "mcp__" + "a" * 80  # Anthropic takes 128 characters, OpenAI 64
    call = {"type": "tool_use", "id": "t1", "name": long, "input": {}}
    asked = read(
        tools=[WEATHER, WEATHER | {"name": long}],
        tool_choice={"type": "tool", "name": long},
        messages=[*HI, {"role": "assistant", "content": [call]}],
    )
    passed_on = asked.request.tools[1].name
    told = asked.told("01", 5)

    assert len(passed_on) == 64
    assert asked.request.tool_choice == ToolChoice("tool", passed_on)
    assert asked.request.messages[1].content[0]["name"] == passed_on
    answer = replace(PLAIN, output="", tool_calls=(ToolCall("t2", passed_on, {}),))
    assert messages.answer(answer, told)["content"][0]["name"] == long
    raw = streamed(messages.Stream(), (ToolCallDelta(0, "{}", "t2", passed_on),), answer, told)
    assert f'"name": "{long}"'.encode() in raw
    assert asked.told("01", 5).names.called("weather") == ("", "weather")


def test_usage_that_is_told_late_reaches_the_sdk():
    stream = messages.Stream()
    late = replace(PLAIN, usage=Usage(500, 7, cache_read_tokens=400))
    raw = streamed(stream, TEXT_PIECES, late)
    with anthropic_client(raw).messages.stream(model="x", max_tokens=9, messages=HI) as told:
        usage = told.get_final_message().usage

    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (100, 400, 7)


def test_a_broken_stream_is_an_error_to_the_sdk_after_what_was_said():
    raw = broken(messages.Stream())
    assert kinds(raw)[-1] == "error"
    assert kinds(raw).count("message_stop") == 0
    events = anthropic_client(raw).messages.create(model="x", max_tokens=9, messages=HI, stream=True)
    with pytest.raises(anthropic.APIStatusError) as failed:
        list(events)
    assert "The provider broke off." in str(failed.value)


@pytest.mark.parametrize(
    ("status", "kind", "raised"),
    [
        (400, "invalid_request_error", anthropic.BadRequestError),
        (401, "authentication_error", anthropic.AuthenticationError),
        (402, "billing_error", anthropic.APIStatusError),
        (403, "permission_error", anthropic.PermissionDeniedError),
        (404, "not_found_error", anthropic.NotFoundError),
        (413, "request_too_large", anthropic.APIStatusError),
        (422, "invalid_request_error", anthropic.UnprocessableEntityError),
        (429, "rate_limit_error", anthropic.RateLimitError),
        (502, "api_error", anthropic.InternalServerError),
        (503, "overloaded_error", anthropic.InternalServerError),
    ],
)
def test_an_error_is_the_sdks_own(status, kind, raised):
    body = messages.error(status, "some_code", "must be text", "01", {"path": "messages.0"})
    with pytest.raises(raised) as failed:
        anthropic_client(body, status).messages.create(model="x", max_tokens=9, messages=HI)

    assert failed.value.body == {
        "type": "error",
        "error": {"type": kind, "message": "messages.0: must be text"},
        "request_id": "01",
    }
