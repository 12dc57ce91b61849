"""From a client's wire to a provider of another: order, names and arguments arrive as they were, whatever the way.

Over 300 lines: every way between the wires over the same conversations.
"""

import json

import pytest
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from pydantic import TypeAdapter

from routing.providers.anthropic_request import message_body
from routing.providers.base import Endpoint
from routing.providers.openai_request import chat_body
from routing.terms.words import ProviderKind
from routing.wire import chat, messages, responses

CLAUDE = Endpoint(ProviderKind.ANTHROPIC, "anthropic", "claude-opus-5-5")
GPT = Endpoint(ProviderKind.OPENAI, "openai", "gpt-5.2")
MARK = {"type": "ephemeral"}

TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
ARGUMENTS = st.dictionaries(
    TEXTS, st.none() | st.booleans() | st.integers() | TEXTS | st.lists(TEXTS, max_size=2), max_size=3
)


@st.composite
def conversations(draw):
    """[("user", text) | ("called", text, [(id, name, arguments)], [result])]: a plain form that every wire can say."""
    turns, number = [("user", draw(TEXTS))], 0
    for _ in range(draw(st.integers(0, 4))):
        calls = []
        for _ in range(draw(st.integers(1, 3))):
            number += 1
            calls.append((f"call_{number}", draw(st.sampled_from(["look", "find"])), draw(ARGUMENTS)))
        turns.append(("called", draw(st.just("") | TEXTS), calls, [draw(TEXTS) for _ in calls]))
        turns.append(("user", draw(TEXTS)))
    return turns


def chat_says(turns):
    said = []
    for turn in turns:
        if turn[0] == "user":
            said.append({"role": "user", "content": turn[1]})
            continue
        _, text, calls, results = turn
        tools = [
            {"id": id, "type": "function", "function": {"name": name, "arguments": json.dumps(given)}}
            for id, name, given in calls
        ]
        said.append({"role": "assistant", "content": text or None, "tool_calls": tools})
        said += [
            {"role": "tool", "tool_call_id": call[0], "content": result}
            for call, result in zip(calls, results, strict=True)
        ]
    return {"model": "m", "messages": said}


def responses_say(turns):
    said = []
    for turn in turns:
        if turn[0] == "user":
            said.append({"role": "user", "content": turn[1]})
            continue
        _, text, calls, results = turn
        if text:
            said.append({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]})
        said += [
            {"type": "function_call", "call_id": id, "name": name, "arguments": json.dumps(given)}
            for id, name, given in calls
        ]
        said += [
            {"type": "function_call_output", "call_id": call[0], "output": result}
            for call, result in zip(calls, results, strict=True)
        ]
    return {"model": "m", "input": said}


def messages_say(turns):
    said = []
    for turn in turns:
        if turn[0] == "user":
            said.append({"role": "user", "content": turn[1]})
            continue
        _, text, calls, results = turn
        blocks = [{"type": "text", "text": text}] if text else []
        blocks += [{"type": "tool_use", "id": id, "name": name, "input": given} for id, name, given in calls]
        said.append({"role": "assistant", "content": blocks})
        told = [
            {"type": "tool_result", "tool_use_id": call[0], "content": result}
            for call, result in zip(calls, results, strict=True)
        ]
        said.append({"role": "user", "content": told})
    return {"model": "m", "max_tokens": 9, "messages": said}


def said_to_anthropic(body):
    """The conversation in the body, flat: who said what, which calls with what."""
    for turn in body["messages"]:
        content = turn["content"]
        for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            match block["type"]:
                case "text":
                    yield turn["role"], block["text"]
                case "tool_use":
                    yield "call", block["id"], block["name"], block["input"]
                case "tool_result":
                    yield "result", block["tool_use_id"], block["content"]


def said_to_openai(body):
    """The same of a body of Chat Completions. Results must follow their calls at once there."""
    awaited: list[str] = []
    for turn in body["messages"]:
        if turn["role"] == "tool":
            yield "result", awaited.pop(awaited.index(turn["tool_call_id"])), turn["content"]
            continue
        assert not awaited
        content = turn["content"]
        for part in [{"text": content}] if isinstance(content, str) else content or ():
            yield turn["role"], part["text"]
        for call in turn.get("tool_calls", ()):
            awaited.append(call["id"])
            yield "call", call["id"], call["function"]["name"], json.loads(call["function"]["arguments"])


def flat(turns):
    for turn in turns:
        if turn[0] == "user":
            yield turn
            continue
        _, text, calls, results = turn
        if text:
            yield "assistant", text
        yield from (("call", *call) for call in calls)
        yield from (("result", call[0], result) for call, result in zip(calls, results, strict=True))


@pytest.mark.parametrize(
    ("wire", "says"),
    [(chat, chat_says), (responses, responses_say), (messages, messages_say)],
    ids=["chat", "responses", "messages"],
)
@given(turns=conversations())
@settings(max_examples=60, deadline=None)
def test_a_conversation_arrives_in_order_with_its_names_and_arguments(wire, says, turns):
    request = wire.read(says(turns)).request

    assert list(said_to_anthropic(message_body(CLAUDE, request))) == list(flat(turns))
    assert list(said_to_openai(chat_body(GPT, request))) == list(flat(turns))


@pytest.mark.parametrize("wire", [chat, responses], ids=["chat", "responses"])
def test_what_an_openai_client_sets_reaches_claude(wire):
    shared = {"model": "m", "tool_choice": "required", "parallel_tool_calls": False}
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    asked = (
        chat.read(
            shared
            | {
                "messages": [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
                "tools": [{"type": "function", "function": {"name": "look", "description": "L", "parameters": schema}}],
                "max_completion_tokens": 77,
                "reasoning_effort": "low",
                "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}},
            }
        )
        if wire is chat
        else responses.read(
            shared
            | {
                "input": [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
                "tools": [{"type": "function", "name": "look", "description": "L", "parameters": schema}],
                "max_output_tokens": 77,
                "reasoning": {"effort": "low"},
                "text": {"format": {"type": "json_schema", "name": "n", "schema": schema}},
            }
        )
    )
    body = message_body(CLAUDE, asked.request)
    (turn,) = body.pop("messages")

    assert (turn["role"], turn["content"]) in [("user", "Hi"), ("user", [{"type": "text", "text": "Hi"}])]
    assert body == {
        "model": "claude-opus-5-5",
        "max_tokens": 77,
        "system": "Be brief.",
        "tools": [{"name": "look", "description": "L", "input_schema": schema}],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        # a demanded call and thinking exclude each other there; the effort holds for what is written
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": schema}},
    }


def test_what_an_anthropic_client_sets_reaches_gpt():
    schema = {"type": "object", "properties": {}}
    asked = messages.read(
        {
            "model": "m",
            "max_tokens": 77,
            "system": [{"type": "text", "text": "Be brief.", "cache_control": MARK}],
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": MARK}]}],
            "tools": [{"name": "look", "description": "L", "input_schema": schema, "cache_control": MARK}],
            "tool_choice": {"type": "tool", "name": "look"},
            "thinking": {"type": "adaptive"},
            "output_config": {"effort": "max", "format": {"type": "json_schema", "schema": schema}},
        }
    )
    assert chat_body(GPT, asked.request) == {
        "model": "gpt-5.2",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        ],
        "max_completion_tokens": 77,
        "tools": [{"type": "function", "function": {"name": "look", "description": "L", "parameters": schema}}],
        "tool_choice": {"type": "function", "function": {"name": "look"}},
        "reasoning_effort": "xhigh",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": schema, "strict": True},
        },
    }


def claude_code():
    """A body of the size and make of Claude Code's: 100 KB of tools and system text, marks, a system turn in the middle."""
    tools = [
        {
            "name": f"Tool{n}",
            "description": "What it does. " * 250,
            "input_schema": {
                "type": "object",
                "properties": {"path": {"type": "string"}},
                "additionalProperties": False,
            },
        }
        for n in range(24)
    ]
    return {
        "model": "claude-sonnet-5",
        "max_tokens": 64_000,
        "stream": True,
        "system": [
            {"type": "text", "text": "x-billing: a=1;"},
            {"type": "text", "text": "You are an agent. " * 1500, "cache_control": MARK},
        ],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "say hi", "cache_control": MARK}]},
            {"role": "system", "content": "Available agents: none."},
        ],
        "tools": tools,
        "metadata": {"user_id": json.dumps({"device_id": "d", "session_id": "899fd0a9"})},
        "thinking": {"type": "adaptive"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "output_config": {"effort": "high"},
    }


def codex():
    """A body of the make of Codex's, in its second turn."""
    function = {
        "type": "function",
        "name": "exec_command",
        "description": "Runs.",
        "strict": False,
        "parameters": {"type": "object"},
    }
    return {
        "model": "gpt-5.2-codex",
        "stream": True,
        "input": [
            {
                "type": "message",
                "id": "m1",
                "role": "developer",
                "content": [{"type": "input_text", "text": "You code. " * 1700}],
            },
            {
                "type": "message",
                "id": "m2",
                "role": "user",
                "content": [{"type": "input_text", "text": "<environment/>"}],
            },
            {"type": "message", "id": "m3", "role": "user", "content": [{"type": "input_text", "text": "say hi"}]},
            {"type": "reasoning", "summary": [], "encrypted_content": "gAAAAB"},
            {"type": "function_call", "call_id": "c1", "name": "exec_command", "arguments": '{"cmd": "ls"}'},
            {"type": "function_call_output", "call_id": "c1", "output": "a b"},
        ],
        "tools": [
            function,
            {
                "type": "namespace",
                "name": "multi_agent",
                "description": "Agents.",
                "tools": [function | {"name": "spawn"}],
            },
            {"type": "web_search", "external_web_access": False},
        ],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "reasoning": {"summary": "auto"},
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "01a2",
        "client_metadata": {"session_id": "01a20208", "thread_id": "01a20208"},
    }


def test_a_body_of_claude_codes_make_is_read_and_translated():
    body = claude_code()
    assert len(json.dumps(body)) > 100_000
    asked = messages.read(body)

    assert (asked.stream, asked.session, asked.needs, asked.bound) == (True, "899fd0a9", {"tools"}, frozenset())
    to_gpt = chat_body(GPT, asked.request)
    assert [turn["role"] for turn in to_gpt["messages"]] == ["system", "user", "system"]
    assert (len(to_gpt["tools"]), to_gpt["reasoning_effort"]) == (24, "high")
    assert "cache_control" not in json.dumps(to_gpt)
    TypeAdapter(CompletionCreateParamsNonStreaming).validate_python(to_gpt)
    to_claude = message_body(CLAUDE, asked.request)
    assert json.dumps(to_claude).count("cache_control") == 2
    TypeAdapter(MessageCreateParamsNonStreaming).validate_python(to_claude)


def test_a_body_of_codexs_make_is_read_and_translated():
    asked = responses.read(codex())

    assert (asked.stream, asked.session, asked.needs, asked.bound) == (True, "01a20208", {"tools"}, frozenset())
    to_claude = message_body(CLAUDE, asked.request)
    assert [turn["role"] for turn in to_claude["messages"]] == ["user", "user", "assistant", "user"]
    assert [tool["name"] for tool in to_claude["tools"]] == ["exec_command", "multi_agent__spawn"]
    assert to_claude["system"].startswith("You code. ")
    TypeAdapter(MessageCreateParamsNonStreaming).validate_python(to_claude)
    to_gpt = chat_body(GPT, asked.request)
    assert [turn["role"] for turn in to_gpt["messages"]] == ["system", "user", "user", "assistant", "tool"]
    TypeAdapter(CompletionCreateParamsNonStreaming).validate_python(to_gpt)
