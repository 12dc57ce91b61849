"""The test of a credential: what a provider and a token server on loopback say becomes its readiness."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client as Http
from django.utils import timezone

from routing import changes, clients, connections, credentials, snapshot
from routing.audit import SYSTEM
from routing.models import Alert, AuditEvent, Credential
from routing.terms.words import Scope
from tests import doubles
from tests.doubles import Double
from tests.doubles.script import error, rate_limited
from tests.doubles.tokens import CLIENT_ID, CLIENT_SECRET, TokenServer, token_server

pytestmark = pytest.mark.django_db

CANARY = "sk-canary-0123456789abcdef"
REFUSED = error(401, "authentication_error", "invalid_api_key", f"Incorrect API key provided: {CANARY}")


@pytest.fixture
def provider() -> Iterator[Double]:
    with doubles.serve_in_thread() as made:
        yield made


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with token_server() as made:
        yield made


def publish(provider: Double, **credential: Any) -> None:
    part = {"provider": "far", "name": "main", "kind": "api_key", "secret": CANARY} | credential
    document = {
        "providers": [{"slug": "far", "kind": "openai_compatible", "base_url": provider.openai}],
        "credentials": [part],
    }
    changes.publish(document, by=SYSTEM, reason="a test", source="load")


def oauth(server: TokenServer) -> dict[str, Any]:
    part = {"token_url": server.url, "client_id": CLIENT_ID, "grant": "client_credentials"}
    return {"kind": "oauth", "oauth": part, "secret": CLIENT_SECRET}


def check(now: datetime | None = None) -> connections.Tested:
    return connections.check("far", "main", by=SYSTEM, now=now)


def test_an_accepted_key_is_ready_and_the_audit_tells_that_it_was_tested(provider: Double) -> None:
    publish(provider)
    tested = check()
    assert (tested.ok, tested.access.ready) == (True, True)
    assert provider.requests[0].headers["authorization"] == f"Bearer {CANARY}"
    event = AuditEvent.objects.latest("sequence")
    assert (event.action, event.subject, event.after) == ("credential.test", "credential:far/main", {"ok": True})


def test_a_refused_key_is_not_ready_until_a_test_goes_well(provider: Double) -> None:
    publish(provider)
    provider.will(REFUSED)
    tested = check()
    assert (tested.ok, tested.access.ready) == (False, False)
    assert tested.message.startswith("far refuses the credential. 401: ")
    assert CANARY not in tested.message + tested.access.reason + Alert.objects.get().detail
    assert check().access.ready  # although it was marked, it is what is shown
    assert Alert.objects.get().resolved_at is not None


@pytest.mark.parametrize("act", [error(500), rate_limited("7"), error(404)], ids=["500", "429", "404"])
def test_a_provider_that_stumbles_says_nothing_of_the_credential(provider: Double, act: doubles.Act) -> None:
    publish(provider)
    provider.will(act)
    tested = check()
    assert (tested.ok, tested.access.ready) == (False, True)
    assert "nothing is known of the credential" in tested.message
    credentials.mark_not_ready("far", "main", "401")
    provider.will(act)
    assert not check().access.ready


def test_a_provider_that_is_not_there_says_nothing_either(provider: Double) -> None:
    publish(provider)
    changes.publish(
        {"providers": [{"slug": "far", "base_url": "http://127.0.0.1:1/v1"}]}, by=SYSTEM, reason="", source="load"
    )
    credentials.store("far", "main", CANARY, by=SYSTEM)
    assert not check().ok
    assert credentials.read("far", "main").ready


def test_without_a_secret_there_is_nothing_to_ask_with(provider: Double) -> None:
    publish(provider, secret=None)
    assert check().message == "Nothing to ask far with: no secret is stored."
    assert provider.requests == []


def test_an_oauth_credential_asks_for_a_token_first_and_tests_that(provider: Double, server: TokenServer) -> None:
    publish(provider, **oauth(server))
    assert check().ok
    assert provider.requests[0].headers["authorization"] == f"Bearer {server.issued[0]}"
    check()
    assert len(server.issued) == 1  # the token is still good
    end = timezone.now() + timedelta(hours=2)
    assert check(end).ok
    assert provider.requests[-1].headers["authorization"] == f"Bearer {server.issued[1]}"


def test_a_token_that_the_provider_refuses_is_for_a_person(provider: Double, server: TokenServer) -> None:
    publish(provider, **oauth(server))
    provider.will(REFUSED)
    tested = check()
    assert (tested.ok, tested.access.ready, tested.access.until) == (False, False, None)


def test_a_denied_client_is_told_in_the_words_of_what_to_do(provider: Double, server: TokenServer) -> None:
    publish(provider, **oauth(server) | {"secret": "another"})
    assert "store the client's secret anew" in check().message
    assert provider.requests == []


def ask(path: str, scope: Scope) -> Any:
    key = clients.create_key("ops", scopes=[scope], by=SYSTEM).key
    return Http().post(f"/api/v1{path}", content_type="application/json", headers={"X-Cortex-Key": key})


def test_the_api_tests_a_credential_and_answers_its_readiness(provider: Double) -> None:
    publish(provider)
    told = ask("/credentials/far:main/test", Scope.MANAGE).json()
    assert told == {
        "ok": True,
        "message": "far answers, and accepts the credential.",
        "provider": "far",
        "name": "main",
        "kind": "api_key",
        "ready": True,
        "reason": None,
        "until": None,
        "expires_at": None,
        "problem": None,
    }
    assert ask("/credentials/far:other/test", Scope.MANAGE).status_code == 404
    assert ask("/credentials/far:main/test", Scope.READ).status_code == 403


def test_status_boot_and_the_list_tell_readiness_and_never_the_secret(provider: Double, server: TokenServer) -> None:
    publish(provider, **oauth(server))
    server.app = type(server.app)("another", server.app.auth_methods)
    check()
    snapshot.load_now()
    key = clients.create_key("ops", scopes=[Scope.READ], by=SYSTEM).key

    def read(path: str) -> Any:
        return Http().get(f"/api/v1{path}", headers={"X-Cortex-Key": key}).json()

    status, boot, listed = read("/status"), read("/boot"), read("/credentials")
    way = status["providers"][0]["credentials"][0]
    assert (way["ready"], way["until"]) == (False, None)
    assert "invalid_client" in way["reason"]
    assert boot["credentials"] == [{"provider": "far", **way}]
    assert listed["items"][0]["reason"] == way["reason"]
    assert "canary" not in json.dumps([status, boot, listed, read("/credentials/far:main"), read("/revisions/1")])
    assert Credential.objects.get().secret is not None
