"""A client whose wire is its provider's: what it wrote arrives as it wrote it, and what the provider says comes back as it was said."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest

from routing import drain, snapshot
from routing.models import Attempt
from routing.providers.registry import close_all
from tests import doubles
from tests.cortex.test_asgi import Exchange
from tests.doubles import Double, script
from tests.doubles.wires import answer_body, error_body, events
from tests.routing.doors.ways import WAYS, Way
from tests.routing.two_providers import ANTHROPIC, BODIES, UPSTREAM, publish

pytestmark = pytest.mark.django_db
Made = TypeVar("Made")


@contextmanager
def double(way: Way, *acts: doubles.Act) -> Iterator[Double]:
    """The provider of the client's wire, routed first; the second provider listens nowhere."""
    with doubles.serve_in_thread(*acts) as made:
        publish([(way.kind, made.url), (way.other, "http://127.0.0.1:1")])
        snapshot.load_now()
        yield made


async def ask(way: Way, key: str, body: bytes, headers: dict[str, str] | None = None, query: bytes = b"") -> Exchange:
    pairs = [(b"x-cortex-key", key.encode())]
    pairs += [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    exchange = Exchange("POST", way.path, body, pairs)
    exchange.scope["query_string"] = query
    return await exchange.run()


def told(exchange: Exchange) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in exchange.sent[0]["headers"]}


def body(way: Way, **more: Any) -> bytes:
    return json.dumps(BODIES[way.wire] | more).encode()


def test_the_answer_is_the_providers_own_bytes(way, key):
    act = script.answer("Ja.", headers={"x-ratelimit-remaining-requests": "7", "set-cookie": "a=b"})
    with double(way, act) as provider:
        exchange = asyncio.run(_closing(ask(way, key, body(way))))
    expected = answer_body(way.path, UPSTREAM[way.kind], act)

    assert exchange.status == 200
    assert exchange.content == json.dumps(expected).encode()
    headers = told(exchange)
    assert (headers["x-cortex-provider"], headers["x-cortex-attempts"]) == ("first", "1")
    assert headers["x-ratelimit-remaining-requests"] == "7"
    assert "set-cookie" not in headers
    assert provider.bodies == [BODIES[way.wire] | {"model": UPSTREAM[way.kind]}]


def test_a_stream_is_the_providers_own_bytes(way, key):
    act = script.answer("It works as it should.")
    with double(way, act) as provider:
        options = {"stream_options": {"include_usage": True}} if way.wire == "openai_chat" else {}
        exchange = asyncio.run(_closing(ask(way, key, body(way, stream=True, **options))))

    assert exchange.content == b"".join(events(way.path, UPSTREAM[way.kind], act))
    assert told(exchange)["content-type"] == "text/event-stream"
    assert len(provider.requests) == 1
    assert drain.flush()
    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.input_tokens, attempt.output_tokens) == ("ok", 100, 20)
    assert (attempt.served_model, attempt.credential_kind) == (UPSTREAM[way.kind] + "-served", "api_key")
    assert attempt.ttft_ms is not None


def test_nobody_who_did_not_ask_for_it_sees_the_usage_chunk(key):
    way, act = WAYS["chat"], script.answer("It works.")
    with double(way, act) as provider:
        exchange = asyncio.run(_closing(ask(way, key, body(way, stream=True))))

    whole = events(way.path, UPSTREAM[way.kind], act)
    assert exchange.content == b"".join(event for event in whole if b'"usage"' not in event)
    assert provider.bodies[0]["stream_options"] == {"include_usage": True}
    assert drain.flush()
    assert Attempt.objects.get().output_tokens == 20


def test_unknown_fields_headers_and_the_query_pass_untouched(way, key):
    sent = b'{ "new_field" : {"model": "nested", "n": 1.50}, ' + body(way, seed_of="\u00e9")[1:]
    headers = {"anthropic-beta": "flag-one,flag-two", "x-new-thing": "\u00e9 7", "user-agent": "cli/2.1"}
    dropped = {
        "cookie": "a=b",
        "x-forwarded-for": "10.0.0.1",
        "x-cortex-session": "s1",
        "authorization": f"Bearer {key}",
    }
    with double(way) as provider:
        exchange = asyncio.run(_closing(ask(way, key, sent, headers | dropped, b"beta=true")))

    assert exchange.status == 200, exchange.content
    seen = provider.requests[0]
    assert seen.raw == sent.replace(b'"task:talk"', json.dumps(UPSTREAM[way.kind]).encode())
    assert seen.path.endswith("?beta=true")
    for name, value in headers.items():
        assert seen.headers[name].encode("latin-1") == value.encode()
    assert not {"cookie", "x-forwarded-for", "x-cortex-key", "x-cortex-session"} & seen.headers.keys()
    own = "x-api-key" if way.kind is ANTHROPIC else "authorization"
    assert seen.headers[own].removeprefix("Bearer ") == "sk-first"
    assert key not in str(seen)


def test_a_large_body_arrives_whole(way, key):
    sent = body(way, metadata={"filler": "\u00e9x" * 60_000})
    with double(way) as provider:
        assert asyncio.run(_closing(ask(way, key, sent))).status == 200
    assert provider.requests[0].raw == sent.replace(b'"task:talk"', json.dumps(UPSTREAM[way.kind]).encode())


@pytest.mark.parametrize("twice", [b'"model"', b'"mod\\u0065l"'])
def test_a_model_that_is_named_twice_is_not_smuggled_past_routing(key, twice):
    way = WAYS["chat"]
    sent = b'{"model": "task:talk", "messages": [{"role": "user", "content": "x"}], ' + twice + b': "task:talk"}'
    with double(way) as provider:
        assert asyncio.run(_closing(ask(way, key, sent))).status == 200
    assert provider.requests[0].raw.count(b"task:talk") == 0
    assert provider.bodies[0]["model"] == UPSTREAM[way.kind]


def test_what_no_translation_carries_goes_to_its_own_wire_alone(key):
    way = WAYS["chat"]
    with double(way) as provider:
        exchange = asyncio.run(_closing(ask(way, key, body(way, n=2, brand_new=True))))
        assert exchange.status == 200
        assert provider.bodies[0]["brand_new"] is True

        publish([(ANTHROPIC, provider.url), (ANTHROPIC, "http://127.0.0.1:1")])
        snapshot.load_now()
        exchange = asyncio.run(_closing(ask(way, key, body(way, n=2))))
    assert exchange.status == 422
    assert "cannot carry: choices" in exchange.error()["message"]
    assert len(provider.requests) == 1


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("status", [400, 404, 422, 429, 529])
def test_the_last_providers_error_comes_back_word_for_word(way, key, status, stream):
    act = script.error(status, retry_after="7")
    with doubles.serve_in_thread(act) as last:
        publish([(way.other, "http://127.0.0.1:1"), (way.kind, last.url)])
        snapshot.load_now()
        exchange = asyncio.run(_closing(ask(way, key, body(way, stream=stream))))

    assert exchange.status == status
    assert exchange.content == json.dumps(error_body(way.path, act)).encode()
    assert told(exchange)["x-cortex-request-id"]


@pytest.mark.parametrize("status", [401, 402, 403])
def test_what_a_provider_says_of_our_credential_is_nothing_to_the_client(way, key, status):
    with doubles.serve_in_thread(script.error(status, message="the key sk-second is bad")) as last:
        publish([(way.other, "http://127.0.0.1:1"), (way.kind, last.url)])
        snapshot.load_now()
        exchange = asyncio.run(_closing(ask(way, key, body(way))))
    assert exchange.status == 502
    assert b"sk-second" not in exchange.content


def test_a_stream_that_breaks_ends_in_one_error_of_the_wire(way, key):
    with double(way, script.disconnects(after=5)):
        exchange = asyncio.run(_closing(ask(way, key, body(way, stream=True))))
    assert exchange.status == 200
    assert exchange.content.count(b"broke off") == 1
    assert b"stream_broken" in exchange.content or way.kind is ANTHROPIC


class Watched(Exchange):
    """Tells when the first bytes of the answer's body have come."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.answered = asyncio.Event()

    async def _send(self, message: dict[str, Any]) -> None:
        await super()._send(message)
        if message.get("body"):
            self.answered.set()


@pytest.mark.parametrize("after", [0, 5], ids=["before the first content", "after it"])
def test_who_goes_away_ends_the_providers_work(way, key, after):
    async def leave(provider: Double) -> None:
        def at_provider(holds: Callable[[], bool]) -> Awaitable[None]:
            assert provider._server is not None
            return asyncio.wrap_future(
                asyncio.run_coroutine_threadsafe(provider.until(holds), provider._server.get_loop())
            )

        exchange = Watched("POST", way.path, body(way, stream=True), [(b"x-cortex-key", key.encode())])
        running = asyncio.create_task(exchange.run())
        await (exchange.answered.wait() if after else at_provider(lambda: len(provider.requests) == 1))
        exchange.gone.set()
        await running
        await at_provider(lambda: provider.cancelled == 1)

    with double(way, script.stalls(after=after)) as provider:
        asyncio.run(_closing(leave(provider)))
    assert drain.flush()
    assert list(Attempt.objects.values_list("status", "error_kind")) == [("cancelled", "cancelled")]


async def _closing(made: Awaitable[Made]) -> Made:
    try:
        return await made
    finally:
        await close_all()
