"""A glance at a body says what its reading says, or nothing.

Over 300 lines: the bodies that all three wires' glances are held to.
"""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.wire import chat, messages, responses
from routing.wire.base import Asked, Unreadable, Wire

WIRES: dict[str, Wire] = {"chat": chat, "messages": messages, "responses": responses}


def told(asked: Asked) -> dict[str, Any]:
    """All that routing goes by before a body is read: naming, planning, the relay."""
    request = asked.request
    return {
        "model": asked.model,
        "stream": asked.stream,
        "needs": asked.needs,
        "bound": asked.bound,
        "include_usage": asked.include_usage,
        "session": asked.session,
        "pins": asked.pins,
        "max_tokens": request.max_tokens,
        "thinks": bool(request.thinking_budget or request.effort or request.thinks),
    }


def some(**fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with any of these fields; None where one is left out."""
    return st.fixed_dictionaries({}, optional=fields)


TEXT = st.sampled_from(["", "hi", 'a "quoted" \\ text', "ünï", "image_url", '"type":"image"'])
ODD = st.sampled_from([None, 0, 1.5, "x", [], {}, True, [{"type": "text", "text": "a"}], {"type": "image"}])
FLAG = st.sampled_from([None, True, False, True, False, "yes"])
COUNT = st.sampled_from([None, 1, 16, 4096, 1.0, 0, -1, "7", 10**9])
NAME = st.sampled_from(["task:talk", "auto", "gpt-6-sol", ""])

CHAT_PART = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, TEXT),
    st.just({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}),
    st.just({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}),
    st.just({"type": "file", "file": {"file_id": "f"}}),
    st.just({"type": "refusal", "refusal": "no"}),
)
CHAT_TURN = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "user", "assistant", "system", "developer", "tool", "function", "other"])},
    optional={
        "content": st.one_of(TEXT, st.lists(CHAT_PART, max_size=3), ODD),
        "tool_call_id": st.just("call_1"),
        "tool_calls": st.just([{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]),
        "function_call": st.sampled_from([None, {"name": "f", "arguments": "{}"}]),
        "audio": st.sampled_from([None, {"id": "a"}]),
    },
)
CHAT_TOOL = st.sampled_from(
    [
        {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},
        {"type": "custom", "custom": {"name": "c"}},
        {"type": "other"},
        {},
    ]
)
CHAT = st.fixed_dictionaries(
    {"model": NAME, "messages": st.lists(CHAT_TURN, max_size=3)},
    optional={
        "stream": FLAG,
        "stream_options": st.sampled_from([None, {}, {"include_usage": True}, {"include_usage": False}, 1]),
        "max_tokens": COUNT,
        "max_completion_tokens": COUNT,
        "tools": st.lists(CHAT_TOOL, max_size=2),
        "reasoning_effort": st.sampled_from([None, "high", "none", "odd"]),
        "temperature": st.sampled_from([None, 0.5]),
        "n": st.sampled_from([1, 2]),
        "user": st.just("u"),
        "store": FLAG,
        "response_format": st.sampled_from(
            [{"type": "text"}, {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}]
        ),
        "web_search_options": st.just({}),
        "new_field": st.just(1),
    },
)

BLOCK = st.recursive(
    st.one_of(
        st.builds(lambda text: {"type": "text", "text": text}, TEXT),
        st.just({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": ""}}),
        st.just({"type": "image", "source": {"type": "file", "file_id": "f"}}),
        st.just({"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}}),
        st.just({"type": "document", "source": {"type": "text", "data": "a"}}),
        st.just({"type": "tool_use", "id": "t", "name": "f", "input": {}}),
        st.just({"type": "thinking", "thinking": "hm", "signature": "s"}),
        st.just({"type": "server_tool_use", "id": "t", "name": "web_search", "input": {}}),
        st.just({"type": "search_result"}),
    ),
    lambda inner: st.builds(
        lambda content: {"type": "tool_result", "tool_use_id": "t", "content": content}, st.lists(inner, max_size=2)
    ),
    max_leaves=2,
)
MESSAGES = st.fixed_dictionaries(
    {
        "model": NAME,
        "max_tokens": COUNT,
        "messages": st.lists(
            st.fixed_dictionaries(
                {
                    "role": st.sampled_from(["user", "assistant", "system", "other"]),
                    "content": st.one_of(TEXT, st.lists(BLOCK, max_size=3), ODD),
                }
            ),
            max_size=3,
        ),
    },
    optional={
        "stream": FLAG,
        "system": st.sampled_from(["be kind", [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]]),
        "tools": st.lists(
            st.sampled_from(
                [
                    {"name": "f", "input_schema": {"type": "object"}},
                    {"type": "custom", "name": "f", "input_schema": {}, "defer_loading": True},
                    {"type": "web_search_20250305", "name": "web_search"},
                    {"type": "bash_20250124", "name": "bash"},
                ]
            ),
            max_size=2,
        ),
        "thinking": st.sampled_from(
            [
                None,
                {"type": "enabled", "budget_tokens": 1024},
                {"type": "enabled", "budget_tokens": 5000},
                {"type": "enabled"},
                {"type": "disabled"},
                {"type": "adaptive"},
            ]
        ),
        "output_config": st.sampled_from(
            [None, {"effort": "high"}, {"format": {"type": "json_schema", "schema": {}}}, {"effort": "odd"}, {}]
        ),
        "context_management": st.sampled_from(
            [None, {"edits": [{"type": "clear_tool_uses_20250919"}]}, {"edits": [{"type": "compact"}]}, {}]
        ),
        "metadata": st.sampled_from(
            [None, {}, {"user_id": "u_session_abc-1"}, {"user_id": '{"session_id": "s"}'}, {"user_id": 7}, "x"]
        ),
        "mcp_servers": st.just([{"type": "url"}]),
        "betas": st.just(["a"]),
    },
)

RESPONSE_PART = st.sampled_from(
    [
        {"type": "input_text", "text": "a"},
        {"type": "output_text", "text": "a"},
        {"type": "input_image", "image_url": "https://example.com/a.png"},
        {"type": "input_file", "file_id": "f"},
    ]
)
ITEM = st.one_of(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["user", "assistant", "developer", "other"]),
            "content": st.one_of(TEXT, st.lists(RESPONSE_PART, max_size=2), ODD),
        },
        optional={"type": st.just("message")},
    ),
    st.sampled_from(
        [
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "done"},
            {
                "type": "function_call_output",
                "call_id": "c",
                "output": [{"type": "input_image", "image_url": "https://e.com/a.png"}],
            },
            {"type": "reasoning", "summary": [], "encrypted_content": "x"},
            {"type": "item_reference", "id": "i"},
            {"type": "computer_call", "id": "i"},
        ]
    ),
)
RESPONSES = st.fixed_dictionaries(
    {"model": NAME, "input": st.one_of(TEXT, st.lists(ITEM, max_size=3))},
    optional={
        "stream": FLAG,
        "store": FLAG,
        "max_output_tokens": COUNT,
        "instructions": st.just("be kind"),
        "previous_response_id": st.just("resp_1"),
        "tools": st.lists(
            st.sampled_from(
                [
                    {"type": "function", "name": "f", "parameters": {"type": "object"}},
                    {"type": "custom", "name": "c"},
                    {"type": "web_search", "external_web_access": False},
                    {"type": "web_search"},
                    {"type": "namespace", "name": "n", "tools": []},
                    {"type": "local_shell"},
                ]
            ),
            max_size=2,
        ),
        "tool_choice": st.sampled_from(["auto", {"type": "function", "name": "f"}, {"type": "file_search"}]),
        "reasoning": st.sampled_from([None, {"effort": "high"}, {"effort": None}, {"summary": "auto"}]),
        "text": st.sampled_from(
            [None, {"verbosity": "low"}, {"format": {"type": "json_schema", "name": "n", "schema": {}}}]
        ),
        "include": st.sampled_from([None, ["reasoning.encrypted_content"], ["message.output_text.logprobs"]]),
        "client_metadata": st.sampled_from([None, {"session_id": "s"}, {"session_id": 1}, "x"]),
        "conversation": st.just("conv_1"),
        "top_logprobs": st.sampled_from([0, 2]),
        "truncation": st.just("auto"),
    },
)


@pytest.mark.parametrize("name", WIRES)
@settings(max_examples=400)
@given(data=st.data())
def test_a_glance_says_what_the_reading_says_or_nothing(name, data):
    wire = WIRES[name]
    body = data.draw({"chat": CHAT, "messages": MESSAGES, "responses": RESPONSES}[name])
    glanced = wire.glance(json.dumps(body).encode())
    if glanced is None:
        return
    try:
        read = wire.read(body)
    except Unreadable:
        return  # a relayed body is the provider's to refuse
    assert told(glanced) == told(read)


PLAIN: dict[str, list[dict[str, Any]]] = {
    "chat": [
        {"model": "task:talk", "messages": [{"role": "user", "content": "hi"}]},
        {
            "model": "m",
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": 9,
            "tools": [{"type": "function", "function": {"name": "f"}}],
            "messages": [
                {"role": "system", "content": "s"},
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.com"}}]},
                {"role": "assistant", "content": None, "tool_calls": []},
                {"role": "tool", "tool_call_id": "c", "content": "r"},
            ],
        },
    ],
    "messages": [  # as Claude Code writes them
        {
            "model": "claude-sonnet-5",
            "max_tokens": 32000,
            "stream": True,
            "thinking": {"type": "adaptive"},
            "system": [{"type": "text", "text": "You are", "cache_control": {"type": "ephemeral"}}],
            "tools": [{"name": "Agent", "input_schema": {"properties": {"model": {"enum": ["a"]}}}}],
            "metadata": {"user_id": '{"session_id": "abc"}'},
            "output_config": {"effort": "high"},
            "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
            "messages": [{"role": "user", "content": [{"type": "text", "text": "say hi"}]}],
        }
    ],
    "responses": [  # as Codex writes them
        {
            "model": "gpt-6-codex",
            "stream": True,
            "store": False,
            "instructions": "You are",
            "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}],
            "tools": [
                {"type": "function", "name": "f", "parameters": {}},
                {"type": "custom", "name": "apply_patch", "format": {"type": "grammar"}},
                {"type": "web_search", "external_web_access": False},
            ],
            "tool_choice": "auto",
            "parallel_tool_calls": False,
            "reasoning": {"effort": "medium", "summary": "auto"},
            "include": ["reasoning.encrypted_content"],
            "prompt_cache_key": "k",
            "client_metadata": {"session_id": "s"},
        }
    ],
}


@pytest.mark.parametrize(("name", "body"), [(name, body) for name, bodies in PLAIN.items() for body in bodies])
def test_what_programs_send_all_day_is_told_at_a_glance(name, body):
    glanced = WIRES[name].glance(json.dumps(body).encode())
    assert glanced is not None
    assert told(glanced) == told(WIRES[name].read(body))


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'{"model": NaN}', b"\xff", b"[" * 100_000])
@pytest.mark.parametrize("name", WIRES)
def test_a_glance_at_what_is_no_body_says_nothing(name, raw):
    assert WIRES[name].glance(raw) is None
