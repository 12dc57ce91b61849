"""A model's name that the table does not list: an observed client's own vendor serves it with the client's own credential."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from routing import adoption, circuits, clients, drain, snapshot, suggestions
from routing.audit import SYSTEM
from routing.dispatch import metrics
from routing.doors import counting
from routing.models import Attempt, Call, Client, Provider
from routing.terms.words import ProviderKind
from tests import doubles
from tests.cortex.test_asgi import Exchange
from tests.doubles import Double, script
from tests.doubles.wires import answer_body, error_body, events
from tests.remembered import remembered
from tests.routing.doors.test_relaying import _closing, ask, body, told
from tests.routing.doors.ways import WAYS, Way
from tests.routing.two_providers import BODIES, publish

pytestmark = pytest.mark.django_db
NAMED = {"anthropic": "claude-sonnet-4-5-20250929", "openai": "gpt-5.1-Codex"}  # spelled as no slug is
OWN = {"authorization": "Bearer sk-ant-oat01-own"}


@pytest.fixture
def key(own_spool: None) -> Iterator[str]:
    counting.forget()
    yield remembered("an observed client's key", _observed)
    counting.forget()


def _observed() -> str:
    key = clients.create_key("ci", by=SYSTEM).key
    clients.save_client("ci", {"mode": "observe"}, by=SYSTEM)
    return key


@pytest.fixture
def vendor(settings) -> Iterator[Double]:
    with doubles.serve_in_thread() as made:
        settings.CALLER_CREDENTIAL_UPSTREAMS = [f"127.0.0.1:{made.port}"]
        yield made


def route(way: Way, vendor: Double) -> None:
    """The wire's vendor is the route's second: nothing but the wire leads to it."""
    publish([(way.other, "http://127.0.0.1:1"), (way.kind, vendor.url)])
    snapshot.load_now()


def name(way: Way) -> str:
    return NAMED["anthropic" if way.kind is ProviderKind.ANTHROPIC else "openai"]


def call(way: Way, key: str, headers: dict[str, str] | None = None, **more: Any) -> Exchange:
    return asyncio.run(_closing(ask(way, key, body(way, **{"model": name(way)} | more), OWN | (headers or {}))))


def written() -> tuple[Call, Attempt]:
    circuits.write_pending()
    assert drain.flush()
    return Call.objects.get(), Attempt.objects.get()


def test_the_wires_own_vendor_serves_it_and_the_row_says_observed(way, key, vendor):
    act = script.answer("Ja.")
    vendor.will(act)
    route(way, vendor)
    exchange = call(way, key, new_field={"a": 1})

    assert (exchange.status, exchange.content) == (200, json.dumps(answer_body(way.path, name(way), act)).encode())
    (seen,) = vendor.requests
    assert seen.body == BODIES[way.wire] | {"model": name(way), "new_field": {"a": 1}}
    assert seen.headers["authorization"] == OWN["authorization"]
    headers = told(exchange)
    assert (headers["x-cortex-provider"], headers["x-cortex-model"]) == ("second", name(way).lower())
    assert headers["x-cortex-reason"] == f"observed: {name(way).lower()}, as the client asked"
    row, attempt = written()
    assert (row.role, row.requested_model, row.task_type, row.cost_usd) == ("observed", name(way), "", None)
    assert (attempt.role, attempt.provider, attempt.upstream_id) == ("observed", "second", name(way))
    assert (attempt.credential_kind, attempt.cost_usd, attempt.price) == ("caller", None, "")
    assert (attempt.input_tokens, attempt.output_tokens) == (100, 20)


def test_its_stream_is_the_vendors_own_bytes(way, key, vendor):
    act = script.answer("It works as it should.")
    vendor.will(act)
    route(way, vendor)
    options = {"stream_options": {"include_usage": True}} if way.wire == "openai_chat" else {}
    exchange = call(way, key, stream=True, **options)
    assert exchange.content == b"".join(events(way.path, name(way), act))


def test_a_name_that_the_vendor_does_not_know_either_gets_the_vendors_own_words(way, key, vendor):
    refused = script.error(404, message="no such model")
    vendor.will(refused)
    route(way, vendor)
    exchange = call(way, key)
    assert (exchange.status, exchange.content) == (404, json.dumps(error_body(way.path, refused)).encode())
    assert written()[1].error_kind == "client"


def test_what_its_vendor_served_is_suggested_to_mean_a_task_type(key, vendor):
    route(WAYS["messages"], vendor)
    call(WAYS["messages"], key, {"x-cortex-task": "talk"})
    row, _ = written()
    assert (row.task_type, row.role, row.would_route) == ("talk", "observed", "first:one")
    (line,) = suggestions.observed(Client.objects.get(slug="ci")).open
    assert (line.requested, line.calls, line.task_type) == ("claude-sonnet-*", 1, "talk")
    assert (line.cost_usd, line.unpriced) == (None, 1)
    adoption.accept("ci", line.requested, "talk", by=SYSTEM)
    snapshot.load_now()
    assert told(call(WAYS["messages"], key))["x-cortex-provider"] == "second"  # until the client is switched to route


def test_the_vendor_counts_its_tokens(key, vendor):
    vendor.will(script.answer(read=2095))
    route(WAYS["messages"], vendor)
    counts = Way("/v1/messages/count_tokens", "anthropic", ProviderKind.ANTHROPIC)
    exchange = call(counts, key)
    assert (exchange.status, exchange.content) == (200, b'{"input_tokens": 2095}')
    assert vendor.requests[0].headers["authorization"] == OWN["authorization"]
    assert vendor.bodies[0]["model"] == name(counts)


def test_no_word_of_a_client_becomes_a_label_of_the_metrics(key, vendor):
    route(WAYS["messages"], vendor)
    before = metrics.attempts("second", metrics.UNLISTED, "ok", "")._value.get()
    for number in range(3):
        assert call(WAYS["messages"], key, model=f"claude-new-{number}").status == 200
    labels = {labels["model"] for each in metrics.ATTEMPTS.collect() for _, labels, *_ in each.samples}
    assert not any(label.startswith("claude-new-") for label in labels)
    assert metrics.attempts("second", metrics.UNLISTED, "ok", "")._value.get() == before + 3


def test_whatever_becomes_of_it_nothing_is_remembered_of_a_name_that_a_client_can_make_up(key, vendor):
    vendor.will(script.answer(), script.error(500), script.rate_limited("60"), then=script.answer())
    route(WAYS["messages"], vendor)
    made = [call(WAYS["messages"], key, model=f"claude-new-{number}") for number in (1, 2, 3, 3)]
    assert [each.status for each in made] == [200, 500, 429, 200]
    health = snapshot.current().health
    assert (health.cooldowns, health.circuits, circuits._shared.circuits) == ({}, {}, {})


def _route_mode(vendor: Double) -> dict[str, str]:
    clients.save_client("ci", {"mode": "route"}, by=SYSTEM)
    return OWN


def _without_a_credential(vendor: Double) -> dict[str, str]:
    return {}


def _vendor_off(vendor: Double) -> dict[str, str]:
    Provider.objects.filter(slug="second").update(enabled=False)
    return OWN


@pytest.mark.parametrize(
    ("world", "to_do"),
    [
        (_route_mode, "Map the name to a task type for client 'ci', or name a model of the routing table"),
        (_without_a_credential, "Send the vendor's own credential beside X-Cortex-Key, or name a model of the routing"),
        (_vendor_off, "Enable a provider of this wire that takes clients' own credentials, or name a model of the"),
    ],
    ids=["route", "no credential", "vendor off"],
)
def test_else_it_is_not_found_and_the_client_is_told_what_to_do(way, key, vendor, world, to_do):
    route(way, vendor)
    headers = world(vendor)
    snapshot.load_now()
    exchange = asyncio.run(_closing(ask(way, key, body(way, model=name(way)), headers)))
    assert exchange.status == 404
    words = json.loads(exchange.content)["error"]["message"]
    assert f"There is no model '{name(way).lower()}'" in words
    assert to_do in words
    assert vendor.requests == []


@pytest.mark.parametrize("strange", ["a b", "-x", "x" * 121, "claude\u00e4", "a?b=c", ""], ids=repr)
def test_what_is_no_name_of_a_model_is_asked_of_nobody(key, vendor, strange):
    route(WAYS["messages"], vendor)
    assert call(WAYS["messages"], key, model=strange).status in (400, 404)
    assert vendor.requests == []


def test_a_client_with_a_list_of_models_gets_no_other(key, vendor):
    route(WAYS["messages"], vendor)
    clients.save_client("ci", {"allowed_models": ["second:two"]}, by=SYSTEM)
    snapshot.load_now()
    exchange = call(WAYS["messages"], key)
    assert (exchange.status, vendor.requests) == (403, [])


def test_a_wish_for_it_stays_a_wish_for_a_model_of_the_table(key, vendor):
    route(WAYS["messages"], vendor)
    exchange = call(WAYS["messages"], key, {"x-cortex-override": "claude-new"}, model="task:talk")
    assert (exchange.status, vendor.requests) == (404, [])
