"""What a sound answer and an error look like on each wire, whole and as a stream's events."""

import json
from collections.abc import Iterator
from typing import Any

from tests.doubles.script import Act

STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
Body = dict[str, Any]


def is_anthropic(path: str) -> bool:
    return path.split("?")[0].endswith("/messages") or is_count(path)


def is_count(path: str) -> bool:
    return path.split("?")[0].endswith("/messages/count_tokens")


def is_responses(path: str) -> bool:
    return path.split("?")[0].endswith("/responses")


def error_body(path: str, act: Act) -> Body:
    kind, code, message = act.error
    said = {"type": kind or f"error_{act.status}", "message": message or f"the double says {act.status}"}
    if is_anthropic(path):
        return {"type": "error", "error": said, "request_id": "req_double"}
    return {"error": said | {"param": None, "code": code or None}}


def answer_body(path: str, model: str, act: Act) -> Body:
    if is_count(path):
        return {"input_tokens": act.read}
    if act.vectors:
        return _embeddings(model, act)
    if is_responses(path):
        return _response(model, act)
    return _anthropic(model, act) if is_anthropic(path) else _openai(model, act)


def events(path: str, model: str, act: Act) -> list[bytes]:
    """The server-sent events of a streamed answer, one chunk a word."""
    if is_responses(path):
        return _response_events(model, act)
    return _anthropic_events(model, act) if is_anthropic(path) else _openai_events(model, act)


def _embeddings(model: str, act: Act) -> Body:
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in act.vectors]
    usage = {"prompt_tokens": act.read, "total_tokens": act.read}
    return {"id": "req_double", "object": "list", "data": data, "model": model + "-served", "usage": usage}


def _openai(model: str, act: Act) -> Body:
    message: Body = {"role": "assistant", "content": act.text, "refusal": None}
    if act.thinking:
        message["reasoning_content"] = act.thinking
    if act.tool_calls:
        message["tool_calls"] = _openai_calls(act)
    return {
        "id": "chatcmpl-double",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": model + "-served",
        "choices": [{"index": 0, "message": message, "finish_reason": act.finish, "logprobs": None}],
        "usage": _openai_usage(act),
        **_tier(act),
    }


def _tier(act: Act) -> Body:
    return {"service_tier": act.service_tier} if act.service_tier else {}


def _openai_calls(act: Act) -> list[Body]:
    return [
        {"id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for n, (name, arguments) in enumerate(act.tool_calls)
    ]


def _openai_usage(act: Act) -> Body:
    return {
        "prompt_tokens": act.read,
        "completion_tokens": act.written,
        "total_tokens": act.read + act.written,
        "prompt_tokens_details": {"cached_tokens": act.cached, "cache_write_tokens": act.cache_write},
        "completion_tokens_details": {"reasoning_tokens": act.reasoning},
    }


def _openai_events(model: str, act: Act) -> list[bytes]:
    head = {"id": "chatcmpl-double", "object": "chat.completion.chunk", "created": 1, "model": model + "-served"}
    head |= _tier(act)

    def chunk(delta: Body, finish: str | None = None) -> Body:
        return head | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    chunks = [chunk({"role": "assistant", "content": ""})]
    if act.thinking:
        chunks.append(chunk({"reasoning_content": act.thinking}))
    chunks += [chunk({"content": word}) for word in _words(act.text)]
    for n, call in enumerate(_openai_calls(act)):
        whole = call["function"]["arguments"]
        first = call | {"index": n, "function": {"name": call["function"]["name"], "arguments": whole[:4]}}
        chunks += [chunk({"tool_calls": [first]})]
        chunks += [chunk({"tool_calls": [{"index": n, "function": {"arguments": whole[4:]}}]})]
    if act.fault != "no_finish":
        chunks += [chunk({}, act.finish), head | {"choices": [], "usage": _openai_usage(act)}]
    return [b"data: " + _raw(each) + b"\n\n" for each in chunks] + [b"data: [DONE]\n\n"]


def _response(model: str, act: Act) -> Body:
    return {
        "id": "resp_double",
        "object": "response",
        "created_at": 1_790_000_000,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": model + "-served",
        "output": [*_searches(act), *_items(act)],
        **_tier(act),
        "usage": {
            "input_tokens": act.read,
            "input_tokens_details": {"cached_tokens": act.cached, "cache_write_tokens": act.cache_write},
            "output_tokens": act.written,
            "output_tokens_details": {"reasoning_tokens": act.reasoning},
            "total_tokens": act.read + act.written,
        },
    }


def _searches(act: Act) -> list[Body]:
    action = {"type": "search", "query": "weather"}
    return [
        {"type": "web_search_call", "id": f"ws_{number}", "status": "completed", "action": action}
        for number in range(act.searches)
    ]


def _items(act: Act) -> Iterator[Body]:
    if act.text or not act.tool_calls:
        part = {"type": "output_text", "text": act.text, "annotations": []}
        yield {"type": "message", "id": "msg_0", "role": "assistant", "status": "completed", "content": [part]}
    for n, call in enumerate(_openai_calls(act)):
        space, _, name = call["function"]["name"].rpartition("/")  # a tool of a namespace is scripted as "space/name"
        told = call["function"] | {"name": name} | ({"namespace": space} if space else {})
        yield {"type": "function_call", "id": f"fc_{n}", "call_id": call["id"], "status": "completed"} | told


def _response_events(model: str, act: Act) -> list[bytes]:
    whole = _response(model, act)
    begun = whole | {"status": "in_progress", "output": [], "usage": None}
    said: list[Body] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    for index, item in enumerate(_items(act)):
        place: Body = {"item_id": item["id"], "output_index": index}
        if item["type"] == "message":
            opening, kind, parts = {"content": []}, "output_text", _words(act.text)
        else:
            opening, kind = {"arguments": ""}, "function_call_arguments"
            parts = [item["arguments"][:4], item["arguments"][4:]]
        said += [{"type": "response.output_item.added", "output_index": index, "item": item | opening}]
        if item["type"] == "message":
            place["content_index"] = 0
            said += [{"type": "response.content_part.added", "part": item["content"][0] | {"text": ""}} | place]
        said += [{"type": f"response.{kind}.delta", "delta": part} | place for part in parts]
        said += [{"type": "response.output_item.done", "output_index": index, "item": item}]
    if act.fault != "no_finish":
        said.append({"type": "response.completed", "response": whole})
    numbered = [each | {"sequence_number": number} for number, each in enumerate(said)]
    return [f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in numbered]


def _anthropic(model: str, act: Act) -> Body:
    content: list[Body] = []
    if act.thinking:
        content.append({"type": "thinking", "thinking": act.thinking, "signature": "c2lnbmF0dXJl"})
    if act.text:
        content.append({"type": "text", "text": act.text})
    content += [_anthropic_call(n, *call) for n, call in enumerate(act.tool_calls)]
    return {
        "id": "msg_double",
        "type": "message",
        "role": "assistant",
        "model": model + "-served",
        "content": content,
        "stop_reason": STOPS[act.finish],
        "stop_sequence": None,
        "usage": _anthropic_usage(act),
    }


def _anthropic_call(n: int, name: str, arguments: Body) -> Body:
    return {"type": "tool_use", "id": f"toolu_{n}", "name": name, "input": arguments}


def _anthropic_usage(act: Act) -> Body:
    return {
        "input_tokens": act.read - act.cached - act.cache_write,
        "cache_read_input_tokens": act.cached,
        "cache_creation_input_tokens": act.cache_write,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": act.cache_write},
        "output_tokens": act.written,
        "output_tokens_details": {"thinking_tokens": act.reasoning},
        "server_tool_use": {"web_search_requests": act.searches, "web_fetch_requests": 0},
        **_tier(act),
    }


def _anthropic_events(model: str, act: Act) -> list[bytes]:
    whole = _anthropic(model, act)
    start = whole | {"content": [], "stop_reason": None, "usage": whole["usage"] | {"output_tokens": 1}}
    said: list[Body] = [{"type": "message_start", "message": start}, {"type": "ping"}]
    for index, block in enumerate(whole["content"]):
        opening, deltas = _anthropic_block(block)
        said.append({"type": "content_block_start", "index": index, "content_block": opening})
        said += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        said.append({"type": "content_block_stop", "index": index})
    if act.fault != "no_finish":
        delta = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
        said.append({"type": "message_delta", "delta": delta, "usage": {"output_tokens": act.written}})
        said.append({"type": "message_stop"})
    return [f"event: {each['type']}\ndata: ".encode() + _raw(each) + b"\n\n" for each in said]


def _anthropic_block(block: Body) -> tuple[Body, list[Body]]:
    if block["type"] == "text":
        return block | {"text": ""}, [{"type": "text_delta", "text": word} for word in _words(block["text"])]
    if block["type"] == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": block["thinking"]}]
        return block | {"thinking": "", "signature": ""}, [
            *deltas,
            {"type": "signature_delta", "signature": block["signature"]},
        ]
    whole = json.dumps(block["input"])
    pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in (whole[:4], whole[4:])]
    return block | {"input": {}}, pieces


def _raw(event: Body) -> bytes:
    """As providers write it: nothing escaped that JSON lets stand."""
    return json.dumps(event, ensure_ascii=False).encode("utf-8", "replace")


def _words(text: str) -> list[str]:
    return [word + " " for word in text.split(" ")[:-1]] + text.split(" ")[-1:]
