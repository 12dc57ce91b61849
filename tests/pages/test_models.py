"""The catalogue, one model, providers with their ways in, quotas with the curve, task types: what is shown, and what may be done there."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.http import HttpResponse
from django.test import Client
from playwright.sync_api import Page, expect

from routing import changes, credentials, snapshot, usage
from routing.audit import SYSTEM
from routing.models import Cooldown, Provider, Quota
from routing.terms.words import Group
from routing.versions import bump_state
from tests.pages.conftest import NARROW, World
from tests.pages.test_overview import rest

ClientOf = Callable[[Group], Client]


def shown(answer: HttpResponse) -> list[str]:
    return [each.now.key for each in answer.context["entries"]]


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("role=T2", ["gemini:gemini-flash"]),
        ("tier=premium", ["anthropic:opus", "gemini:gemini-pro", "openai:codex"]),
        ("tag=cheap&provider=anthropic", ["anthropic:haiku"]),
        ("q=fast+openai", ["openai:gpt-4o"]),
        ("q=fast&role=T9", []),
    ],
)
def test_the_catalogue_is_filtered_by_its_address(client_of: ClientOf, query: str, keys: list[str]) -> None:
    assert shown(client_of(Group.VIEWER).get(f"/models/?{query}")) == keys


def test_roles_tiers_and_ends_are_those_of_the_seeds(client_of: ClientOf) -> None:
    context = client_of(Group.VIEWER).get("/models/").context
    assert [(each.now.role, each.now.slug) for each in context["roles"]] == [
        ("T0", "opus"), ("T1", "codex"), ("T2", "gemini-flash"), ("T3", "sonnet"), ("T4", "local"),
    ]  # fmt: skip
    matrix = {tier.name: [[each.now.slug for each in cell] for cell in tier.cells] for tier in context["tiers"]}
    assert dict(zip(context["providers"], matrix["economy"], strict=True)) == {
        "anthropic": ["haiku"],
        "gemini": [],
        "openai": ["gpt-4o"],
    }


def test_what_ends_names_the_routes_that_use_it(client_of: ClientOf) -> None:
    soon = (datetime.now(UTC) + timedelta(days=8)).date().isoformat()
    changes.publish(
        {"models": [{"provider": "anthropic", "slug": "haiku", "retire_at": soon}]},
        by=SYSTEM,
        reason="",
        source="console",
    )
    answer = client_of(Group.VIEWER).get("/models/")
    ending = {each.now.slug: each for each in answer.context["ending"]}
    assert "quick_capture" in ending["haiku"].routes
    assert "in 8 days" in answer.content.decode()


def test_a_model_shows_the_chain_behind_it(client_of: ClientOf) -> None:
    answer = client_of(Group.VIEWER).get("/models/anthropic:opus/")
    assert [hop.model for hop in answer.context["chain"]][:2] == ["openai:codex", "gemini:gemini-pro"]
    assert client_of(Group.VIEWER).get("/models/anthropic:nobody/").status_code == 404


def test_a_chain_without_an_api_key_says_so(client_of: ClientOf) -> None:
    Provider.objects.filter(slug="openai").update(simulate=False)
    changes.remove("credentials", "openai:main", by=SYSTEM, reason="", source="console")
    assert "No API key" in client_of(Group.VIEWER).get("/models/openai:codex/").content.decode()


# ── providers ──


def test_what_rests_counts_down_and_is_reset_at_one_provider_or_at_all(client_of: ClientOf) -> None:
    until = rest("openai", "codex")
    rest("gemini")
    operator = client_of(Group.OPERATOR)
    cards = {card.row.slug: card for card in operator.get("/providers/").context["cards"]}
    assert [(each.what, each.state, each.until) for each in cards["openai"].rests] == [("codex", "cooldown", until)]
    assert "1 rest ended" in operator.post("/providers/openai/reset", follow=True).content.decode()
    assert Cooldown.objects.count() == 1
    assert "1 rest ended" in operator.post("/providers/reset", follow=True).content.decode()
    assert not Cooldown.objects.exists()
    assert "nothing was resting" in operator.post("/providers/reset", follow=True).content.decode()


def test_a_credential_says_whether_it_is_ready_and_is_tested(client_of: ClientOf) -> None:
    operator = client_of(Group.OPERATOR)
    ways = {way.key: way for card in operator.get("/providers/").context["cards"] for way in card.credentials}
    assert (ways["openai:main"].ready, ways["openai:main"].reason) == (False, "OPENAI_API_KEY is not set")
    told = operator.post("/table/credentials/openai:main/test", follow=True).content.decode()
    assert "Nothing to ask openai with: OPENAI_API_KEY is not set." in told
    assert operator.post("/table/credentials/openai:nobody/test").status_code == 404


def test_a_provider_that_does_not_answer_says_so_and_nothing_is_switched_on(client_of: ClientOf) -> None:
    operator = client_of(Group.OPERATOR)
    assert client_of(Group.VIEWER).post("/providers/ollama/local", {}).status_code == 403
    answer = operator.post("/providers/ollama/local", {"base_url": "http://10.0.0.1:11434"}, follow=True)
    assert "Nothing was changed." in answer.content.decode()
    assert not Provider.objects.get(slug="ollama").enabled
    assert [card.plan for card in answer.context["cards"] if card.row.slug == "ollama"] == ["off"]
    assert operator.post("/providers/nobody/local", {}).status_code == 404


def test_a_simulated_provider_is_pinged_without_a_network(client_of: ClientOf) -> None:
    operator = client_of(Group.OPERATOR)
    assert "openai is simulated" in operator.post("/providers/openai/ping", follow=True).content.decode()
    found = operator.post("/providers/openai/discover")
    assert found.status_code == 200
    assert found.context["simulated"]
    assert operator.post("/providers/nobody/ping").status_code == 404


# ── quotas and the curve ──


def test_a_quota_is_exhausted_until_a_date_and_released(client_of: ClientOf) -> None:
    operator = client_of(Group.OPERATOR)
    answer = operator.post("/quotas/codex-cli/exhaust", {"until": "2099-02-03", "reason": "weekly limit"}, follow=True)
    card = answer.context["quotas"][0]
    assert (card.row.slug, card.is_exhausted, card.row.reason) == ("codex-cli", True, "weekly limit")
    assert card.row.resets_at.isoformat() == "2099-02-03T00:00:00+00:00"  # the tests' zone is UTC
    snapshot.load_now()
    assert "quota codex-cli exhausted" in operator.get("/models/openai:codex/").content.decode()
    assert "is available again" in operator.post("/quotas/codex-cli/release", follow=True).content.decode()
    assert not Quota.objects.get(slug="codex-cli").exhausted
    assert "was not exhausted" in operator.post("/quotas/codex-cli/release", follow=True).content.decode()


@pytest.mark.parametrize("until", ["Feb 3", "2020-01-01", "\0", "9" * 60])
def test_what_is_no_moment_to_come_is_refused_with_the_mend(client_of: ClientOf, until: str) -> None:
    answer = client_of(Group.OPERATOR).post("/quotas/codex-cli/exhaust", {"until": until}, follow=True)
    assert "Nothing was changed." in answer.content.decode()
    assert not Quota.objects.get(slug="codex-cli").exhausted


def test_usage_stands_on_the_curve(client_of: ClientOf) -> None:
    now = datetime.now(UTC)
    usage.record("openai", "weekly", 96, None, now)
    usage.record("anthropic", "5h", 10, None, now)
    bump_state()
    context = client_of(Group.VIEWER).get("/quotas/").context
    # capabilities row 22: weekly 96, 5 h 10 → level 5 of 6
    assert (context["degradation"]["level"], context["degradation"]["levels"]) == (5, 6)
    assert {
        (bar.now.provider, bar.now.percent, bar.kind) for bar in context["bars"] if bar.now.percent is not None
    } == {
        ("openai", 96, "bad"),
        ("anthropic", 10, "good"),
    }
    figure = context["figure"]
    assert figure["layout"]["yaxis"]["tickvals"] == [0, 70, 80, 90, 95, 100]
    assert {trace["name"]: trace["y"][-1] for trace in figure["data"]} == {"openai weekly": 96, "anthropic 5h": 10}


def test_an_unknown_window_says_why_and_is_not_nought(client_of: ClientOf) -> None:
    said = client_of(Group.VIEWER).get("/quotas/").content.decode()
    assert "never read, and no limit is set to compute it from" in said
    assert "Nobody has said lately how full any window is" in said


# ── task types ──


def test_task_types_are_found_by_alias_and_rule(client_of: ClientOf) -> None:
    viewer = client_of(Group.VIEWER)
    assert [task["slug"] for task, _ in viewer.get("/task-types/?q=minutes").context["tasks"]] == []
    assert [task["slug"] for task, _ in viewer.get("/task-types/?q=meeting+notes").context["tasks"]] == [
        "meeting_summary"
    ]
    assert [task["slug"] for task, _ in viewer.get("/task-types/?q=refactoring").context["tasks"]] == ["vibe_coding"]


# ── in a browser ──


@pytest.mark.browser
def test_a_quota_is_exhausted_in_a_dialog(sign_in: Callable[[Group], Page], accessible: Callable[[Page], None]) -> None:
    page = sign_in(Group.OPERATOR)
    page.goto("/quotas/")
    page.get_by_role("button", name="Exhaust codex-cli").click()
    dialog = page.get_by_role("dialog", name="Codex CLI is exhausted")
    accessible(page)
    dialog.get_by_label("Until").fill("2099-02-03")
    dialog.get_by_label("Why").fill("The week is used up")
    dialog.get_by_role("button", name="Mark it exhausted").click()
    expect(page.get_by_text("codex-cli is exhausted until 2099-02-03.")).to_be_visible()
    page.get_by_role("button", name="Release codex-cli").click()
    expect(page.get_by_text("codex-cli is available again.")).to_be_visible()


@pytest.mark.browser
def test_the_catalogue_filters_while_one_types_and_keeps_it_in_the_address(sign_in: Callable[[Group], Page]) -> None:
    page = sign_in(Group.VIEWER)
    page.goto("/models/")
    page.get_by_label("Tier", exact=True).select_option("premium")
    expect(page.locator("#rows tbody tr")).to_have_count(3)
    page.get_by_label("Words").fill("codex")
    expect(page.locator("#rows tbody tr")).to_have_count(1)
    page.reload()
    expect(page.locator("#rows tbody tr")).to_have_count(1)


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_usage_and_rests_are_accessible_and_fit_a_phone(
    sign_in: Callable[[Group], Page], live: World, accessible: Callable[[Page], None], theme: str
) -> None:
    usage.record("openai", "weekly", 96, None, datetime.now(UTC))
    rest("anthropic", "opus")
    credentials.store("gemini", "main", "sk-x", by=SYSTEM)
    page = sign_in(Group.ADMIN)
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    for address in ("/", "/models/", "/models/anthropic:opus/", "/providers/", "/quotas/", "/task-types/"):
        page.set_viewport_size({"width": 1440, "height": 900})
        page.goto(address)
        accessible(page)
        page.set_viewport_size(NARROW)  # type: ignore[arg-type]
        assert page.evaluate("document.documentElement.scrollWidth") == NARROW["width"], address
