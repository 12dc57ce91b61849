"""Ping, discovery and the local plan over HTTP."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client as Http

from routing import clients
from routing.audit import SYSTEM
from routing.models import Revision
from routing.terms.words import Scope
from tests import doubles
from tests.doubles import Double
from tests.routing.seeded import load_seed

pytestmark = pytest.mark.django_db

Call = Callable[..., Any]


@pytest.fixture
def server(db: None) -> Iterator[Double]:
    with doubles.serve_in_thread() as double:
        double.serves = ("llama3.1:8b", "nomic-embed-text:latest", "Qwen/Qwen2.5-14B")
        yield double


@pytest.fixture
def call(db: None) -> Call:
    load_seed()
    key = clients.create_key("ops", by=SYSTEM, scopes=[Scope.READ, Scope.MANAGE]).key

    def send(method: str, path: str, body: object = None, **headers: str) -> Any:
        data = "" if body is None else json.dumps(body)
        sent = {"X-Cortex-Key": key, **headers}
        return Http().generic(method, f"/api/v1{path}", data, content_type="application/json", headers=sent)

    return send


def test_a_ping_tells_whether_the_provider_answers_and_never_fails_itself(call: Call, server: Double) -> None:
    silent = call("POST", "/providers/ollama/ping").json()
    assert (silent["ok"], silent["models"]) == (False, None)
    assert silent["problem"].startswith("ollama has no address yet")
    call("POST", "/local/enable", {"base_url": server.url})
    loud = call("POST", "/providers/ollama/ping").json()
    assert (loud["ok"], loud["models"], loud["problem"], loud["simulated"]) == (True, 3, "", False)
    assert call("POST", "/providers/nobody/ping").status_code == 404


def test_discovery_tells_what_is_known_what_is_new_and_what_is_missing(call: Call, server: Double) -> None:
    call("POST", "/local/enable", {"base_url": server.url})
    told = call("POST", "/providers/ollama/discover").json()
    assert {item["upstream_id"]: item["model"] for item in told["items"]} == {
        "llama3.1:8b": "ollama:llama3.1:8b",
        "nomic-embed-text:latest": "ollama:nomic-embed-text",
        "Qwen/Qwen2.5-14B": None,
    }
    assert sorted(told["missing"]) == ["ollama:local", "ollama:qwen2.5-coder:14b"]
    (part,) = [item["part"] for item in told["items"] if item["part"]]
    assert part["slug"] == "qwen/qwen2.5-14b"
    made = call("POST", "/models", part, **{"If-Match": "2"})
    assert made.status_code == 201, made.json()
    assert made.json()["item"]["upstream_id"] == "Qwen/Qwen2.5-14B"


def test_one_request_switches_the_plan_on_and_one_off(call: Call, server: Double) -> None:
    response = call("POST", "/local/enable", {"base_url": server.url, "reason": "a GPU came"})
    now = response.json()
    assert (now["on"], now["answers"], now["revision"], response["ETag"]) == (True, True, 2, '"2"')
    assert now["missing"][0].startswith("ollama pull ")
    assert Revision.objects.get(number=2).reason == "a GPU came"
    assert call("GET", "/local").json()["on"] is True
    assert call("POST", "/local/disable").json()["on"] is False


@pytest.mark.parametrize(
    ("body", "status", "code", "said"),
    [
        ({"base_url": "http://127.0.0.1:9"}, 502, "unreachable", "Is the server running there?"),
        ({"base_url": "ftp://h"}, 422, "invalid", "base_url: must begin with https:// (or http://)"),
        ({"base_url": "http://user:word@h.example"}, 422, "invalid", "base_url: must not hold a user name"),
        ({"base_url": 7}, 422, "invalid", "base_url: not a text"),
        ({"address": "x"}, 422, "invalid", "address: unknown field"),
        ({"provider": "nobody"}, 404, "not_found", "There is no provider 'nobody'."),
    ],
    ids=["silent", "ftp", "password", "number", "field", "provider"],
)
def test_what_cannot_be_switched_on_is_refused_and_changes_nothing(
    call: Call, body: dict[str, Any], status: int, code: str, said: str
) -> None:
    response = call("POST", "/local/enable", body)
    assert response.status_code == status, response.content
    error = response.json()["error"]
    assert error["code"] == code
    assert said in error["message"]
    assert Revision.objects.count() == 1


def test_a_stale_switch_is_refused_as_any_stale_write(call: Call, server: Double) -> None:
    call("POST", "/local/enable", {"base_url": server.url})
    assert call("POST", "/local/disable", **{"If-Match": "1"}).status_code == 409
