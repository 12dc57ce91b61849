"""What an answer came to is the same over the SDKs and the relay, whole and streamed.

The shapes are the vendors' own: fields as the installed SDKs declare them (anthropic.types.Usage, anthropic.types.beta.BetaUsage,
openai.types.CompletionUsage, openai.types.responses.ResponseUsage), and what compatible servers add.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from routing.providers.anthropic import message_answer
from routing.providers.anthropic_stream import MessageStream
from routing.providers.exchange import Reply
from routing.providers.openai import chat_answer
from routing.providers.openai_stream import CompletionStream
from routing.providers.relay_reading import READINGS, Reading
from routing.providers.relay_stream import Scan
from routing.providers.usage import tier_of
from routing.terms.fault import Fault
from routing.terms.request import Usage
from routing.terms.words import ErrorKind

Body = dict[str, Any]


def anthropic(**usage: Any) -> Body:
    content = [{"type": "text", "text": "It works."}]
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-5-5", "content": content}
    return head | {"stop_reason": "end_turn", "stop_sequence": None, "usage": usage}


def chat(usage: Body | None, **beside: Any) -> Body:
    choice = {"index": 0, "message": {"role": "assistant", "content": "It works."}, "finish_reason": "stop"}
    return {"id": "c_1", "object": "chat.completion", "model": "m", "choices": [choice], **beside} | (
        {"usage": usage} if usage else {}
    )


def response(usage: Body, *items: Body, **beside: Any) -> Body:
    text = {"type": "output_text", "text": "It works.", "annotations": []}
    message = {"type": "message", "id": "m_1", "role": "assistant", "status": "completed", "content": [text]}
    head = {"id": "resp_1", "object": "response", "model": "m", "status": "completed", "output": [*items, message]}
    return head | {"usage": usage} | beside


def searched(kind: str, status: str = "completed") -> Body:
    return {"type": "web_search_call", "id": "ws_1", "status": status, "action": {"type": kind, "query": "q"}}


def prompt(read: int, written: int, more: int = 0, **beside: Any) -> Body:
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written + more, **beside}


# name → (wire, body, what it came to)
TOLD: dict[str, tuple[str, Body, Usage | None]] = {
    # 100 beside 900 from the cache and 60 into it, 20 of them for an hour: 1,060 read
    "anthropic, cached": (
        "anthropic",
        anthropic(
            input_tokens=100,
            cache_read_input_tokens=900,
            cache_creation_input_tokens=60,
            cache_creation={"ephemeral_5m_input_tokens": 40, "ephemeral_1h_input_tokens": 20},
            output_tokens=50,
            output_tokens_details={"thinking_tokens": 30},
            server_tool_use=None,
            service_tier="standard",
            speed="standard",
            inference_geo="global",
        ),
        Usage(1060, 50, 900, 60, 20, 30),
    ),
    "anthropic, searching": (
        "anthropic",
        anthropic(
            input_tokens=6039,
            output_tokens=931,
            cache_read_input_tokens=0,
            cache_creation_input_tokens=0,
            server_tool_use={"web_search_requests": 3, "web_fetch_requests": 2},
            service_tier="priority",
        ),
        Usage(6039, 931, searches=3, service_tier="priority"),
    ),
    "anthropic, fast": (
        "anthropic",
        anthropic(input_tokens=10, output_tokens=5, service_tier="standard", speed="fast"),
        Usage(10, 5, service_tier="fast"),
    ),
    # The compaction's own 180,000 and 3,500 are not in the usage above it, and are billed.
    "anthropic, compacted": (
        "anthropic",
        anthropic(
            input_tokens=23_000,
            output_tokens=1_000,
            iterations=[
                {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3_500, "cache_read_input_tokens": 0},
                {"type": "message", "input_tokens": 23_000, "output_tokens": 1_000, "cache_read_input_tokens": 0},
            ],
        ),
        Usage(203_000, 4_500),
    ),
    "openai, cached and reasoning": (
        "openai_chat",
        chat(
            prompt(
                1000,
                500,
                prompt_tokens_details={"cached_tokens": 900, "cache_write_tokens": 50, "audio_tokens": 0},
                completion_tokens_details={"reasoning_tokens": 320, "accepted_prediction_tokens": 0},
            ),
            service_tier="flex",
        ),
        Usage(1000, 500, 900, 50, 0, 320, service_tier="flex"),
    ),
    "openai, default tier": ("openai_chat", chat(prompt(10, 5), service_tier="default"), Usage(10, 5)),
    "groq": ("openai_chat", chat(prompt(10, 5, queue_time=0.1), service_tier="on_demand"), Usage(10, 5)),
    # Thoughts stand in the total alone: 300 + 20 written and 1,000 thought are 1,320.
    "gemini, thinking": (
        "openai_chat",
        chat(prompt(300, 20, more=1000)),
        Usage(300, 1020, reasoning_tokens=1000),
    ),
    "xai, reasoning beside": (
        "openai_chat",
        chat(prompt(32, 9, more=110, completion_tokens_details={"reasoning_tokens": 110}, num_sources_used=0)),
        Usage(32, 119, reasoning_tokens=110),
    ),
    "deepseek, cached": (
        "openai_chat",
        chat(prompt(1000, 5, prompt_cache_hit_tokens=960, prompt_cache_miss_tokens=40)),
        Usage(1000, 5, 960),
    ),
    "moonshot, cached": ("openai_chat", chat(prompt(1000, 5, cached_tokens=768)), Usage(1000, 5, 768)),
    "openrouter, searching": (
        "openai_chat",
        chat(
            prompt(
                2000,
                40,
                cost=0.0042,
                is_byok=False,
                prompt_tokens_details={"cached_tokens": 0, "cache_write_tokens": 1900},
                server_tool_use={"web_search_requests": 2},
                cost_details={"upstream_inference_cost": None},
            )
        ),
        Usage(2000, 40, cache_write_tokens=1900, searches=2),
    ),
    "perplexity": ("openai_chat", chat(prompt(33, 716, num_search_queries=18)), Usage(33, 716, searches=18)),
    "vllm without usage": ("openai_chat", chat(None), None),
    "responses, cached and reasoning": (
        "openai_responses",
        response(
            {
                "input_tokens": 1000,
                "input_tokens_details": {
                    "cached_tokens": 600,
                    "cache_write_tokens": 300,
                    "cache_write_tokens_details": {"ttl_12h_tokens": 100, "ttl_30m_tokens": 200},
                },
                "output_tokens": 700,
                "output_tokens_details": {"reasoning_tokens": 640},
                "total_tokens": 1700,
            },
            service_tier="priority",
        ),
        Usage(1000, 700, 600, 300, 100, 640, service_tier="priority"),
    ),
    # Of five calls two are searches that came to something; a page that is opened costs nothing.
    "responses, searching": (
        "openai_responses",
        response(
            {"input_tokens": 9000, "output_tokens": 300, "total_tokens": 9300},
            *(searched("search"), searched("open_page"), searched("find_in_page"), searched("search")),
            searched("search", "failed"),
            service_tier="default",
        ),
        Usage(9000, 300, searches=2),
    ),
}


def messages_events(body: Body) -> Iterator[Body]:
    """As Anthropic streams it: the input, the tier and the speed at the beginning, cumulative counts at the end."""
    late = ("output_tokens_details", "server_tool_use", "iterations")
    usage = {name: value for name, value in body["usage"].items() if name not in late}
    begun = body | {"content": [], "stop_reason": None, "usage": usage | {"output_tokens": 1}}
    counts = {
        name: value
        for name, value in body["usage"].items()
        if name not in ("cache_creation", "service_tier", "speed", "inference_geo")
    }
    yield {"type": "message_start", "message": begun}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "It works."}}
    yield {"type": "content_block_stop", "index": 0}
    yield {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": counts}
    yield {"type": "message_stop"}


def chat_events(body: Body) -> Iterator[Body]:
    head = {name: value for name, value in body.items() if name not in ("choices", "usage")}
    yield head | {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "It "}, "finish_reason": None}]}
    yield head | {"choices": [{"index": 0, "delta": {"content": "works."}, "finish_reason": None}]}
    yield head | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    if "usage" in body:
        yield head | {"choices": [], "usage": body["usage"]}


def response_events(body: Body) -> Iterator[Body]:
    begun = body | {"status": "in_progress", "output": [], "usage": None, "service_tier": "auto"}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.output_text.delta", "delta": "It works.", "item_id": "m_1", "output_index": 0}
    yield {"type": "response.completed", "response": body}


EVENTS: dict[str, Callable[[Body], Iterator[Body]]] = {
    "anthropic": messages_events,
    "openai_chat": chat_events,
    "openai_responses": response_events,
}


def over_the_sdk(wire: str, body: Body) -> Usage | None:
    return (message_answer if wire == "anthropic" else chat_answer)(Reply(body, {})).usage


def over_the_sdk_streamed(wire: str, body: Body) -> Usage | None:
    whole = MessageStream() if wire == "anthropic" else CompletionStream()
    for event in EVENTS[wire](body):
        list(whole.feed(event))
    return over_the_sdk(wire, whole.whole())


def relayed(wire: str, body: Body) -> Usage | None:
    reading = READINGS[wire]()
    reading.whole(body)
    return reading.usage


def relayed_stream(wire: str, body: Body) -> Usage | None:
    reading: Reading = READINGS[wire]()
    scan = Scan(reading, lambda data: Fault(ErrorKind.SERVER, data.decode()), drops_usage=False)
    for event in EVENTS[wire](body):
        scan.feed(b"data: " + json.dumps(event).encode() + b"\n\n")
    scan.feed(b"")
    return reading.usage


WAYS = {
    "SDK": over_the_sdk,
    "SDK, streamed": over_the_sdk_streamed,
    "relay": relayed,
    "relay, streamed": relayed_stream,
}
MATRIX = [
    pytest.param(way, wire, body, usage, id=f"{name}, {lane}")
    for name, (wire, body, usage) in TOLD.items()
    for lane, way in WAYS.items()
    if not (wire == "openai_responses" and way in (over_the_sdk, over_the_sdk_streamed))  # this wire is relayed alone
]


@pytest.mark.parametrize(("way", "wire", "body", "usage"), MATRIX)
def test_the_same_answer_comes_to_the_same_whichever_way_it_goes(
    way: Callable[[str, Body], Usage | None], wire: str, body: Body, usage: Usage | None
) -> None:
    assert way(wire, body) == usage


@pytest.mark.parametrize("told", [None, 7, True, {}, [], "", "Standard", "auto", "\x00default", "x" * 5000, "\ud800"])
def test_whatever_a_server_calls_its_tier_fits_a_row(told: object) -> None:
    assert len(tier_of(told)) <= 24
    assert tier_of(told) == "" or isinstance(told, str)


@pytest.mark.parametrize("usage", [[], "many", {"iterations": [1, None, {"type": "compaction", "input_tokens": "9"}]}])
def test_a_usage_that_is_none_is_no_defect(usage: Any) -> None:
    body = anthropic() | {"usage": usage}
    expected = Usage() if isinstance(usage, dict) else None
    assert [way("anthropic", body) for way in (over_the_sdk, relayed)] == [expected, expected]
