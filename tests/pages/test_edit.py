"""The editor of a route: rearrange, preview, publish, be told of a conflict.

Over 300 lines: one walk through one editor, whose steps share its form.
"""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from playwright.sync_api import Page, expect

from routing import changes, clients, document
from routing.audit import SYSTEM
from routing.models import Revision
from routing.terms.words import Group
from routing.versions import current_revision
from tests.cortex.processes import until
from tests.pages.conftest import NARROW, World

ClientOf = Callable[[Group], Client]
EDIT = "/routing/meeting_summary/edit"


def filled(**changes: Any) -> dict[str, Any]:
    """The editor's form of meeting summaries, as it was read from revision 1."""
    return {
        "steps": ["anthropic:sonnet", "anthropic:opus"],
        "note": "Balance speed + quality",
        "fallback": "on",
        "lower_tier_max_hops": "2",
        "cooldown_s": "300",
        "connect_s": "2",
        "first_token_s": "30",
        "idle_s": "30",
        "total_s": "600",
        "revision": "1",
        **changes,
    }


def previewed(client: Client, **changes: Any) -> dict[str, Any]:
    """The form after a preview: what may be published."""
    answer = client.post(EDIT, filled(do="preview", **changes))
    assert answer.status_code == 200
    return filled(previewed=answer.context["preview"]["previewed"], do="publish", **changes)


def steps() -> list[str]:
    routes = {part["task_type"]: part for part in document.dump()["routes"] if not part["condition"]}
    found: list[str] = routes["meeting_summary"]["steps"]
    return found


@pytest.mark.parametrize(
    ("button", "chain"),
    [
        pytest.param({"add": "openai:codex"}, ["anthropic:sonnet", "anthropic:opus", "openai:codex"], id="add"),
        pytest.param({"add": "anthropic:opus"}, ["anthropic:sonnet", "anthropic:opus"], id="add what is there"),
        pytest.param({"remove": "anthropic:sonnet"}, ["anthropic:opus"], id="remove"),
        pytest.param({"down": "anthropic:sonnet"}, ["anthropic:opus", "anthropic:sonnet"], id="down"),
        pytest.param({"up": "anthropic:sonnet"}, ["anthropic:sonnet", "anthropic:opus"], id="up from the top"),
        pytest.param({"up": "no:such"}, ["anthropic:sonnet", "anthropic:opus"], id="what is not there"),
    ],
)
def test_a_button_rearranges_the_chain_and_publishes_nothing(
    client_of: ClientOf, button: dict[str, str], chain: list[str]
) -> None:
    answer = client_of(Group.OPERATOR).post(EDIT, filled(note="kept as typed", **button))
    assert [model.key for model in answer.context["chain"]] == chain
    assert "kept as typed" in answer.content.decode()
    assert current_revision() == 1


def test_models_are_found_by_name_provider_and_tag(client_of: ClientOf) -> None:
    answer = client_of(Group.OPERATOR).get(
        "/routing/meeting_summary/models", {"q": "fast anthropic", "steps": ["anthropic:sonnet"]}
    )
    assert offered(answer) == ["anthropic:haiku"]


def test_an_embedding_model_is_not_offered_to_a_chat_route(client_of: ClientOf) -> None:
    picks = offered(client_of(Group.OPERATOR).get("/routing/meeting_summary/models"))
    assert "openai:codex" in picks
    assert "ollama:nomic-embed-text" not in picks


def offered(answer: HttpResponse) -> list[str]:
    return re.findall(r'name="add" value="([^"]+)"', answer.content.decode())


def test_a_preview_tells_the_difference_and_who_would_be_skipped_and_writes_nothing(client_of: ClientOf) -> None:
    answer = client_of(Group.OPERATOR).post(EDIT, filled(do="preview", steps=["ollama:local", "openai:gpt-4o"]))
    shown = answer.context["preview"]
    assert [(line.field, line.after) for line in shown["lines"]] == [
        ("Route meeting_summary: steps", "ollama:local → openai:gpt-4o")
    ]
    assert [each.key for each in shown["plan"].candidates] == ["openai:gpt-4o"]
    assert [(each.key, each.reason) for each in shown["plan"].skipped_steps] == [("ollama:local", "disabled")]
    assert current_revision() == 1


def test_publishing_takes_a_reason_and_makes_one_revision(client_of: ClientOf) -> None:
    client = client_of(Group.OPERATOR)
    form = previewed(client, steps=["anthropic:opus"])
    answer = client.post(EDIT, {**form, "reason": "Summaries were thin"})
    assert answer.headers["location"] == "/routing/"
    new = changes.revision(2)
    assert (new.reason, new.by_name, new.source, new.task_types) == (
        "Summaries were thin",
        "operator",
        "console",
        ["meeting_summary"],
    )
    assert steps() == ["anthropic:opus"]


def test_without_a_reason_nothing_is_published(client_of: ClientOf) -> None:
    client = client_of(Group.OPERATOR)
    answer = client.post(EDIT, {**previewed(client, steps=["anthropic:opus"]), "reason": "  "})
    assert answer.status_code == 422
    assert "Say why" in answer.content.decode()
    assert current_revision() == 1


def test_what_was_not_previewed_is_not_published(client_of: ClientOf) -> None:
    client = client_of(Group.OPERATOR)
    form = {**previewed(client, steps=["anthropic:opus"]), "steps": ["anthropic:haiku"], "reason": "x"}
    answer = client.post(EDIT, form)
    assert answer.status_code == 409
    assert answer.context["moved"]
    assert current_revision() == 1


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        pytest.param({"steps": ["openai:nothing"]}, "no model", id="a model that does not exist"),
        pytest.param({"steps": []}, "at least one step", id="no step"),
        pytest.param({"steps": ["anthropic:opus", "anthropic:opus"]}, "earlier in the chain", id="a model twice"),
        pytest.param({"steps": ["ollama:nomic-embed-text"]}, "an embedding model", id="another kind of model"),
        pytest.param({"cooldown_s": "9999"}, "less than or equal to 3600", id="a cooldown beyond an hour"),
        pytest.param({"cooldown_s": "nan"}, "Enter a number", id="not a number"),
        pytest.param({"note": "\0"}, "Null characters are not allowed", id="what cannot be stored"),
    ],
)
def test_what_cannot_be_is_told_at_its_field_and_kept_as_typed(
    client_of: ClientOf, typed: dict[str, Any], said: str
) -> None:
    answer = client_of(Group.OPERATOR).post(EDIT, filled(do="preview", **typed))
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert current_revision() == 1


def test_the_second_of_two_is_told_and_loses_nothing(client_of: ClientOf) -> None:
    client = client_of(Group.OPERATOR)
    form = previewed(client, steps=["anthropic:haiku"], note="mine")
    changes.change_route("meeting_summary", ["anthropic:opus"], by=SYSTEM, reason="theirs")
    answer = client.post(EDIT, {**form, "reason": "mine"})
    assert answer.status_code == 409
    told = answer.context["conflict"]
    assert (told["who"], told["reason"]) == ("system", "theirs")
    assert {(line.before, line.after) for line in told["lines"]} == {
        ("anthropic:opus", "anthropic:haiku"),
        ("Balance speed + quality", "mine"),
    }
    assert steps() == ["anthropic:opus"]
    again = published_as_shown(client, answer)
    assert again.status_code == 302
    assert steps() == ["anthropic:haiku"]


def test_what_only_the_other_changed_stays_the_others(client_of: ClientOf) -> None:
    client = client_of(Group.OPERATOR)
    form = previewed(client, note="mine")
    changes.change_route("meeting_summary", ["anthropic:opus"], by=SYSTEM, reason="theirs")
    answer = client.post(EDIT, {**form, "reason": "mine"})
    assert [line.field for line in answer.context["conflict"]["lines"]] == ["Route meeting_summary: note"]
    published_as_shown(client, answer)
    assert steps() == ["anthropic:opus"]
    assert "mine" in client.get(EDIT).content.decode()


def test_a_change_of_another_route_is_nobodys_conflict(client_of: ClientOf) -> None:
    client = client_of(Group.OPERATOR)
    form = previewed(client, steps=["anthropic:haiku"])
    changes.change_route("bulk_ops", ["anthropic:opus"], by=SYSTEM, reason="another")
    assert client.post(EDIT, {**form, "reason": "mine"}).status_code == 302
    assert changes.revision(3).reason == "mine"


def published_as_shown(client: Client, answer: HttpResponse) -> HttpResponse:
    """Press Publish in the form that the answer shows."""
    form = answer.context["form"]  # type: ignore[attr-defined]
    shown = {name: form[name].value() for name in form.fields if form[name].value() not in (False, None)}
    preview = answer.context["preview"]  # type: ignore[attr-defined]
    return client.post(EDIT, {**shown, "previewed": preview["previewed"], "do": "publish"})


def test_a_route_of_a_condition_is_made_and_removed(client_of: ClientOf) -> None:
    client = client_of(Group.OPERATOR)
    asked = client.get("/routing/new", {"task_type": "meeting_summary", "project": "", "condition": "batch"})
    address = asked.headers["location"]
    assert address == f"{EDIT}?condition=batch"
    form = filled(steps=["anthropic:haiku"], note="")
    shown = client.post(address, {**form, "do": "preview"}).context["preview"]["previewed"]
    client.post(address, {**form, "do": "publish", "previewed": shown, "reason": "cheap at night"})
    assert "meeting_summary?batch" in changed_routes()
    removed = "/routing/meeting_summary/remove?condition=batch"
    client.post(removed, {"reason": "no more", "revision": str(current_revision())})
    assert changes.revision(3).changes[0]["after"] is None


def changed_routes() -> list[str]:
    return [change["path"].removeprefix("routes[").rstrip("]") for change in Revision.objects.latest("number").changes]


def test_an_unsafe_request_without_a_token_is_refused(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world[Group.OPERATOR])
    assert client.post(EDIT, filled(do="preview")).status_code == 403


# ── journeys ──

Ask = Callable[[str, dict[str, Any]], dict[str, Any]]


@pytest.fixture
def ask(live: World, server: str) -> Ask:
    """POST to the API with a fresh key."""
    key = clients.create_key("journeys", by=SYSTEM).key
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "X-Cortex-Key": key}
        request = urllib.request.Request(f"{server}/api/v1{path}", json.dumps(body).encode(), headers)
        with opener.open(request, timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def patiently(path: str, body: dict[str, Any]) -> dict[str, Any]:
        def try_it() -> dict[str, Any] | None:
            try:
                return post(path, body)
            except urllib.error.HTTPError as error:
                error.close()
                if error.code != 401:  # the server knows the key at its next look
                    raise
                return None

        found = until(try_it)
        assert found is not None
        return found

    return patiently


@pytest.mark.browser
def test_an_edited_route_is_what_the_next_dispatch_uses(
    sign_in: Callable[[Group], Page], ask: Ask, accessible: Callable[[Page], None]
) -> None:
    page = sign_in(Group.OPERATOR)
    page.goto("/routing/")
    accessible(page)
    page.get_by_role("searchbox", name="Filter the routing table").fill("meeting")
    expect(page.get_by_role("row")).to_have_count(2)
    page.get_by_role("link", name="Edit Meeting summary").click()
    editor = page.locator("#editor-body")
    expect(editor.get_by_role("button", name="Take opus out")).to_be_visible()
    accessible(page)
    editor.get_by_role("button", name="Take sonnet out").click()
    expect(editor.get_by_role("button", name="Take sonnet out")).to_have_count(0)
    editor.get_by_text("Add a model", exact=True).click()
    editor.get_by_role("searchbox").fill("gpt-4o")
    expect(editor.locator("#picks li")).to_have_count(1)
    editor.get_by_role("button", name="Add openai:gpt-4o").click()
    expect(editor.get_by_role("button", name="Take gpt-4o out")).to_be_visible()
    editor.get_by_role("button", name="Preview", exact=True).last.click()
    expect(editor.locator("#preview ins")).to_have_text("anthropic:opus → openai:gpt-4o")
    accessible(page)
    editor.get_by_label("Why", exact=True).first.fill("Opus reads the whole meeting")
    editor.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("Meeting summary: revision 2 is in force.")).to_be_visible()
    expect(page.locator("#row-meeting_summary .chip-name").first).to_have_text("opus")

    asked = {"task_type": "meeting_summary", "prompt": "Sum it up", "max_tokens": 20}
    until(lambda: ask("/route/explain", asked)["revision"] == 2, within_s=5)
    answer = ask("/dispatch", asked)
    assert (answer["provider"], answer["model"], answer["route_revision"]) == ("anthropic", "opus", 2)


@pytest.mark.browser
def test_a_step_moves_by_the_arrow_keys(sign_in: Callable[[Group], Page]) -> None:
    page = sign_in(Group.OPERATOR)
    page.goto(EDIT)
    page.get_by_role("button", name="Move opus").focus()
    page.keyboard.press("ArrowUp")
    page.get_by_role("button", name="Preview", exact=True).last.click()
    expect(page.locator("#preview ins")).to_have_text("anthropic:opus → anthropic:sonnet")


@pytest.mark.browser
def test_a_conflict_is_told_in_the_browser(
    sign_in: Callable[[Group], Page], accessible: Callable[[Page], None]
) -> None:
    page = sign_in(Group.OPERATOR)
    page.goto("/routing/?q=meeting")
    page.get_by_role("link", name="Edit Meeting summary").click()
    editor = page.locator("#editor-body")
    editor.get_by_role("button", name="sonnet down").click()
    expect(editor.get_by_role("button", name="sonnet down")).to_be_disabled()
    editor.get_by_role("button", name="Preview", exact=True).last.click()
    editor.get_by_label("Why", exact=True).first.fill("Opus first")
    changes.change_route("meeting_summary", ["anthropic:haiku"], by=SYSTEM, reason="Haiku will do")
    editor.get_by_role("button", name="Publish").click()
    expect(editor.get_by_role("alert")).to_contain_text("system changed the route meeting_summary")
    expect(editor.get_by_label("Why", exact=True).first).to_have_value("Opus first")
    accessible(page)
    editor.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("revision 3 is in force")).to_be_visible()
    assert steps() == ["anthropic:opus", "anthropic:sonnet"]


@pytest.mark.browser
def test_the_table_and_the_editor_fit_a_phone(
    sign_in: Callable[[Group], Page], accessible: Callable[[Page], None]
) -> None:
    page = sign_in(Group.OPERATOR)
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    for address in ("/routing/", EDIT, "/routing/new"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") == NARROW["width"]
        accessible(page)
