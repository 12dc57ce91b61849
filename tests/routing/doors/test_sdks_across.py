"""The official SDKs, each served by its own vendor's wire and by the other's: they parse what comes as if they had asked their vendor."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from routing.terms.words import ProviderKind
from tests.doubles import script
from tests.routing.doors.sdks import HELLO, MODEL, There
from tests.routing.two_providers import ANTHROPIC, OPENAI

pytestmark = pytest.mark.django_db
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SPACE = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "The weather.", "parameters": SPACE}}
CALLS = script.answer(
    "", tool_calls=(("weather", {"city": "Paris"}), ("weather", {"city": "Rome"})), finish="tool_calls"
)
KINDS = [ANTHROPIC, OPENAI]


class Place(BaseModel):
    city: str
    country: str


# ── what a model says, to each client, by each provider: (text, thinking, [(tool, arguments)], stop, input, output tokens) ──

Said = tuple[str, str, list[tuple[str, dict[str, Any]]], str, int, int]


def chat(there: There, stream: bool, messages: Any = HELLO) -> Said:
    asked: dict[str, Any] = {"model": MODEL, "messages": messages, "tools": [WEATHER]}
    if stream:
        with there.openai.chat.completions.stream(**asked, stream_options={"include_usage": True}) as events:
            list(events)
            completion: Any = events.get_final_completion()
    else:
        completion = there.openai.chat.completions.create(**asked)
    (choice,) = completion.choices
    calls = [(call.function.name, json.loads(call.function.arguments)) for call in choice.message.tool_calls or ()]
    thinking = getattr(choice.message, "reasoning_content", None) or ""
    usage = completion.usage
    return (
        choice.message.content or "",
        thinking,
        calls,
        choice.finish_reason,
        usage.prompt_tokens,
        usage.completion_tokens,
    )


def responses(there: There, stream: bool) -> Said:
    tool = {"type": "function", **WEATHER["function"], "strict": False}  # type: ignore[dict-item]
    asked: dict[str, Any] = {"model": MODEL, "input": "hello", "tools": [tool], "reasoning": {"effort": "low"}}
    if stream:
        with there.openai.responses.stream(**asked) as events:
            list(events)
            response: Any = events.get_final_response()
    else:
        response = there.openai.responses.create(**asked)
    calls = [(item.name, json.loads(item.arguments)) for item in response.output if item.type == "function_call"]
    parts = [part.text for item in response.output if item.type == "reasoning" for part in item.summary]
    usage = response.usage
    return response.output_text, "".join(parts), calls, response.status, usage.input_tokens, usage.output_tokens


def messages(there: There, stream: bool) -> Said:
    tool = {"name": "weather", "description": "The weather.", "input_schema": SPACE}
    asked: dict[str, Any] = {"model": MODEL, "max_tokens": 2000, "messages": HELLO, "tools": [tool]}
    if stream:
        with there.anthropic.messages.stream(**asked) as events:
            list(events)
            message: Any = events.get_final_message()
    else:
        message = there.anthropic.messages.create(**asked)
    text = "".join(block.text for block in message.content if block.type == "text")
    thinking = "".join(block.thinking for block in message.content if block.type == "thinking")
    calls = [(block.name, block.input) for block in message.content if block.type == "tool_use"]
    usage = message.usage
    read = usage.input_tokens + (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
    return text, thinking, calls, message.stop_reason, read, usage.output_tokens


CLIENTS: dict[str, Callable[[There, bool], Said]] = {"chat": chat, "responses": responses, "messages": messages}
STOPS = {
    "stop": {"chat": "stop", "responses": "completed", "messages": "end_turn"},
    "length": {"chat": "length", "responses": "incomplete", "messages": "max_tokens"},
    "tool_calls": {"chat": "tool_calls", "responses": "completed", "messages": "tool_use"},
}
each_way = [
    pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"]),
    pytest.mark.parametrize("kind", KINDS, ids=str),
    pytest.mark.parametrize("client", CLIENTS),
]


def every_way(test: Any) -> Any:
    for mark in each_way:
        test = mark(test)
    return test


@every_way
def test_text_stops_and_tokens_are_the_same_whoever_serves(
    there: There, client: str, kind: ProviderKind, stream: bool
) -> None:
    there.route(kind)
    there.first.will(script.answer("It works as it should.", read=100, cached=60, written=20))
    said = CLIENTS[client](there, stream)
    assert said == ("It works as it should.", "", [], STOPS["stop"][client], 100, 20)
    assert not there.second.requests


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_an_answer_that_was_cut_says_so(there: There, kind: ProviderKind) -> None:
    there.route(kind)
    for client in ("chat", "messages") if kind is OPENAI else CLIENTS:  # the double's responses end by themselves
        there.first.will(script.answer("It was cut", finish="length"))
        assert CLIENTS[client](there, False)[3] == STOPS["length"][client]


@every_way
def test_several_tool_calls_are_the_same_whoever_makes_them(
    there: There, client: str, kind: ProviderKind, stream: bool
) -> None:
    there.route(kind)
    there.first.will(CALLS)
    text, _, calls, stop, _, _ = CLIENTS[client](there, stream)
    assert (text, calls, stop) == (
        "",
        [("weather", {"city": "Paris"}), ("weather", {"city": "Rome"})],
        STOPS["tool_calls"][client],
    )


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("client", "kind"),
    [("responses", ANTHROPIC), ("messages", OPENAI), ("messages", ANTHROPIC), ("chat", ANTHROPIC), ("chat", OPENAI)],
)
def test_thinking_is_told_apart_from_the_answer(there: There, client: str, kind: ProviderKind, stream: bool) -> None:
    there.route(kind)
    there.first.will(script.answer("Paris.", thinking="A capital, then.", reasoning=7))
    text, thinking, *_ = CLIENTS[client](there, stream)
    assert (text, thinking) == ("Paris.", "A capital, then.")


# ── what a program says, and what the provider gets of it ──


def test_openais_tool_results_reach_anthropics_model(there: There) -> None:
    there.route(ANTHROPIC)
    there.first.will(CALLS, script.answer("Sunny in both."))
    asked: dict[str, Any] = {"model": MODEL, "tools": [WEATHER]}
    message = there.openai.chat.completions.create(messages=HELLO, **asked).choices[0].message
    results = [{"role": "tool", "tool_call_id": call.id, "content": "Sunny."} for call in message.tool_calls or ()]
    completion = there.openai.chat.completions.create(messages=[*HELLO, message, *results], **asked)

    assert completion.choices[0].message.content == "Sunny in both."
    *_, called, told = there.first.bodies[1]["messages"]
    assert [block["input"] for block in called["content"]] == [{"city": "Paris"}, {"city": "Rome"}]
    assert [(block["type"], block["tool_use_id"]) for block in told["content"]] == [
        ("tool_result", block["id"]) for block in called["content"]
    ]


def test_anthropics_tool_results_reach_openais_model(there: There) -> None:
    there.route(OPENAI)
    there.first.will(CALLS, script.answer("Sunny in both."))
    tool = {"name": "weather", "description": "The weather.", "input_schema": SPACE}
    asked: dict[str, Any] = {"model": MODEL, "max_tokens": 100, "tools": [tool]}
    message = there.anthropic.messages.create(messages=HELLO, **asked)
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": [{"type": "text", "text": "Sunny."}]}
        for block in message.content
        if block.type == "tool_use"
    ]
    turns: Any = [*HELLO, {"role": "assistant", "content": message.content}, {"role": "user", "content": results}]
    assert there.anthropic.messages.create(messages=turns, **asked).content[0].text == "Sunny in both."

    *_, called, one, two = there.first.bodies[1]["messages"]
    assert [each["tool_call_id"] for each in (one, two)] == [call["id"] for call in called["tool_calls"]]
    assert {one["role"], two["role"]} == {"tool"}


def test_responses_take_their_reasoning_and_results_back(there: There) -> None:
    """The thinking that Anthropic's model signed comes back to it, sealed on the way as the wire seals its own."""
    there.route(ANTHROPIC)
    there.first.will(
        script.answer("", thinking="Look it up.", tool_calls=(("weather", {"city": "Paris"}),), finish="tool_calls"),
        script.answer("Sunny."),
    )
    tool: Any = {"type": "function", **WEATHER["function"], "strict": False}
    asked: dict[str, Any] = {"model": MODEL, "tools": [tool], "reasoning": {"effort": "high"}, "store": False}
    asked["include"] = ["reasoning.encrypted_content"]
    response = there.openai.responses.create(input=HELLO, **asked)
    call = next(item for item in response.output if item.type == "function_call")
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "Sunny."}
    there.openai.responses.create(input=[*HELLO, *response.output, result], **asked)

    thought, called = there.first.bodies[1]["messages"][1]["content"]
    assert (thought["type"], thought["thinking"], thought["signature"]) == ("thinking", "Look it up.", "c2lnbmF0dXJl")
    assert called["type"] == "tool_use"


def test_images_arrive_in_the_others_form(there: There) -> None:
    there.route(ANTHROPIC, ANTHROPIC)
    url = f"data:image/png;base64,{PNG}"
    parts: Any = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]
    there.openai.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": parts}])
    inputs: Any = [{"type": "input_text", "text": "What is it?"}, {"type": "input_image", "image_url": url}]
    there.openai.responses.create(model=MODEL, input=[{"role": "user", "content": inputs}])
    for body in there.first.bodies:
        source = body["messages"][0]["content"][1]["source"]
        assert source == {"type": "base64", "media_type": "image/png", "data": PNG}

    there.route(OPENAI, OPENAI)
    image: Any = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    there.anthropic.messages.create(model=MODEL, max_tokens=9, messages=[{"role": "user", "content": [image]}])
    assert there.first.bodies[-1]["messages"][0]["content"][0]["image_url"]["url"] == url


def test_a_schema_is_kept_to_by_whoever_serves(there: There) -> None:
    answer = script.answer('{"city": "Paris", "country": "France"}')
    for kind in KINDS:
        there.route(kind)
        there.first.will(answer, answer)
        completion = there.openai.chat.completions.parse(model=MODEL, messages=HELLO, response_format=Place)
        assert completion.choices[0].message.parsed == Place(city="Paris", country="France")
        parsed = there.openai.responses.parse(model=MODEL, input="hello", text_format=Place)
        assert parsed.output_parsed == Place(city="Paris", country="France")
        there.first.will(answer)
        message = there.anthropic.messages.parse(model=MODEL, max_tokens=99, messages=HELLO, output_format=Place)
        assert message.parsed_output == Place(city="Paris", country="France")
    for body in there.first.bodies:
        assert "country" in json.dumps(body.get("response_format") or body.get("output_config") or body.get("text"))


def test_a_wish_to_think_is_told_in_the_others_words(there: There) -> None:
    there.route(OPENAI)
    thinking: Any = {"type": "enabled", "budget_tokens": 8000}
    there.anthropic.messages.create(model=MODEL, max_tokens=9000, messages=HELLO, thinking=thinking)
    assert there.first.bodies[-1]["reasoning_effort"] in ("low", "medium", "high")

    there.route(ANTHROPIC)
    there.openai.chat.completions.create(model=MODEL, messages=HELLO, reasoning_effort="high")
    assert there.first.bodies[-1]["thinking"]["type"] == "adaptive"
    assert there.first.bodies[-1]["output_config"]["effort"] == "high"
