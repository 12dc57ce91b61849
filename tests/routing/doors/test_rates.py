"""What a limited client is told with each answer of its minute, in its wire's own headers; an unlimited one is told nothing of ours."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

import openai
import pytest

from routing import clients, limits, snapshot
from routing.audit import SYSTEM
from routing.doors import rates
from tests import doubles
from tests.cortex.test_asgi import Exchange
from tests.doubles import script
from tests.routing.doors.test_embeddings import VECTORS, two_embedders
from tests.routing.doors.test_relaying import _closing, ask, body, told
from tests.routing.doors.ways import WAYS, Way
from tests.routing.two_providers import publish

pytestmark = pytest.mark.django_db
# What a vendor says of the account that the call went to.
OF_VENDOR = {
    "x-ratelimit-limit-requests": "9999",
    "x-ratelimit-remaining-tokens": "8888",
    "anthropic-ratelimit-requests-limit": "9999",
    "anthropic-ratelimit-input-tokens-remaining": "8888",
}


@pytest.fixture
def vendor(settings) -> Iterator[doubles.Double]:
    with doubles.serve_in_thread(then=script.answer("Ja.", headers=OF_VENDOR)) as made:
        settings.CALLER_CREDENTIAL_UPSTREAMS = [f"127.0.0.1:{made.port}"]
        yield made


def world(way: Way, vendor: doubles.Double, *, relayed: bool = True, **limits_a_minute: int) -> None:
    """The way's first provider speaks its wire, or another."""
    there, nowhere = (way.kind, vendor.url), (way.other, "http://127.0.0.1:1")
    publish([there, nowhere] if relayed else [(way.other, vendor.url), (way.kind, "http://127.0.0.1:1")])
    clients.save_client("ci", limits_a_minute, by=SYSTEM)
    snapshot.load_now()


def call(way: Way, key: str, headers: dict[str, str] | None = None, **more: object) -> Exchange:
    exchange = asyncio.run(_closing(ask(way, key, body(way, **more), headers)))
    assert exchange.status == 200, exchange.content
    return exchange


def of_limits(exchange: Exchange) -> dict[str, str]:
    return {name: value for name, value in told(exchange).items() if "ratelimit" in name}


def names(way: Way, *measures: str) -> set[str]:
    parts = ("limit", "remaining", "reset")
    if way.wire == "anthropic":
        return {f"anthropic-ratelimit-{measure}-{part}" for measure in measures for part in parts}
    return {f"x-ratelimit-{part}-{measure}" for measure in measures for part in parts}


def remaining(way: Way, exchange: Exchange, measure: str) -> int:
    name = f"{measure}-remaining" if way.wire == "anthropic" else f"remaining-{measure}"
    return int(next(value for told, value in of_limits(exchange).items() if told.endswith(name)))


@pytest.mark.parametrize("relayed", [True, False], ids=["relay", "sdk"])
def test_what_is_left_of_the_minute_is_told_with_each_answer(way, key, vendor, relayed):
    world(way, vendor, relayed=relayed, requests_per_minute=5, tokens_per_minute=10_000)
    one, two = call(way, key), call(way, key)
    assert of_limits(one).keys() == names(way, "requests", "tokens")
    assert [remaining(way, each, "requests") for each in (one, two)] == [4, 3]
    # Each answer of the double is of 100 tokens that were read and 20 that were written.
    assert [remaining(way, each, "tokens") for each in (one, two)] == [9_880, 9_760]
    assert told(one).get("request-id") == ("req_double" if relayed else None)  # the vendor's other words pass


def test_a_stream_is_told_by_what_it_was_let_in_with(way, key, vendor):
    world(way, vendor, requests_per_minute=5, tokens_per_minute=10_000)
    sent = body(way, stream=True)
    estimate = len(sent) // 4 + (1 if way.wire == "anthropic" else 1024)  # of the size, and of max_tokens or as much
    exchange = call(way, key, stream=True)
    assert (remaining(way, exchange, "requests"), remaining(way, exchange, "tokens")) == (4, 10_000 - estimate)


@pytest.mark.parametrize("measure", ["requests", "tokens"])
def test_of_one_limit_one_is_told_and_nothing_of_the_vendors_account(way, key, vendor, measure):
    world(way, vendor, **{f"{measure}_per_minute": 10_000})
    assert of_limits(call(way, key)).keys() == names(way, measure)


@pytest.mark.parametrize("own", [False, True], ids=["of Cortex", "of the client"])
def test_a_vendors_error_tells_a_limited_client_nothing_of_an_account_that_is_not_its_own(way, key, vendor, own):
    world(way, vendor, requests_per_minute=5)
    vendor.will(script.error(400, "invalid_request_error", message="No.", **_as_arguments(OF_VENDOR)))
    exchange = asyncio.run(_closing(ask(way, key, body(way), {"authorization": "Bearer sk-own"} if own else None)))
    assert (exchange.status, exchange.error()["message"]) == (400, "No.")
    told_of = {name: value for name, value in OF_VENDOR.items() if "ratelimit" in name}
    assert of_limits(exchange) == (told_of if own else {})


def _as_arguments(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("-", "_"): value for name, value in headers.items()}


def test_an_unlimited_client_is_told_what_the_vendor_says_and_nothing_is_counted(way, key, vendor):
    world(way, vendor)
    assert of_limits(call(way, key)).items() == {n: v for n, v in OF_VENDOR.items() if "ratelimit" in n}.items()
    assert limits._here.meters == {}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_to_a_client_with_a_credential_of_its_own_its_vendors_words_pass_as_they_are(way, key, vendor, stream):
    world(way, vendor, requests_per_minute=5, tokens_per_minute=10_000)
    exchange = call(way, key, {"authorization": "Bearer sk-own"}, stream=stream)
    assert of_limits(exchange) == {name: value for name, value in OF_VENDOR.items() if "ratelimit" in name}


def test_when_all_of_it_is_there_again_is_said_as_each_vendor_says_it(key, vendor):
    world(WAYS["messages"], vendor, requests_per_minute=5)
    before = datetime.now(UTC)
    until = datetime.fromisoformat(of_limits(call(WAYS["messages"], key))["anthropic-ratelimit-requests-reset"])
    assert 59 <= (until - before).total_seconds() <= 63  # what was used counts for a minute, by whole seconds
    assert rates.duration(0.0) == "0s"
    assert rates.duration(0.2) == "1s"
    assert rates.duration(59.5) == "1m0s"
    assert rates.duration(60.2) == "1m1s"


def test_what_is_told_is_what_the_next_calls_get(key, vendor):
    way = WAYS["chat"]
    world(way, vendor, requests_per_minute=3)
    assert [remaining(way, call(way, key), "requests") for _ in range(3)] == [2, 1, 0]
    assert asyncio.run(_closing(ask(way, key, body(way)))).status == 429


def test_embeddings_tell_it_too(address: str, db: None) -> None:
    key = clients.create_key("ci", by=SYSTEM).key
    clients.save_client("ci", {"requests_per_minute": 5}, by=SYSTEM)
    with two_embedders(VECTORS), openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0) as sdk:
        raw = sdk.embeddings.with_raw_response.create(model="task:vectors", input=["Paris", "Rome"])
    assert (raw.headers["x-ratelimit-limit-requests"], raw.headers["x-ratelimit-remaining-requests"]) == ("5", "4")
