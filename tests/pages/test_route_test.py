"""Route test: the path of a call that is not made, and why each other model is skipped."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from playwright.sync_api import Page, expect

from routing.models import Call, Cooldown
from routing.terms.words import Group
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


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        pytest.param({"task_type": "job description"}, "no task type", id="a task nobody knows"),
        pytest.param({"task_type": "coding", "override": "use GPT"}, "Say which", id="several models"),
        pytest.param({"task_type": "coding", "override": "grok"}, "no model", id="no model"),
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
