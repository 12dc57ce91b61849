"""What a request becomes for each generation of Claude: choices, formats, efforts, system texts, and what is left out."""

from dataclasses import replace

import pytest
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from pydantic import TypeAdapter

from routing.providers.anthropic_request import ANY_OBJECT, message_body, thinking_control
from routing.providers.base import Endpoint
from routing.terms.request import JsonFormat, Message, Request, Tool, ToolChoice
from routing.terms.words import ProviderKind

NEW = Endpoint(ProviderKind.ANTHROPIC, "anthropic", "claude-opus-5-5")
OLD = replace(NEW, upstream_id="claude-sonnet-4-5-20250929")
MIDDLE = replace(NEW, upstream_id="claude-opus-4-6")
UNNAMED = replace(NEW, upstream_id="claude-mythos-preview")
HELLO = Request([Message("user", "Hello")])
TOOL = Tool("weather", "The weather of a city.", {"type": "object", "properties": {"city": {"type": "string"}}})
CALL = {"type": "tool_use", "id": "t1", "name": "weather", "input": {}}
RESULT = Message("tool", [{"type": "tool_result", "tool_use_id": "t1", "content": "17 °C"}])
SIGNED = {"type": "thinking", "thinking": "…", "signature": "x"}


@pytest.mark.parametrize(
    ("choice", "parallel", "sent"),
    [
        (None, None, None),
        (None, True, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice("auto"), None, {"type": "auto"}),
        (ToolChoice("any"), False, {"type": "any", "disable_parallel_tool_use": True}),
        (ToolChoice("none"), False, {"type": "none"}),
        (ToolChoice("tool", "weather"), None, {"type": "tool", "name": "weather"}),
    ],
)
def test_a_choice_of_tools_goes_out(choice, parallel, sent):
    request = replace(HELLO, tools=[TOOL], tool_choice=choice, parallel_tools=parallel)

    assert message_body(NEW, request).get("tool_choice") == sent
    assert "tool_choice" not in message_body(NEW, replace(request, tools=[]))


def test_a_schema_goes_out_as_far_as_the_wire_enforces_it_and_the_rest_in_words():
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}
    body = message_body(NEW, replace(HELLO, response_format=JsonFormat(schema), effort="low"))

    form = body["output_config"]["format"]
    assert form["type"] == "json_schema"
    assert form["schema"]["additionalProperties"] is False  # the wire demands it
    assert form["schema"]["properties"]["n"] == {"type": "integer", "description": "{minimum: 1}"}
    assert body["output_config"]["effort"] == "low"
    TypeAdapter(MessageCreateParamsNonStreaming).validate_python(body)


def test_a_schema_that_the_sdk_cannot_bring_into_form_goes_out_as_it_is():
    schema = {"type": "object", "properties": {"n": {"type": ["integer", "null"]}}}
    body = message_body(NEW, replace(HELLO, response_format=JsonFormat(schema)))

    assert body["output_config"]["format"]["schema"] == schema


def test_any_json_object_is_asked_for_in_words():
    body = message_body(NEW, replace(HELLO, system="Be brief.", response_format=JsonFormat()))

    assert body["system"] == f"Be brief.\n\n{ANY_OBJECT}"
    assert "output_config" not in body


def test_marks_of_what_to_cache_stay_on_system_tools_and_parts():
    mark = {"type": "ephemeral", "ttl": "1h"}
    part = {"type": "text", "text": "Long.", "cache_control": mark}
    request = Request([Message("user", [part])], system="A\n\nB", tools=[replace(TOOL, cache_control=mark)])
    body = message_body(NEW, replace(request, system_blocks=[{"type": "text", "text": "A", "cache_control": mark}]))

    assert body["system"] == [{"type": "text", "text": "A", "cache_control": mark}]
    assert body["messages"] == [{"role": "user", "content": [part]}]
    assert body["tools"][0]["cache_control"] == mark


def test_what_the_system_says_later_joins_the_system_text():
    request = Request([Message("user", "Hi"), Message("system", "Speak French."), Message("user", "Well?")], system="A")

    assert message_body(NEW, request)["system"] == "A\n\nSpeak French."
    assert [turn["role"] for turn in message_body(NEW, request)["messages"]] == ["user", "user"]
    assert message_body(NEW, replace(request, system=None))["system"] == "Speak French."


@pytest.mark.parametrize(
    ("endpoint", "changes", "thinking", "config", "told"),
    [
        pytest.param(NEW, {"thinks": True}, "adaptive", None, "adaptive", id="no effort named"),
        pytest.param(NEW, {"effort": "max", "thinks": True}, "adaptive", "max", "adaptive, effort max", id="max"),
        pytest.param(
            NEW, {"effort": "minimal", "thinks": True}, "adaptive", "low", "adaptive, effort low", id="minimal"
        ),
        pytest.param(
            MIDDLE, {"effort": "xhigh", "thinks": True}, "adaptive", "high", "adaptive, effort high", id="4.6"
        ),
        pytest.param(NEW, {"effort": "low"}, None, "low", "", id="an effort without thinking"),
        pytest.param(NEW, {"effort": "none", "thinks": False}, "disabled", None, "disabled", id="off"),
        pytest.param(
            UNNAMED, {"thinks": False}, None, None, "disabled", id="off, and a model that may refuse the word"
        ),
        pytest.param(OLD, {"thinks": False, "thinking_budget": 0}, None, None, "disabled", id="off, older"),
        pytest.param(OLD, {"effort": "medium", "thinks": True}, 2048, None, "budget_tokens 2048", id="older"),
        pytest.param(
            OLD, {"thinking_budget": 9000, "max_tokens": 3000}, 2999, None, "budget_tokens 2999", id="clipped"
        ),
        pytest.param(
            OLD, {"thinking_budget": 9000, "max_tokens": 900}, None, None, "none: max_tokens leaves no room", id="tight"
        ),
        pytest.param(
            NEW,
            {"effort": "high", "thinks": True, "tools": [TOOL], "tool_choice": ToolChoice("any")},
            None,
            "high",
            "none: a call is demanded",
            id="a call is demanded",
        ),
    ],
)
def test_a_wish_to_think_becomes_what_the_model_takes(endpoint, changes, thinking, config, told):
    request = replace(HELLO, **changes)
    body = message_body(endpoint, request)

    sent = body.get("thinking", {})
    assert (sent.get("budget_tokens") or sent.get("type")) == thinking
    assert body.get("output_config", {}).get("effort") == config
    assert thinking_control(endpoint, request) == told


def test_an_older_model_amid_calls_that_came_without_a_thought_is_not_asked_for_one():
    asked = Message("user", "How is it in Paris?")
    unsigned = Request([asked, Message("assistant", [CALL]), RESULT], thinking_budget=2048)
    signed = replace(unsigned, messages=[asked, Message("assistant", [SIGNED, CALL]), RESULT])
    answered = replace(
        unsigned, messages=[*unsigned.messages, Message("assistant", "Warm."), Message("user", "Thanks")]
    )

    assert "thinking" not in message_body(OLD, unsigned)
    assert message_body(OLD, signed)["thinking"]["type"] == "enabled"
    assert message_body(OLD, answered)["thinking"]["type"] == "enabled"
    assert message_body(NEW, unsigned)["thinking"]["type"] == "adaptive"


def test_one_sampling_parameter_goes_to_models_that_take_any():
    both = replace(HELLO, temperature=1.8, top_p=0.5)

    assert message_body(OLD, both).get("temperature") == 1.0  # OpenAI's scale goes to 2, this one to 1
    assert "top_p" not in message_body(OLD, both)
    assert message_body(OLD, replace(both, temperature=None))["top_p"] == 0.5
    assert not {"temperature", "top_p"} & message_body(NEW, both).keys()


def test_no_more_is_asked_for_than_the_model_writes():
    small = replace(OLD, max_output_tokens=4000)
    body = message_body(small, replace(HELLO, max_tokens=64_000, thinking_budget=32_000))

    assert (body["max_tokens"], body["thinking"]["budget_tokens"]) == (4000, 3999)  # a budget must stay below
    assert message_body(small, HELLO)["max_tokens"] == 4000
    unsaid = message_body(small, replace(HELLO, thinking_budget=32_000))
    assert (unsaid["max_tokens"], unsaid["thinking"]["budget_tokens"]) == (4000, 3999)


def test_a_tool_without_arguments_takes_an_object_all_the_same():
    assert message_body(NEW, replace(HELLO, tools=[Tool("now", "", {})]))["tools"][0]["input_schema"] == {
        "type": "object"
    }


def test_a_strict_tool_stays_strict():
    sent = message_body(NEW, replace(HELLO, tools=[replace(TOOL, strict=True)]))["tools"][0]

    assert sent["strict"] is True
    assert sent["input_schema"]["additionalProperties"] is False
