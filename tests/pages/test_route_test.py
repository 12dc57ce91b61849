"""Route test: the path of a call that is not made, and why each other model is skipped."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from playwright.sync_api import Page, expect

from routing import clients, sessions
from routing.audit import SYSTEM
from routing.models import Call, Cooldown
from routing.policy.pins import scope_of
from routing.terms.candidate import Pin
from routing.terms.ids import item_of
from routing.terms.request import Ask
from routing.terms.words import Group, Role
from routing.versions import bump_state
from tests.pages.conftest import World

ClientOf = Callable[[Group], Client]


def rest(provider: str, model: str) -> None:
    until = datetime.now(UTC) + timedelta(minutes=5)
    Cooldown.objects.create(provider=provider, credential="", model=model, until=until)
    bump_state()


@pytest.mark.parametrize(
    ("asked", "models", "source"),
    [
        pytest.param({"task_type": "vibe_coding"}, ["codex", "sonnet"], "global", id="a slug"),
        pytest.param({"task_type": "coding"}, ["codex", "sonnet"], "global", id="an alias"),
        pytest.param(
            {"task_type": "code_generation", "context": "batch"}, ["codex", "sonnet"], "global", id="a condition"
        ),
        pytest.param({"task_type": "coding", "override": "opus"}, ["opus", "sonnet"], "override", id="a model"),
        pytest.param(
            {"task_type": "coding", "override": "use Opus for this", "alone": "on"}, ["opus"], "override", id="a phrase"
        ),
    ],
)
def test_the_path_is_the_plan_of_that_call(
    client_of: ClientOf, asked: dict[str, str], models: list[str], source: str
) -> None:
    plan = client_of(Group.VIEWER).get("/route-test/", asked).context["plan"]
    assert ([each["model"] for each in plan["candidates"]], plan["source"]) == (models, source)
    assert not Call.objects.exists()


def test_a_prompt_that_fits_no_window_is_told_so(client_of: ClientOf) -> None:
    asked = {"task_type": "coding", "size": "1000001", "max_tokens": "100"}
    plan = client_of(Group.VIEWER).get("/route-test/", asked).context["plan"]
    # The seeds: codex reads 1,050,000 tokens, sonnet 1,000,000
    assert [each["model"] for each in plan["candidates"]] == ["codex"]
    assert [(each["model"], each["reason"]) for each in plan["steps"]] == [("sonnet", "window_too_small")]


def test_a_rest_counts_down_in_the_path(client_of: ClientOf) -> None:
    rest("openai", "codex")
    answer = client_of(Group.VIEWER).get("/route-test/?task_type=coding")
    assert [each["until"] for each in answer.context["plan"]["steps"]] == [Cooldown.objects.get().until]
    assert "data-countdown" in answer.content.decode()


def test_a_sessions_path_is_that_of_its_next_call(client_of: ClientOf) -> None:
    clients.create_key("ci", by=SYSTEM)
    world = client_of(Group.VIEWER)
    ask = Ask("vibe_coding", client="ci")
    begun = Pin("anthropic:sonnet", Role.PRIMARY)  # as the route was when the session began; it says codex now
    sessions.begin(item_of("vibe_coding", "ci", "s-1"), scope_of(ask), begun, datetime.now(UTC))
    for session, models in (("s-1", ["sonnet", "codex"]), ("s-2", ["codex", "sonnet"]), ("", ["codex", "sonnet"])):
        plan = world.get("/route-test/", {"task_type": "coding", "client": "ci", "session": session}).context["plan"]
        assert [each["model"] for each in plan["candidates"]] == models
    answer = world.get("/route-test/", {"task_type": "coding", "client": "ci", "session": "s-1"})
    assert "session began with sonnet" in answer.content.decode()


def test_what_a_client_may_is_explained_as_it_would_be_dispatched(client_of: ClientOf) -> None:
    clients.create_key("ci", by=SYSTEM)
    clients.save_client("ci", {"allowed_models": ["anthropic:sonnet"]}, by=SYSTEM)
    plan = client_of(Group.VIEWER).get("/route-test/", {"task_type": "coding", "client": "ci"}).context["plan"]
    assert [each["model"] for each in plan["candidates"]] == ["sonnet"]
    assert [(each["model"], each["reason"]) for each in plan["steps"]] == [("codex", "not_allowed")]


def test_a_session_is_some_clients(client_of: ClientOf) -> None:
    answer = client_of(Group.VIEWER).get("/route-test/", {"task_type": "coding", "session": "s-1"})
    assert answer.context["unclear"] == "Name the client whose session it is."


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        pytest.param({"task_type": "job description"}, "no task type", id="a task nobody knows"),
        pytest.param({"task_type": "coding", "override": "use GPT"}, "Say which", id="several models"),
        pytest.param({"task_type": "coding", "override": "grok"}, "no model", id="no model"),
        pytest.param({"task_type": "coding", "client": "nobody"}, "no client 'nobody'", id="no client"),
    ],
)
def test_what_is_not_clear_is_said_in_words(client_of: ClientOf, asked: dict[str, str], said: str) -> None:
    answer = client_of(Group.VIEWER).get("/route-test/", asked)
    assert answer.status_code == 200
    assert said in answer.context["unclear"]


@pytest.mark.browser
def test_a_person_finds_out_why_a_model_was_skipped(
    sign_in: Callable[[Group], Page], live: World, accessible: Callable[[Page], None]
) -> None:
    rest("openai", "codex")
    page = sign_in(Group.VIEWER)
    page.goto("/")
    page.get_by_role("link", name="Route test").first.click()
    page.get_by_label("Task", exact=True).fill("coding")
    path = page.locator("#path")
    expect(path.locator(".path-first")).to_contain_text("sonnet")
    expect(path.locator(".path-skipped")).to_contain_text("codex")
    expect(path.locator(".path-skipped")).to_contain_text("cooling down")
    assert "task_type=coding" in page.url
    accessible(page)
