"""What the official SDKs make of failures that Cortex passes on: their own typed errors, one ending to a stream, and headers that tell."""

import json
from typing import Any

import anthropic
import openai
import pytest

from routing.terms.words import ProviderKind
from tests.doubles import Act, script
from tests.routing.doors.sdks import HELLO, MODEL, There
from tests.routing.two_providers import ANTHROPIC, OPENAI

pytestmark = pytest.mark.django_db
KINDS = [ANTHROPIC, OPENAI]
# What a status of every provider becomes where the wire is not theirs. Where it is, the last one's own answer comes back.
TYPED = {
    400: ("BadRequestError", 400),
    404: ("NotFoundError", 404),
    413: ("APIStatusError", 413),
    422: ("UnprocessableEntityError", 422),
    401: ("InternalServerError", 502),  # of our credential, and so nothing to the client
    429: ("InternalServerError", 502),
    500: ("InternalServerError", 502),
}
OWN = TYPED | {429: ("RateLimitError", 429), 500: ("InternalServerError", 500)}
WORDS = "It works as it should, and it goes on for a while."


def chat(there: There, stream: bool) -> Any:
    return there.openai.chat.completions.create(model=MODEL, messages=HELLO, stream=stream)


def responses(there: There, stream: bool) -> Any:
    return there.openai.responses.create(model=MODEL, input="hello", stream=stream)


def messages(there: There, stream: bool) -> Any:
    return there.anthropic.messages.create(model=MODEL, max_tokens=9, messages=HELLO, stream=stream)


CLIENTS = {"chat": chat, "responses": responses, "messages": messages}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("client", CLIENTS)
def test_an_error_is_the_sdks_own_type_with_the_providers_words(
    there: There, client: str, kind: ProviderKind, stream: bool
) -> None:
    sdk: Any = anthropic if client == "messages" else openai
    is_own = (kind is ANTHROPIC) == (client == "messages")
    there.route(kind, kind)
    for status, (name, told) in (OWN if is_own else TYPED).items():
        says = script.error(status, message="the provider's own words", retry_after="7")
        for double in (there.first, there.second):
            double.will(then=says)
        with pytest.raises(getattr(sdk, name)) as caught:
            CLIENTS[client](there, stream)
        error = caught.value
        assert error.status_code == told
        if status in (400, 404, 413, 422):
            assert "the provider's own words" in error.message
        assert error.response.headers["x-cortex-request-id"]
        there.forget()


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_stream_that_is_cut_ends_once_and_repeats_nothing(there: There, client: str, kind: ProviderKind) -> None:
    there.route(kind)
    there.first.will(Act(fault="disconnect", after=7, text=WORDS))
    sdk: Any = anthropic if client == "messages" else openai
    said, ends = "", []
    with CLIENTS[client](there, True) as stream:
        try:
            for event in stream:
                if event_type(event) in ("error", "response.failed"):
                    ends.append(event_type(event))
                said += delta(event)
        except sdk.APIError as error:
            ends.append(str(error))

    assert said
    assert WORDS.startswith(said)
    assert len(ends) == 1, ends
    assert "broke off" in ends[0] or ends == ["response.failed"]
    assert (len(there.first.requests), len(there.second.requests)) == (1, 0)


def event_type(event: Any) -> str:
    return getattr(event, "type", "")


def delta(event: Any) -> str:
    """The text of a stream's event, on any of the wires."""
    if event_type(event) == "response.output_text.delta":
        return event.delta
    if event_type(event) == "content_block_delta":
        return event.delta.text
    return "".join(choice.delta.content or "" for choice in getattr(event, "choices", ()))


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("client", ["chat", "responses", "messages"])
def test_the_headers_tell_who_served_and_why(there: There, client: str, kind: ProviderKind) -> None:
    there.route(kind)
    there.first.will(script.error(503))
    resource: Any = {
        "chat": there.openai.chat.completions,
        "responses": there.openai.responses,
        "messages": there.anthropic.messages,
    }[client]
    asked = {
        "chat": {"messages": HELLO},
        "responses": {"input": "hello"},
        "messages": {"messages": HELLO, "max_tokens": 9},
    }[client]
    for stream in (False, True):
        raw = resource.with_raw_response.create(model=MODEL, stream=stream, **asked)
        told = {name: raw.headers[f"X-Cortex-{name}"] for name in ("Provider", "Model", "Attempts", "Fallback")}
        if stream:
            assert told == {"Provider": "first", "Model": "one", "Attempts": "1", "Fallback": "false"}
            list(raw.parse())
        else:
            assert told == {"Provider": "second", "Model": "two", "Attempts": "2", "Fallback": "true"}
        assert len(raw.headers["X-Cortex-Request-Id"]) == 36
        assert "talk" in raw.headers["X-Cortex-Reason"]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_nothing_is_left_out_of_what_the_wire_says_of_an_error(there: There, kind: ProviderKind) -> None:
    there.route(kind, kind)
    with pytest.raises(openai.BadRequestError) as of_openai:
        there.openai.chat.completions.create(model=MODEL, messages=[{"role": "nobody", "content": "x"}])  # type: ignore[list-item]
    assert (of_openai.value.param, of_openai.value.code) == ("messages.0.role", "invalid_request")
    with pytest.raises(anthropic.BadRequestError) as of_anthropic:
        there.anthropic.messages.create(model=MODEL, max_tokens=-1, messages=HELLO)
    assert of_anthropic.value.body["error"]["type"] == "invalid_request_error"  # type: ignore[index]
    assert "max_tokens" in json.dumps(of_anthropic.value.body)
    assert not there.first.requests
