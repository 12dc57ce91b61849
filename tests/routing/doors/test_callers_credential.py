"""A client that brings its provider's credential beside its Cortex key: relayed to that provider alone, kept nowhere."""

import asyncio
import json
import logging
from pathlib import Path

import pytest
from django.core.management import call_command

from routing import circuits, drain, snapshot
from routing.models import Attempt, Cooldown
from routing.terms.words import ProviderKind
from tests import doubles
from tests.doubles import script
from tests.doubles.wires import error_body
from tests.routing.doors.test_relaying import _closing, ask, body, told
from tests.routing.doors.ways import WAYS
from tests.routing.two_providers import publish

pytestmark = pytest.mark.django_db
CANARY = "sk-ant-oat01-canary-4711"
BEARER = {"authorization": f"Bearer {CANARY}"}


def route(settings, *providers: tuple[ProviderKind, doubles.Double], named: bool = True) -> None:
    """Both providers are routed; the first's host may get clients' credentials."""
    first = providers[0][1]
    settings.CALLER_CREDENTIAL_UPSTREAMS = [f"127.0.0.1:{first.port}"] if named else []
    publish([(kind, double.url) for kind, double in providers])
    snapshot.load_now()


def attempts() -> list[tuple[str, str, str]]:
    circuits.write_pending()
    assert drain.flush()
    rows = Attempt.objects.order_by("call_id", "attempt")
    return list(rows.values_list("provider", "credential_kind", "status"))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_it_takes_the_place_of_ours_byte_for_byte(way, key, settings, stream):
    with doubles.serve_in_thread() as one, doubles.serve_in_thread() as two:
        route(settings, (way.kind, one), (way.other, two))
        headers = BEARER | {"anthropic-beta": "oauth-2025-04-20", "openai-organization": "org-of-the-client"}
        exchange = asyncio.run(_closing(ask(way, key, body(way, stream=stream), headers)))

    assert exchange.status == 200
    seen = one.requests[0].headers
    assert seen["authorization"] == f"Bearer {CANARY}"
    assert "x-api-key" not in seen
    assert (seen["anthropic-beta"], seen["openai-organization"]) == ("oauth-2025-04-20", "org-of-the-client")
    assert attempts() == [("first", "caller", "ok")]
    assert Attempt.objects.get().credential.startswith("caller:ck_")


def test_an_api_key_of_anthropics_client_is_one_too(key, settings):
    way = WAYS["messages"]
    with doubles.serve_in_thread() as one, doubles.serve_in_thread() as two:
        route(settings, (way.kind, one), (way.other, two))
        asyncio.run(_closing(ask(way, key, body(way), {"x-api-key": CANARY})))
    assert one.requests[0].headers["x-api-key"] == CANARY


def test_when_it_is_exhausted_the_routes_next_step_serves_with_ours(way, key, settings):
    with doubles.serve_in_thread(script.rate_limited("60")) as one, doubles.serve_in_thread() as two:
        route(settings, (way.kind, one), (way.kind, two))
        first = asyncio.run(_closing(ask(way, key, body(way), BEARER)))
        assert attempts() == [("first", "caller", "error"), ("second", "api_key", "ok")]
        again = asyncio.run(_closing(ask(way, key, body(way), BEARER)))
        without = asyncio.run(_closing(ask(way, key, body(way))))

    assert [told(each)["x-cortex-provider"] for each in (first, again, without)] == ["second", "second", "first"]
    assert [CANARY in str(seen.headers) for seen in one.requests] == [True, False]  # it rests, ours does not
    assert not any(CANARY in str(seen.headers) for seen in two.requests)
    assert Cooldown.objects.get().credential.startswith("caller:ck_")


def test_no_other_host_gets_it(way, key, settings):
    with doubles.serve_in_thread() as one, doubles.serve_in_thread() as two:
        route(settings, (way.kind, one), (way.other, two), named=False)
        assert asyncio.run(_closing(ask(way, key, body(way), BEARER))).status == 200
        publish([(way.other, two.url), (way.kind, one.url)])
        snapshot.load_now()
        assert asyncio.run(_closing(ask(way, key, body(way), BEARER))).status == 200

    assert one.requests
    assert two.requests
    assert not any(CANARY in str(seen) for seen in [*one.requests, *two.requests])
    assert {kind for _, kind, _ in attempts()} == {"api_key"}


def test_its_refusal_is_told_to_its_owner_and_stops_nobody_else(way, key, settings):
    refused = script.error(401, message="your token is bad")
    with doubles.serve_in_thread(refused) as one, doubles.serve_in_thread(then=script.error(500)) as two:
        route(settings, (way.kind, one), (way.other, two))
        settings_of_one = {"x-cortex-override": "first:one"}
        exchange = asyncio.run(_closing(ask(way, key, body(way), BEARER)))
        assert exchange.status in (500, 502)  # the second's own ending
        assert attempts()[0] == ("first", "caller", "error")
        snapshot.load_now()
        assert asyncio.run(_closing(ask(way, key, body(way), settings_of_one))).status == 200


def test_alone_its_refusal_comes_back_word_for_word(way, key, settings):
    refused = script.error(401, message=f"the token {CANARY} is bad")
    with doubles.serve_in_thread(refused) as one, doubles.serve_in_thread() as two:
        route(settings, (way.kind, one), (way.other, two))
        publish([(way.kind, one.url), (way.other, two.url)], steps=["first:one"])
        snapshot.load_now()
        exchange = asyncio.run(_closing(ask(way, key, body(way), BEARER)))

    assert exchange.status == 401
    assert exchange.content == json.dumps(error_body(way.path, refused)).replace(CANARY, "…").encode()


@pytest.mark.parametrize("fault", [script.answer(), script.error(401, message=f"bad: {CANARY}"), script.error(500)])
def test_it_is_kept_nowhere(way, key, settings, tmp_path, caplog, fault):
    caplog.set_level(logging.DEBUG)
    with doubles.serve_in_thread(fault) as one, doubles.serve_in_thread() as two:
        route(settings, (way.kind, one), (way.other, two))
        asyncio.run(_closing(ask(way, key, body(way), BEARER)))
    assert CANARY in str(one.requests[0].headers)
    spooled = b"".join(path.read_bytes() for path in Path(tmp_path).rglob("*") if path.is_file())
    attempts()

    assert b"caller:ck_" in spooled
    assert CANARY.encode() not in spooled
    assert CANARY not in caplog.text
    dumped = tmp_path / "dump.json"
    call_command("dumpdata", "routing", output=str(dumped), verbosity=0)
    assert "caller:ck_" in dumped.read_text()
    assert CANARY not in dumped.read_text()
