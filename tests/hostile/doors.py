"""The doors under /v1 and /mcp: a rich body that each takes, and the shape of its errors."""

import json
from collections.abc import Iterator
from typing import Any

from tests.hostile.front import Answer

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SPACE = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FORM = {"name": "place", "schema": SPACE, "strict": True}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "model": "task:code_generation",
        "messages": [
            {"role": "system", "content": "Be short."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Where?"},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "weather", "arguments": '{"city": "Paris"}'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "Sunny."},
            {"role": "user", "content": "And now?"},
        ],
        "max_tokens": 50,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["END"],
        "tools": [
            {
                "type": "function",
                "function": {"name": "weather", "description": "The weather.", "parameters": SPACE, "strict": False},
            }
        ],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "parallel_tool_calls": False,
        "response_format": {"type": "json_schema", "json_schema": FORM},
        "reasoning_effort": "low",
        "stream": False,
        "stream_options": {"include_usage": True},
        "user": "u",
        "metadata": {"a": "b"},
    },
    "/v1/responses": {
        "model": "task:code_generation",
        "instructions": "Be short.",
        "input": [
            {"role": "developer", "content": "Be kind."},
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "Where?"},
                    {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
                ],
            },
            {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"city": "Paris"}'},
            {"type": "function_call_output", "call_id": "call_1", "output": "Sunny."},
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "abc"},
            {"type": "message", "role": "user", "content": "And now?"},
        ],
        "max_output_tokens": 50,
        "temperature": 0.5,
        "tools": [
            {"type": "function", "name": "weather", "parameters": SPACE},
            {"type": "custom", "name": "shell"},
            {"type": "namespace", "name": "space", "tools": [{"type": "function", "name": "inner"}]},
        ],
        "tool_choice": {"type": "function", "name": "weather"},
        "parallel_tool_calls": True,
        "text": {"format": {"type": "json_schema", **FORM}},
        "reasoning": {"effort": "low", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "store": False,
        "stream": False,
        "client_metadata": {"session_id": "s"},
    },
    "/v1/messages": {
        "model": "task:code_generation",
        "max_tokens": 4000,
        "system": [{"type": "text", "text": "Be short.", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Where?"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm.", "signature": "abc"},
                    {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "toolu_1",
                        "content": [{"type": "text", "text": "Sunny."}],
                        "is_error": False,
                    }
                ],
            },
        ],
        "temperature": 1,
        "stop_sequences": ["END"],
        "tools": [
            {
                "name": "weather",
                "description": "The weather.",
                "input_schema": SPACE,
                "cache_control": {"type": "ephemeral"},
            }
        ],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": SPACE}},
        "context_management": {"edits": [{"type": "clear_thinking_20251015"}]},
        "metadata": {"user_id": '{"session_id": "s"}'},
        "stream": False,
    },
    "/v1/embeddings": {
        "model": "task:embeddings",
        "input": ["a", "b"],
        "encoding_format": "float",
        "dimensions": 8,
        "user": "u",
    },
    "/mcp": {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {
            "name": "dispatch",
            "arguments": {"task_type": "code_generation", "prompt": "Where?", "max_tokens": 50, "metadata": {"a": "b"}},
        },
    },
}
BODIES["/v1/messages/count_tokens"] = {
    name: value for name, value in BODIES["/v1/messages"].items() if name not in ("max_tokens", "stream")
}
MCP = (
    (b"accept", b"application/json, text/event-stream"),
    (b"mcp-protocol-version", b"2025-06-18"),
)


def error_of(door: str, answer: Answer) -> str:
    """The message of an error in the door's own shape; it is in no other."""
    assert answer.kind.startswith("application/json"), (answer.status, answer.kind, answer.content[:200])
    told = json.loads(answer.content)
    if door.startswith("/v1/messages"):
        assert set(told) <= {"type", "error", "request_id"}, told
        assert told["type"] == "error", told
        assert set(told["error"]) == {"type", "message"}, told
    elif door == "/mcp" and "jsonrpc" in told:
        assert isinstance(told["error"]["code"], int), told
    elif door == "/mcp":
        assert told["error"]["code"], told
    else:
        assert set(told) == {"error"}, told
        assert set(told["error"]) >= {"message", "type", "param", "code"}, told
    message: str = told["error"]["message"]
    assert message
    return message


def bent(body: Any, values: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    """(what was done, the body) with each of its parts in turn left out, and replaced by each of the values."""
    for path in _paths(body):
        for value in (_ABSENT, *values):
            yield f"{'.'.join(map(str, path))} = {value!r:.60}", _with(body, path, value)


_ABSENT: Any = type("Absent", (), {"__repr__": lambda self: "(left out)"})()


def _paths(body: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    parts = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for name, part in parts:
        yield (*at, name)
        yield from _paths(part, (*at, name))


def _with(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    first, *rest = path
    copy = dict(body) if isinstance(body, dict) else list(body)
    if rest:
        copy[first] = _with(body[first], tuple(rest), value)
    elif value is _ABSENT:
        copy.pop(first)
    else:
        copy[first] = value
    return copy
