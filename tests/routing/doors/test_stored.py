"""Calls that go on from an answer that OpenAI keeps: to the provider and the credential that have it, for the client that got it."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from routing import changes, circuits, clients, drain, recorder, snapshot, stored
from routing.audit import SYSTEM
from routing.models import Attempt
from routing.policy.health import Health, Rest
from routing.policy.plan import plan
from routing.policy.table import Credential
from routing.providers.registry import close_all
from routing.terms.candidate import Kept
from routing.terms.ids import stored_name
from routing.terms.request import Ask
from routing.terms.words import CredentialKind
from tests import doubles
from tests.cortex.test_asgi import Exchange
from tests.doubles import Double
from tests.doubles.script import error, rate_limited
from tests.routing.policy.worlds import KEYS, LATER, NOW, order, table
from tests.routing.two_providers import ANTHROPIC, OPENAI, publish

pytestmark = pytest.mark.django_db(transaction=True)
ID = "resp_double"  # what a double calls its answers
SECRETS = {"first": "sk-first", "second": "sk-second"}


@pytest.fixture
def key(settings, tmp_path, monkeypatch) -> Iterator[str]:
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(stored, "UNDER_WAY_S", 0.0)  # every test writes its rows before it asks
    recorder.close()
    snapshot.forget()
    yield clients.create_key("ci", by=SYSTEM).key
    recorder.close()
    snapshot.forget()


@pytest.fixture
def two() -> Iterator[tuple[Double, Double]]:
    """Two providers of OpenAI's kind."""
    with doubles.serve_in_thread() as one, doubles.serve_in_thread() as other:
        publish([(OPENAI, one.url), (OPENAI, other.url)])
        snapshot.load_now()
        yield one, other


def send(
    key: str, method: str = "POST", path: str = "/v1/responses", headers: dict[str, str] | None = None, **fields: Any
) -> Exchange:
    """One exchange, with all that it leaves behind written down."""

    async def made() -> Exchange:
        body = json.dumps({"model": "task:talk", "input": "Say it."} | fields).encode() if method == "POST" else b""
        pairs = [
            (b"x-cortex-key", key.encode()),
            *((name.encode(), value.encode()) for name, value in (headers or {}).items()),
        ]
        exchange = Exchange(method, path.partition("?")[0], body, pairs)
        exchange.scope["query_string"] = path.partition("?")[2].encode()
        try:
            return await exchange.run()
        finally:
            await close_all()

    exchange = asyncio.run(made())
    circuits.write_pending()
    assert drain.flush()
    return exchange


def said(exchange: Exchange) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(exchange.content)
    return found


def turn_round(*steps: str) -> None:
    changes.change_route("talk", list(steps), by=SYSTEM, reason="the other way round", source="console")
    snapshot.load_now()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_call_goes_on_at_the_provider_that_has_the_answer_whatever_the_route_says(key, two, stream):
    one, other = two
    assert send(key, stream=stream).status == 200
    turn_round("second:two", "first:one")
    assert send(key, stream=stream, previous_response_id=ID).status == 200
    assert len(one.requests) == 2
    assert one.bodies[1]["previous_response_id"] == ID
    assert other.requests == []


def test_the_same_with_the_store_flag_said_and_with_a_route_that_has_no_model_of_that_provider(key, two):
    one, other = two
    assert send(key, store=True).status == 200
    turn_round("second:two")
    went_on = send(key, previous_response_id=ID)
    assert (went_on.status, len(one.requests), len(other.requests)) == (200, 2, 0)
    headers = dict(went_on.sent[0]["headers"])
    assert b"one has the stored response" in headers[b"x-cortex-reason"]


def test_it_goes_with_the_credential_that_the_answer_was_given_to(key, two):
    one, _ = two
    send(key)
    main = one.requests[0].headers["authorization"]
    changes.publish(
        {"credentials": [{"provider": "first", "name": "spare", "kind": "api_key", "secret": "sk-spare"}]},
        by=SYSTEM,
        reason="a second one",
        source="load",
    )
    Attempt.objects.update(credential="spare")  # as if the answer had been given to it
    snapshot.load_now()
    assert send(key, previous_response_id=ID).status == 200
    assert send(key).status == 200
    assert [seen.headers["authorization"] for seen in one.requests] == [main, "Bearer sk-spare", main]


def test_nobody_else_takes_over_where_the_provider_that_has_the_answer_fails(key, two):
    one, other = two
    send(key)
    one.will(then=rate_limited("3000"))
    assert send(key, previous_response_id=ID).status >= 400
    resting = send(key, previous_response_id=ID)
    assert resting.status == 503
    assert other.requests == []


def test_another_clients_answer_is_not_there(key, two):
    send(key)
    foreign = clients.create_key("foreign", by=SYSTEM).key
    snapshot.load_now()
    refused = send(foreign, previous_response_id=ID)
    assert refused.status == 404
    assert said(refused) == {
        "error": {
            "message": f"Previous response with id '{ID}' not found.",
            "type": "invalid_request_error",
            "param": "previous_response_id",
            "code": "previous_response_not_found",
        }
    }
    assert said(send(key, previous_response_id="resp_other"))["error"]["message"].startswith(
        "Previous response with id"
    )
    for method in ("GET", "DELETE"):
        gone = send(foreign, method, f"/v1/responses/{ID}")
        assert (gone.status, said(gone)["error"]["message"]) == (404, f"Response with id '{ID}' not found.")
    assert len(two[0].requests) == 1


def test_an_answer_that_the_client_did_not_want_kept_is_not_known(key, two):
    send(key, store=False)
    assert send(key, previous_response_id=ID).status == 404
    assert Attempt.objects.get().stored == ""


def test_only_a_hash_of_the_answers_name_is_written(key, two, tmp_path):
    send(key, input="a-secret-prompt")
    assert Attempt.objects.get().stored == stored_name(ID)
    assert Attempt.objects.filter(provider_request_id__contains=ID).count() == 0
    written = b"".join(each.read_bytes() for each in tmp_path.rglob("*") if each.is_file())
    assert ID.encode() not in written
    assert b"a-secret-prompt" not in written


def test_an_answer_of_a_provider_of_another_wire_is_kept_nowhere(key):
    with doubles.serve_in_thread() as one:
        publish([(ANTHROPIC, one.url), (OPENAI, "http://127.0.0.1:1")])
        snapshot.load_now()
        given = said(send(key))["id"]
        assert send(key, previous_response_id=given).status == 404
        assert len(one.requests) == 1


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"background": True}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}, {"role": "user", "content": "Hi"}]}, "input"),
    ],
    ids=["background", "conversation", "item reference"],
)
def test_what_cannot_be_placed_is_refused_and_says_why(key, two, fields, path):
    refused = send(key, **fields)
    assert (refused.status, said(refused)["error"]["param"]) == (400, path)
    assert two[0].requests == []


def test_a_client_with_its_own_credential_may_name_what_its_account_keeps(key, two, settings):
    one, _ = two
    settings.CALLER_CREDENTIAL_UPSTREAMS = frozenset({f"127.0.0.1:{one.port}"})
    snapshot.load_now()
    own = {"authorization": "Bearer sk-own"}
    assert send(key, headers=own, conversation="conv_1").status == 200
    assert send(key, headers=own, previous_response_id=ID).status == 200
    assert {seen.headers["authorization"] for seen in one.requests} == {"Bearer sk-own"}
    without = send(key, previous_response_id=ID)
    assert without.status == 503
    assert "did not come with this call" in without.content.decode()
    assert send(key, "GET", f"/v1/responses/{ID}").status == 404
    assert send(key, "GET", f"/v1/responses/{ID}", own).status == 200
    assert len(one.requests) == 3


def test_a_stored_prompt_is_for_a_provider_of_the_wire(key, two):
    assert send(key, prompt={"id": "pmpt_1"}).status == 200
    assert two[0].bodies[0]["prompt"] == {"id": "pmpt_1"}


def test_a_kept_answer_is_read_and_deleted_at_the_provider_that_has_it(key, two):
    one, other = two
    send(key)
    turn_round("second:two")
    assert send(key, "GET", f"/v1/responses/{ID}?include%5B%5D=reasoning.encrypted_content").status == 200
    assert send(key, "GET", f"/v1/responses/{ID}/input_items?limit=5").status == 200
    assert send(key, "DELETE", f"/v1/responses/{ID}").status == 200
    assert [(seen.method, seen.path) for seen in one.requests[1:]] == [
        ("GET", f"/v1/responses/{ID}?include%5B%5D=reasoning.encrypted_content"),
        ("GET", f"/v1/responses/{ID}/input_items?limit=5"),
        ("DELETE", f"/v1/responses/{ID}"),
    ]
    assert {seen.headers["authorization"] for seen in one.requests} == {"Bearer sk-first"}
    assert other.requests == []
    assert Attempt.objects.count() == 1  # nothing was paid for


@pytest.mark.parametrize(("status", "told"), [(404, 404), (401, 502), (429, 502), (500, 502)])
def test_the_keepers_own_404_is_the_clients_and_its_troubles_are_not(key, two, status, told):
    send(key)
    two[0].will(then=error(status, message="the double says sk-first"))
    refused = send(key, "GET", f"/v1/responses/{ID}")
    assert refused.status == told
    assert b"sk-first" not in refused.content


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", f"/v1/responses/{ID}", 405),
        ("DELETE", f"/v1/responses/{ID}/input_items", 405),
        ("POST", f"/v1/responses/{ID}/cancel", 404),
        ("GET", "/v1/responses/../models", 404),
        ("GET", f"/v1/responses/{ID}?stream=true", 400),
    ],
)
def test_what_is_not_served_of_a_kept_answer_says_so(key, two, method, path, status):
    assert send(key, method, path).status == status


def test_a_row_that_is_on_its_way_is_waited_for(key, two, monkeypatch):
    """The answer was given a moment ago, and its row comes while it is asked for."""
    monkeypatch.setattr(stored, "UNDER_WAY_S", 10.0)
    send(key)
    Attempt.objects.update(stored="")

    async def waiting() -> Kept | None:
        asked = asyncio.create_task(stored.find(ID, "ci"))
        await asyncio.sleep(0.05)
        await asyncio.to_thread(_comes)
        return await asked

    def _comes() -> None:
        Attempt.objects.update(stored=stored_name(ID))
        connection.close()

    found = asyncio.run(waiting())
    assert found == Kept("first", "one", "main", CredentialKind.API_KEY)


def test_policy_skips_whoever_does_not_have_the_answer_and_its_keepers_other_credentials():
    kept = Kept("openai", "gpt-4o", "second", CredentialKind.API_KEY)
    both = (Credential("main", CredentialKind.API_KEY), Credential("second", CredentialKind.API_KEY))
    found = plan(table(credentials=both), Ask("code_generation", kept=kept), Health(), NOW)
    assert order(found) == ["codex"]
    assert found.candidates[0].credential == "second"
    assert next(each.detail for each in found.skipped if each.key == KEYS["sonnet"]) == (
        "does not have the stored response: openai has it"
    )
    resting = Health(cooldowns={("openai", "second", ""): Rest(LATER)})
    assert order(plan(table(credentials=both), Ask("code_generation", kept=kept), resting, NOW)) == []
