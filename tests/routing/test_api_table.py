"""The routing table over HTTP: lists, writes that name the revision they were made from, history, clients."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client as Http

from routing import changes, clients, document
from routing.audit import SYSTEM, Actor
from routing.models import Client, ClientKey, Credential, Revision
from routing.terms.words import Scope
from tests.routing.seeded import load_seed

pytestmark = pytest.mark.django_db

SECTIONS = [
    "providers",
    "models",
    "credentials",
    "quotas",
    "curves",
    "task-types",
    "routes",
    "projects",
    "budgets",
    "clients",
]


@pytest.fixture(autouse=True)
def seed(db: None) -> None:
    load_seed()


@pytest.fixture
def key() -> str:
    return clients.create_key("ops", by=SYSTEM, scopes=[Scope.READ, Scope.MANAGE]).key


Call = Callable[..., Any]


@pytest.fixture
def call(key: str) -> Call:
    """`call("PATCH", "/models/haiku", {…}, match=1)` → the response, whose JSON is checked to be the contract's where it is an error."""

    def send(
        method: str, path: str, body: object = None, *, match: int | str | None = None, as_key: str = key
    ) -> HttpResponse:
        headers = {"X-Cortex-Key": as_key} | ({"If-Match": str(match)} if match is not None else {})
        data = body if isinstance(body, str | bytes) else json.dumps(body) if body is not None else ""
        response: Any = Http().generic(method, f"/api/v1{path}", data, content_type="application/json", headers=headers)
        if response.status_code >= 400:
            assert set(response.json()) == {"error"}
            assert {"code", "message", "request_id", "retryable"} <= set(response.json()["error"])
        return response  # type: ignore[no-any-return]

    return send


# ── reading ──


@pytest.mark.parametrize("section", SECTIONS)
def test_every_list_has_the_shape_of_all_lists(call: Call, section: str) -> None:
    answer = call("GET", f"/{section}").json()
    assert set(answer) == {"items", "next"}


def test_models_can_be_asked_by_role_and_by_any_field(call: Call) -> None:
    assert [item["slug"] for item in call("GET", "/models?role=T2").json()["items"]] == ["gemini-flash"]
    assert [item["slug"] for item in call("GET", "/providers?enabled=false").json()["items"]] == ["ollama"]


def test_a_list_comes_in_pages_that_hold_everything_once(call: Call) -> None:
    seen: list[str] = []
    cursor = ""
    while True:
        answer = call("GET", f"/task-types?limit=5{cursor}").json()
        seen += [item["slug"] for item in answer["items"]]
        if answer["next"] is None:
            break
        cursor = f"&cursor={answer['next']}"
    assert seen == sorted(part["slug"] for part in document.dump()["task_types"])


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "limit=-1", "cursor=%25ff", "cursor=a"])
def test_a_page_that_cannot_be_is_refused(call: Call, query: str) -> None:
    assert call("GET", f"/models?{query}").status_code == 422


def test_one_part_is_found_by_its_key_slug_or_alias(call: Call) -> None:
    for name in ("openai:codex", "codex", "gpt-5.2-codex"):
        assert call("GET", f"/models/{name}").json()["slug"] == "codex"
    assert call("GET", "/models/ollama:llama3.1:8b").json()["slug"] == "llama3.1:8b"
    assert call("GET", "/task-types/coding").json()["slug"] == "vibe_coding"
    assert call("GET", "/routes/code_generation%3Fbatch").json()["condition"] == "batch"
    assert call("GET", "/models/nothing").status_code == 404


def test_a_credential_tells_its_readiness_and_no_secret(call: Call) -> None:
    item = call("GET", "/credentials/openai:main").json()
    assert (item["ready"], item["reason"]) == (False, "OPENAI_API_KEY is not set")
    assert "secret" not in item


# ── writing ──


def test_a_write_names_the_revision_it_was_made_from_and_answers_the_new_one(call: Call) -> None:
    response = call("PATCH", "/models/haiku", {"upstream_id": "claude-haiku-6"}, match=1)
    assert response.status_code == 200
    assert response.json()["revision"] == 2
    assert response.json()["item"]["upstream_id"] == "claude-haiku-6"
    assert response["ETag"] == '"2"'
    assert Revision.objects.get(number=2).by_name.startswith("key ck_")


@pytest.mark.parametrize("match", ['"1"', 'W/"1"', "1"])
def test_if_match_may_be_written_as_an_etag(call: Call, match: str) -> None:
    assert call("PATCH", "/models/haiku", {"name": "H"}, match=match).status_code == 200


@pytest.mark.parametrize("match", [None, "", "*", "x", "-1"])
def test_a_write_without_a_revision_is_400(call: Call, match: str | None) -> None:
    response = call("PATCH", "/models/haiku", {"name": "H"}, match=match)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "if_match_missing")


def test_a_write_from_an_old_revision_is_409_and_tells_what_moved(call: Call) -> None:
    changes.change_route("bulk_ops", ["sonnet"], by=Actor("anna"), reason="")
    response = call("PATCH", "/routes/bulk_ops", {"steps": ["opus"]}, match=1)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (409, "stale")
    assert (error["details"]["current"], error["details"]["by"]) == (2, "anna")
    assert error["details"]["changes"][0]["path"] == "routes[bulk_ops].steps"


def test_a_part_is_made_changed_and_deleted(call: Call) -> None:
    made = call("POST", "/projects", {"slug": "site", "name": "Site"}, match=1)
    assert (made.status_code, made.json()) == (201, {"revision": 2, "item": {"slug": "site", "name": "Site"}})
    assert call("POST", "/projects", {"slug": "site"}, match=2).status_code == 409
    assert call("PATCH", "/projects/site", {"name": "The site"}, match=2).json()["item"]["name"] == "The site"
    assert call("DELETE", "/projects/site", match=3).json() == {"revision": 4, "item": None}
    assert call("GET", "/projects/site").status_code == 404


def test_a_route_of_a_project_is_made_at_once(call: Call) -> None:
    call("POST", "/projects", {"slug": "site"}, match=1)
    route = {"task_type": "code_search", "project": "site", "steps": ["gemini"]}
    made = call("POST", "/routes", route, match=2).json()["item"]
    assert made["steps"] == ["gemini:gemini-flash"]
    assert call("GET", "/routes/code_search@site").json() == made


@pytest.mark.parametrize(
    ("method", "path", "body", "problem"),
    [
        (
            "PATCH",
            "/routes/bulk_ops",
            {"steps": ["codx"]},
            {"path": "steps[0]", "message": "no model 'codx'; nearest: codex, gpt-codex"},
        ),
        ("PATCH", "/models/codex", {"context_window": "x"}, {"path": "context_window", "message": "not a number"}),
        ("POST", "/models", {"slug": "x"}, {"path": "provider", "message": "missing"}),
        ("POST", "/models", {"slug": ["x"], "provider": 5}, {"path": "provider", "message": "not a text"}),
        ("PATCH", "/models/codex", {"base_url": "http://evil"}, {"path": "base_url", "message": "unknown field"}),
    ],
)
def test_what_is_wrong_is_named_field_by_field(
    call: Call, method: str, path: str, body: object, problem: dict[str, str]
) -> None:
    response = call(method, path, body, match=1)
    assert response.status_code == 422
    assert problem in response.json()["error"]["details"]
    assert Revision.objects.count() == 1


def test_a_part_cannot_be_renamed_under_its_address(call: Call) -> None:
    assert call("PATCH", "/models/codex", {"slug": "other"}, match=1).status_code == 422


def test_what_is_in_use_cannot_be_deleted(call: Call) -> None:
    response = call("DELETE", "/models/haiku", match=1)
    assert response.status_code == 422
    assert "routes[bulk_ops].steps[0]" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("{", 400),
        ('{"name": NaN}', 400),
        ('{"name": "a", "name": "b"}', 400),
        ("[" * 100_000, 400),
        (b"\xff", 400),
        ('{"max_output_tokens": ' + "9" * 5000 + "}", 400),
        ("[]", 422),
        ('"x"', 422),
        ('{"name": "a\\u0000b"}', 422),
        ('{"name": "\\ud800"}', 422),
        ('{"aliases": [[[[1]]]]}', 422),
        ('{"price": {"input": 1e400, "output": 1}}', 422),
    ],
)
def test_hostile_bodies_are_refused_in_json(call: Call, body: str | bytes, status: int) -> None:
    assert call("PATCH", "/models/haiku", body, match=1).status_code == status


def test_a_secret_is_taken_in_makes_no_revision_and_comes_back_nowhere(call: Call) -> None:
    response = call("PATCH", "/credentials/openai:main", {"secret": "sk-canary-12345678"}, match=1)
    assert response.json()["revision"] == 1
    assert response.json()["item"]["ready"]
    assert Credential.objects.get(provider__slug="openai").secret is not None
    for path in ("/credentials", "/credentials/openai:main", "/revisions/1", "/providers"):
        assert b"canary" not in call("GET", path).content


# ── history ──


def test_revisions_are_listed_newest_first_in_pages(call: Call) -> None:
    for model in ("sonnet", "opus", "haiku"):
        changes.change_route("bulk_ops", [model], by=Actor("anna"), reason=f"to {model}")
    first = call("GET", "/revisions?limit=3").json()
    assert [item["number"] for item in first["items"]] == [4, 3, 2]
    assert first["items"][0]["reason"] == "to haiku"
    rest = call("GET", f"/revisions?limit=3&cursor={first['next']}").json()
    assert ([item["number"] for item in rest["items"]], rest["next"]) == ([1], None)


def test_a_revision_tells_its_document_and_its_difference_to_any_other(call: Call) -> None:
    changes.change_route("bulk_ops", ["sonnet"], by=Actor("anna"), reason="")
    changes.change_route("bulk_ops", ["opus"], by=Actor("anna"), reason="")
    told = call("GET", "/revisions/3?against=1").json()
    (change,) = told["changes"]
    assert (change["before"], change["after"]) == (["anthropic:haiku"], ["anthropic:opus"])
    assert told["document"] == document.dump()
    assert call("GET", "/revisions/9").status_code == 404
    assert call("GET", "/revisions/3?against=9").status_code == 404


def test_restore_is_a_new_revision(call: Call) -> None:
    before = document.dump()
    changes.change_route("bulk_ops", ["sonnet"], by=Actor("anna"), reason="")
    assert call("POST", "/revisions/1/restore", {"reason": "oops"}, match=1).status_code == 409
    assert call("POST", "/revisions/1/restore", {"reason": "oops"}, match=2).json()["revision"] == 3
    assert document.dump() == before
    assert call("POST", "/revisions/99/restore", {}).status_code == 404
    assert call("POST", "/revisions/1/restore", {"reason": 5}).status_code == 422


# ── clients ──


def test_a_client_is_made_given_a_key_and_removed(call: Call) -> None:
    fields = {"slug": "bot", "mode": "observe", "mapping": [{"requested": "gpt-*", "task_type": "code_review"}]}
    made = call("POST", "/clients", fields, match=1)
    assert (made.status_code, made.json()["revision"]) == (201, 1)
    key = call("POST", "/clients/bot/keys", {"scopes": ["read"]}).json()
    assert call("GET", "/models", as_key=key["key"]).status_code == 200
    shown = call("GET", "/clients/bot").json()
    assert shown["mapping"] == fields["mapping"]
    assert [one["prefix"] for one in shown["keys"]] == [key["prefix"]]
    assert key["key"] not in json.dumps(shown)
    assert call("PATCH", "/clients/bot", {"mode": "route"}, match=1).json()["item"]["mode"] == "route"
    assert call("DELETE", f"/clients/bot/keys/{key['prefix']}").status_code == 200
    assert call("GET", "/models", as_key=key["key"]).status_code == 401
    assert call("DELETE", "/clients/bot", match=1).status_code == 200
    assert not Client.objects.filter(slug="bot").exists()


def test_no_key_makes_a_key_that_may_more(call: Call) -> None:
    call("POST", "/clients", {"slug": "bot"}, match=1)
    response = call("POST", "/clients/bot/keys", {"scopes": ["read", "approve"]})
    assert response.status_code == 403
    assert not ClientKey.objects.filter(client__slug="bot").exists()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"slug": "A B"},
        {"slug": "bot", "mode": "x"},
        {"slug": "bot", "project": "none"},
        {"slug": "bot", "colour": 1},
    ],
)
def test_a_client_that_cannot_be_is_refused(call: Call, fields: dict[str, object]) -> None:
    assert call("POST", "/clients", fields, match=1).status_code == 422
    assert not Client.objects.filter(slug="bot").exists()
