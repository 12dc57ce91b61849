"""Against llmock, a provider double by others that also grades its client: each fault is named, met once, and taken for no answer."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from llmock.pytest_plugin import LLMock

from routing.providers.base import Endpoint
from routing.providers.registry import adapter_for
from routing.terms.event import StreamEnd, TextDelta
from routing.terms.fault import Failed, Fault
from routing.terms.request import Answer, Message, Request, Timeouts, Tool
from routing.terms.secret import Secret
from routing.terms.words import CredentialKind, ErrorKind, ProviderKind
from tests.doubles.verdict import assert_clean
from tests.routing.providers.conftest import ROOMY, SHORT, patience

REQUEST = Request([Message("user", "What is the weather in Paris?")], max_tokens=1)
PROVIDERS = {ProviderKind.ANTHROPIC: ("anthropic", "claude-opus-5-5"), ProviderKind.OPENAI: ("openai", "gpt-6-sol")}


@pytest.fixture(params=PROVIDERS, ids=str)
def kind(request: pytest.FixtureRequest) -> ProviderKind:
    return request.param


@pytest.fixture
def endpoint(llmock: LLMock, kind: ProviderKind) -> Endpoint:
    provider, model = PROVIDERS[kind]
    key = Secret("llmock-test-key")
    return Endpoint(kind, provider, model, llmock.base_url(provider), None, key, CredentialKind.API_KEY)


async def complete(endpoint: Endpoint, request: Request = REQUEST, timeouts: Timeouts = ROOMY) -> Answer:
    return await adapter_for(endpoint.kind).complete(endpoint, request, timeouts)


async def streamed(endpoint: Endpoint, timeouts: Timeouts = ROOMY) -> tuple[str, Answer]:
    text, answer = "", None
    async for event in adapter_for(endpoint.kind).stream(endpoint, REQUEST, timeouts):  # type: ignore[attr-defined]
        if isinstance(event, TextDelta):
            text += event.text
        if isinstance(event, StreamEnd):
            answer = event.answer
    assert answer is not None
    return text, answer


async def fault_of(attempt: object) -> Fault:
    with pytest.raises(Failed) as failed:
        await attempt  # type: ignore[misc]
    return failed.value.fault


async def test_a_sound_answer_is_read(llmock, endpoint):
    llmock.reply("Sunny.")
    answer = await complete(endpoint, replace(REQUEST, max_tokens=50))

    assert (answer.output, answer.stop_reason) == ("Sunny.", "end_turn")
    assert answer.usage is not None
    assert answer.usage.input_tokens > 0
    llmock.assert_resilient(strict=True)


async def test_a_sound_stream_is_read(llmock, endpoint):
    llmock.reply("Sunny and warm.")
    text, answer = await streamed(endpoint)

    assert text == answer.output == "Sunny and warm."
    llmock.assert_resilient(strict=True)


async def test_a_tool_call_is_read(llmock, endpoint):
    llmock.call_tool("weather", {"city": "Paris"})
    tool = Tool("weather", "The weather.", {"type": "object", "properties": {"city": {"type": "string"}}})
    answer = await complete(endpoint, replace(REQUEST, tools=[tool], max_tokens=50))

    assert [(call.name, call.arguments) for call in answer.tool_calls] == [("weather", {"city": "Paris"})]
    assert answer.stop_reason == "tool_use"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, ErrorKind.CLIENT),
        (401, ErrorKind.AUTH),
        (403, ErrorKind.AUTH),
        (404, ErrorKind.CLIENT),
        (422, ErrorKind.CLIENT),
        (500, ErrorKind.SERVER),
        (503, ErrorKind.SERVER),
        (529, ErrorKind.SERVER),
    ],
)
async def test_an_error_is_named_and_met_once(llmock, endpoint, status, expected):
    llmock.fail(status)
    fault = await fault_of(complete(endpoint))

    assert (fault.kind, fault.http_status) == (expected, status)
    assert len(llmock.requests) == 1
    assert_clean(llmock)


async def test_a_rate_limit_says_how_long(llmock, endpoint):
    llmock.rate_limit(retry_after=12)
    fault = await fault_of(complete(endpoint))

    assert (fault.kind, fault.retry_after_s) == (ErrorKind.RATE_LIMIT, 12)
    assert len(llmock.requests) == 1
    assert_clean(llmock)


async def test_a_prompt_that_is_too_long_is_told_apart(llmock, endpoint):
    llmock.context_overflow()
    assert (await fault_of(complete(endpoint))).kind is ErrorKind.CONTEXT_WINDOW
    assert_clean(llmock)


async def test_an_answer_that_does_not_come_is_given_up(llmock, endpoint):
    llmock.delay(1)
    assert (await fault_of(complete(endpoint, timeouts=SHORT))).kind is ErrorKind.TIMEOUT
    assert_clean(llmock)


@pytest.mark.parametrize(
    ("break_", "expected"),
    [
        pytest.param(lambda llmock: llmock.disconnect(after_chunks=2), ErrorKind.TRUNCATED, id="disconnect"),
        pytest.param(lambda llmock: llmock.truncate(after_chunks=2), ErrorKind.TRUNCATED, id="truncate"),
        pytest.param(lambda llmock: llmock.corrupt(after_chunks=2), ErrorKind.MALFORMED, id="corrupt"),
        pytest.param(lambda llmock: llmock.stall(after_chunks=2, seconds=1), ErrorKind.TIMEOUT, id="stall"),
        pytest.param(lambda llmock: llmock.slow_first_token(1), ErrorKind.TIMEOUT, id="slow first token"),
    ],
)
async def test_a_broken_stream_is_never_taken_for_an_answer(
    llmock, endpoint, break_: Callable[[LLMock], object], expected
):
    break_(llmock.reply("It is sunny and warm in Paris today."))
    fault = await fault_of(streamed(endpoint, patience(expected)))

    # No verdict here: what became of a broken stream llmock can only tell by a second request, which is the attempt loop's to make.
    assert fault.kind is expected
    assert len(llmock.requests) == 1


@pytest.mark.parametrize("kind", [ProviderKind.OPENAI])  # on Anthropic's wire a whole call is an object, never a text
async def test_a_tool_call_that_is_no_json_is_malformed(llmock, endpoint):
    llmock.break_tool_call("malformed_arguments")
    tool = Tool("weather", "The weather.", {"type": "object", "properties": {"city": {"type": "string"}}})

    assert (await fault_of(complete(endpoint, replace(REQUEST, tools=[tool])))).kind is ErrorKind.MALFORMED
    assert_clean(llmock)
