"""A client over its limit is told so with 429 and Retry-After, in its own shape, whichever way it comes."""

from collections.abc import Iterator

import anthropic
import openai
import pytest

from routing import clients, recorder, snapshot
from routing.audit import SYSTEM
from tests.cortex.test_asgi import dispatch
from tests.routing.doors.test_embeddings import VECTORS, two_embedders
from tests.routing.doors.test_mcp import speak
from tests.routing.seeded import seeded  # noqa: F401

HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture
def one_a_minute(seeded: str) -> str:  # noqa: F811
    clients.save_client("ci", {"requests_per_minute": 1}, by=SYSTEM)
    snapshot.load_now()
    return seeded


async def test_the_native_api_says_429_and_when_to_come_back(one_a_minute: str) -> None:
    body = {"task_type": "coding", "prompt": "hi"}
    assert (await dispatch(one_a_minute, body).run()).status == 200
    for stream in (False, True):
        refused = await dispatch(one_a_minute, body | {"stream": stream}).run()
        headers = dict(refused.sent[0]["headers"])
        error = refused.error()
        assert (refused.status, error["code"], error["retryable"]) == (429, "rate_limited", True)
        assert 1 <= int(headers[b"Retry-After"]) <= 61
        assert error["details"] == {"measure": "requests", "limit": 1}
        assert "Client 'ci' has used its 1 requests of this minute. Come back in" in error["message"]


async def test_a_call_over_the_limit_leaves_no_line_in_the_spool(
    one_a_minute: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a client that runs wild would fill the disk."""
    intents: list[object] = []
    monkeypatch.setattr(recorder, "start", intents.append)
    monkeypatch.setattr(recorder, "finish", lambda outcome: None)
    statuses = [(await dispatch(one_a_minute, {"task_type": "coding", "prompt": "hi"}).run()).status for _ in range(3)]
    assert (statuses, len(intents)) == ([200, 429, 429], 1)


@pytest.fixture
def of_openai(address: str, one_a_minute: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key=one_a_minute, max_retries=0) as client:
        client.chat.completions.create(model="task:coding", messages=HELLO)
        yield client


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_openais_sdk_raises_its_rate_limit_error(of_openai: openai.OpenAI, stream: bool) -> None:
    for ask in (
        lambda: of_openai.chat.completions.create(model="task:coding", messages=HELLO, stream=stream),
        lambda: of_openai.responses.create(model="task:coding", input="hello", stream=stream),
    ):
        with pytest.raises(openai.RateLimitError) as refused:
            ask()
        assert 1 <= int(refused.value.response.headers["Retry-After"]) <= 61


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_anthropics_sdk_raises_its_rate_limit_error(address: str, one_a_minute: str, stream: bool) -> None:
    with anthropic.Anthropic(base_url=address, api_key=one_a_minute, max_retries=0) as client:
        ask = {"model": "task:coding", "max_tokens": 5, "messages": HELLO}
        client.messages.create(**ask)
        with pytest.raises(anthropic.RateLimitError) as refused:
            client.messages.create(**ask, stream=stream)
    assert refused.value.body["error"]["type"] == "rate_limit_error"  # type: ignore[index]
    assert 1 <= int(refused.value.response.headers["Retry-After"]) <= 61


def test_an_agent_over_mcp_reads_when_to_come_back(address: str, one_a_minute: str) -> None:
    asked = {"task_type": "coding", "prompt": "hi"}
    told = [
        speak(address, {"X-Cortex-Key": one_a_minute}, lambda client: client.call_tool("dispatch", asked))
        for _ in range(2)
    ]
    assert [each.is_error for each in told] == [False, True]
    assert told[1].structured_content["error"]["code"] == "rate_limited"
    assert "Try again in" in told[1].content[0].text


def test_embeddings_are_limited_too(address: str, db: None) -> None:
    key = clients.create_key("ci", by=SYSTEM).key
    clients.save_client("ci", {"requests_per_minute": 1}, by=SYSTEM)
    with two_embedders(VECTORS) as (one, _), openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0) as sdk:
        sdk.embeddings.create(model="task:vectors", input=["Paris", "Rome"])
        with pytest.raises(openai.RateLimitError):
            sdk.embeddings.create(model="task:vectors", input=["Paris", "Rome"])
    assert len(one.requests) == 1
