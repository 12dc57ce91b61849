"""Client gone → the provider's call is cancelled, before and after the first token, on every way in; nothing cools down."""

import json
import socket
import time
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import pytest

from routing import circuits, clients, drain, snapshot
from routing.audit import SYSTEM
from routing.models import Attempt, Call, Cooldown
from routing.terms.words import ProviderKind
from tests import doubles
from tests.cortex.processes import until
from tests.doubles import Act, Double, script
from tests.routing.two_providers import ANTHROPIC, BODIES, OPENAI, publish

pytestmark = pytest.mark.django_db(transaction=True)
WITHIN_S = 0.25
NATIVE = {"task_type": "talk", "prompt": "Say it.", "max_tokens": 1}


@dataclass(frozen=True)
class Way:
    path: str
    body: dict[str, object]
    kind: ProviderKind  # of the provider that it leads to


WAYS = {
    "native, anthropic": Way("/api/v1/dispatch", NATIVE, ANTHROPIC),
    "native, openai": Way("/api/v1/dispatch", NATIVE, OPENAI),
    "messages, relayed": Way("/v1/messages", BODIES["anthropic"], ANTHROPIC),
    "messages, translated": Way("/v1/messages", BODIES["anthropic"], OPENAI),
    "chat, relayed": Way("/v1/chat/completions", BODIES["openai_chat"], OPENAI),
    "chat, translated": Way("/v1/chat/completions", BODIES["openai_chat"], ANTHROPIC),
    "responses, relayed": Way("/v1/responses", BODIES["openai_responses"], OPENAI),
    "responses, translated": Way("/v1/responses", BODIES["openai_responses"], ANTHROPIC),
}
# Where the provider is silent, and whether the client has asked for a stream.
SILENT: dict[str, tuple[Act, bool]] = {
    "whole": (script.stalls(before_headers=True), False),
    "stream, before the first token": (script.stalls(after=0), True),
    "stream, after it": (replace(script.stalls(after=5), text="It works, and it goes on."), True),
}


def gone(address: str, key: str, way: Way, double: Double, streams: bool, act: Act) -> float:
    """Seconds from the client's going away to the end of its call at the provider."""
    asked, ended = len(double.requests), double.cancelled
    double.will(act)
    body = json.dumps(way.body | ({"stream": True} if streams else {})).encode()
    host = urlsplit(address)
    head = f"POST {way.path} HTTP/1.1\r\nHost: localhost\r\nX-Cortex-Key: {key}\r\nContent-Type: application/json\r\n"
    with socket.create_connection((host.hostname, host.port), timeout=10) as client:
        client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        until(lambda: len(double.requests) > asked)
        if act.after:
            read = b""
            while b"It " not in read:  # the first word has come
                read += client.recv(65_536)
    left = time.monotonic()
    until(lambda: double.cancelled > ended)
    return time.monotonic() - left


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_who_goes_away_ends_the_providers_work_and_nothing_cools_down(address, way):
    key = clients.create_key("ci", by=SYSTEM).key
    with doubles.serve_in_thread() as double:
        publish([(way.kind, double.url), (way.kind, "http://127.0.0.1:1")])
        snapshot.load_now()
        for act, streams in SILENT.values():
            gone(address, key, way, double, streams, act)
        assert len(double.requests) == 3, "nobody else was asked, and nobody twice"
    assert_all_cancelled(3)


@pytest.mark.soak
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_it_ends_within_a_quarter_of_a_second(address, way):
    key = clients.create_key("ci", by=SYSTEM).key
    with doubles.serve_in_thread() as double:
        publish([(way.kind, double.url), (way.kind, "http://127.0.0.1:1")])
        snapshot.load_now()
        took = [gone(address, key, way, double, streams, act) for act, streams in SILENT.values() for _ in range(20)]
    assert sorted(took)[-3] <= WITHIN_S, sorted(took)[-5:]  # 95 of 100; the machine has others to serve
    assert_all_cancelled(60)


def assert_all_cancelled(number: int) -> None:
    until(lambda: drain.flush() and Call.objects.count() == number)
    assert list(Call.objects.values_list("status", flat=True)) == ["cancelled"] * number
    assert set(Attempt.objects.values_list("status", "error_kind")) == {("cancelled", "cancelled")}
    circuits.write_pending()
    assert not Cooldown.objects.exists()
    assert all(circuit.failures == 0 for circuit in circuits._shared.circuits.values())
