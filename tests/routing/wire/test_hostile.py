"""Whatever a body holds, reading it gives a request or says what is wrong: no other error comes out."""

import contextlib
from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.wire import chat, embeddings, messages, responses
from routing.wire.base import Asked, Unreadable
from routing.wire.embeddings import AskedEmbedding

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["\ud800", "\0", "auto"])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
# One body a wire that uses all of its fields; each is then spoilt in one place.
BODIES = {
    chat: {
        "model": "m",
        "messages": [
            {"role": "system", "content": "S"},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}]},
            {
                "role": "assistant",
                "content": [{"type": "refusal", "refusal": "No"}],
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c", "content": "r"},
        ],
        "tools": [
            {"type": "function", "function": {"name": "f", "parameters": {}, "strict": True}},
            {"type": "custom", "custom": {"name": "g", "format": {"type": "grammar", "grammar": {"definition": "x"}}}},
        ],
        "tool_choice": {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "auto", "tools": [{"type": "custom", "custom": {"name": "g"}}]},
        },
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
        "stream_options": {"include_usage": True},
        "stop": ["a"],
        "modalities": ["text"],
        "n": 1,
        "presence_penalty": 0.0,
    },
    responses: {
        "model": "m",
        "input": [
            {
                "role": "user",
                "content": [{"type": "input_file", "filename": "a", "file_data": "data:application/pdf;base64,aGk="}],
            },
            {"type": "reasoning", "summary": [], "encrypted_content": "cortex-thinking:e30="},
            {"type": "function_call", "call_id": "c", "name": "f", "namespace": "s", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "r"}]},
            {"type": "custom_tool_call", "call_id": "d", "name": "g", "input": "x"},
            {"type": "additional_tools", "tools": [{"type": "function", "name": "f"}]},
        ],
        "tools": [
            {"type": "namespace", "name": "s", "tools": [{"type": "function", "name": "f"}]},
            {"type": "web_search", "external_web_access": False},
        ],
        "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
        "text": {"format": {"type": "json_object"}},
        "reasoning": {"effort": "low"},
        "include": ["x"],
        "client_metadata": {"session_id": "s"},
        "top_logprobs": 0,
    },
    messages: {
        "model": "m",
        "max_tokens": 5000,
        "system": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": [IMAGE, {"type": "tool_result", "tool_use_id": "c", "content": [IMAGE]}]},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": "s"}]},
            {"role": "system", "content": [{"type": "text", "text": "S"}]},
        ],
        "tools": [{"name": "f", "input_schema": {}, "cache_control": {"type": "ephemeral"}}],
        "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {}}},
        "context_management": {"edits": [{"type": "clear_x"}]},
        "metadata": {"user_id": "{}"},
        "stop_sequences": ["a"],
    },
    embeddings: {"model": "m", "input": [[1, 2]], "dimensions": 3, "encoding_format": "float"},
}


def places(value, path=()):
    """Every place in a body."""
    if path:
        yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


def spoilt(body, path, value):
    body = deepcopy(body)
    place = body
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return body


@pytest.mark.parametrize("wire", BODIES, ids=lambda wire: wire.__name__.rsplit(".", 1)[-1])
def test_a_body_with_every_field_is_read(wire):
    assert isinstance(wire.read(BODIES[wire]), Asked | AskedEmbedding)


@pytest.mark.parametrize("wire", BODIES, ids=lambda wire: wire.__name__.rsplit(".", 1)[-1])
@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_a_body_that_is_spoilt_anywhere_is_read_or_refused_with_a_path(wire, data):
    path = data.draw(st.sampled_from(list(places(BODIES[wire]))))
    body = spoilt(BODIES[wire], path, data.draw(JSON))

    with contextlib.suppress(Unreadable):
        hash(getattr(wire.read(body), "needs"))  # noqa: B009 - what policy memoises plans by


@pytest.mark.parametrize("wire", BODIES, ids=lambda wire: wire.__name__.rsplit(".", 1)[-1])
def test_every_place_is_checked_against_a_few_values_that_are_wrong_almost_everywhere(wire):
    for path in places(BODIES[wire]):
        for value in (None, True, -1, 1e400, "\ud800", [], {}, [[]], [{}], {"type": {}}, {"type": "text"}):
            with contextlib.suppress(Unreadable):
                wire.read(spoilt(BODIES[wire], path, value))
