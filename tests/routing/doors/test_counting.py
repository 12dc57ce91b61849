"""How long a conversation is: as Anthropic counts it where its model would answer, else as routing estimates it."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from routing import changes, clients, drain, recorder, sessions, snapshot
from routing.audit import SYSTEM
from routing.doors import counting
from routing.models import Call
from routing.providers.registry import close_all
from routing.terms.request import Timeouts
from tests import doubles
from tests.cortex.test_asgi import Exchange
from tests.doubles import Double
from tests.doubles.script import Act, answer, error
from tests.routing.two_providers import ANTHROPIC, OPENAI, UPSTREAM, publish

pytestmark = pytest.mark.django_db
SAID = {"model": "task:talk", "messages": [{"role": "user", "content": "How long is this?"}]}


@pytest.fixture
def key(settings, tmp_path) -> Iterator[str]:
    settings.DATA_DIR = tmp_path
    recorder.close()
    snapshot.forget()
    counting.forget()
    yield clients.create_key("ci", by=SYSTEM).key
    recorder.close()
    snapshot.forget()
    counting.forget()


@pytest.fixture
def provider(key: str) -> Iterator[Double]:
    with doubles.serve_in_thread() as made:
        publish([(ANTHROPIC, made.url), (OPENAI, "http://127.0.0.1:1")])
        snapshot.load_now()
        yield made


def count(
    key: str, headers: dict[str, str] | None = None, *, times: int = 1, query: bytes = b"", **fields: Any
) -> list[Exchange]:
    """So many counts, one after the other."""
    pairs = [
        (b"x-cortex-key", key.encode()),
        *((name.encode(), value.encode()) for name, value in (headers or {}).items()),
    ]

    async def made() -> list[Exchange]:
        done = []
        for _ in range(times):
            exchange = Exchange("POST", "/v1/messages/count_tokens", json.dumps(SAID | fields).encode(), pairs)
            exchange.scope["query_string"] = query
            done.append(await exchange.run())
        await close_all()
        return done

    return asyncio.run(made())


def told(exchange: Exchange) -> dict[bytes, bytes]:
    return dict(exchange.sent[0]["headers"])


def is_estimate(exchange: Exchange) -> bool:
    body = len(json.dumps(SAID).encode())
    headers = told(exchange)
    return headers.get(b"x-cortex-estimated") == b"true" and json.loads(exchange.content) == {"input_tokens": body // 4}


def test_the_count_is_the_providers_own_word_for_word_and_leaves_no_row(provider, key):
    provider.will(answer(read=2095))
    (counted,) = count(key, {"anthropic-beta": "flag-one"}, query=b"beta=true", new_field={"a": 1})
    assert (counted.status, counted.content) == (200, b'{"input_tokens": 2095}')
    assert told(counted)[b"x-cortex-model"] == b"one"
    assert b"x-cortex-estimated" not in told(counted)
    (seen,) = provider.requests
    assert (seen.method, seen.path) == ("POST", "/v1/messages/count_tokens?beta=true")
    assert seen.body == SAID | {"model": UPSTREAM[ANTHROPIC], "new_field": {"a": 1}}
    assert (seen.headers["x-api-key"], seen.headers["anthropic-beta"]) == ("sk-first", "flag-one")
    assert drain.flush()
    assert Call.objects.count() == 0


def test_a_client_with_a_credential_of_its_own_counts_with_it(provider, key, settings):
    settings.CALLER_CREDENTIAL_UPSTREAMS = frozenset({f"127.0.0.1:{provider.port}"})
    snapshot.load_now()
    (counted,) = count(key, {"authorization": "Bearer sk-ant-oat-own"})
    assert b"x-cortex-estimated" not in told(counted)
    (seen,) = provider.requests
    assert seen.headers["authorization"] == "Bearer sk-ant-oat-own"
    assert "x-api-key" not in seen.headers


def test_where_another_wires_model_would_answer_the_count_is_the_estimate(provider, key):
    changes.change_route("talk", ["second:two", "first:one"], by=SYSTEM, reason="another order", source="console")
    snapshot.load_now()
    assert is_estimate(count(key)[0])
    assert provider.requests == []


def test_a_name_that_nothing_is_known_of_is_estimated_as_ever(provider, key):
    (counted,) = count(key, model="nobody-knows-it")
    assert (counted.status, told(counted)[b"x-cortex-estimated"]) == (200, b"true")
    assert provider.requests == []


@pytest.mark.parametrize(
    "act",
    [
        error(500),
        error(429),
        error(404),
        error(401),
        answer(fault="malformed"),
        answer(fault="disconnect_before_headers"),
    ],
    ids=["500", "429", "404", "401", "no JSON", "hangs up"],
)
def test_a_provider_that_does_not_count_is_left_alone_for_a_while(provider, key, act: Act):
    provider.will(then=act)
    assert all(is_estimate(each) for each in count(key, times=3))
    assert len(provider.requests) == 1


def test_a_body_that_the_provider_refuses_is_estimated_and_the_next_one_asked_again(provider, key):
    provider.will(error(400), then=answer(read=7))
    refused, counted = count(key, times=2)
    assert is_estimate(refused)
    assert counted.content == b'{"input_tokens": 7}'


def test_a_slow_provider_is_not_waited_for(provider, key, monkeypatch):
    monkeypatch.setattr(counting, "TIMEOUTS", Timeouts(1.0, 0.2, 0.2, 0.3))
    provider.will(then=answer(fault="stall_before_headers"))
    assert all(is_estimate(each) for each in count(key, times=2))
    assert len(provider.requests) == 1


def test_counting_tells_nobody_that_the_model_fails_and_begins_no_session(provider, key):
    provider.will(error(500))
    count(key, {"x-claude-code-session-id": "work"})
    assert snapshot.current().health.circuits == {}
    assert len(sessions._sessions._known) == 0


def test_what_cannot_be_counted_is_refused_as_a_call_would_be(provider, key):
    (refused,) = count(key, messages="no list")
    assert refused.status == 400
    assert json.loads(refused.content)["type"] == "error"
    assert provider.requests == []
