"""`.stravinsky/routing.json`, in and out."""

import json
from typing import Any

import pytest

from routing import changes, document, snapshot
from routing.audit import SYSTEM
from routing.document import stravinsky
from routing.policy.plan import plan
from routing.terms.request import Ask
from tests.routing.document.tables import PERSON, problems_of

pytestmark = pytest.mark.django_db

# seeds/004, "Configuration: .stravinsky/routing.json", as it stands there
SEEDS = {
    "routing": {
        "task_routing": {
            "code_generation": {
                "provider": "openai",
                "model": "gpt-5.2-codex",
                "description": "Complex code generation tasks",
            },
            "debugging": {
                "provider": "openai",
                "model": "gpt-5.2-codex",
                "description": "Code analysis and debugging",
            },
            "documentation": {
                "provider": "gemini",
                "model": "gemini-3-flash-preview",
                "description": "Documentation writing",
            },
            "code_search": {
                "provider": "gemini",
                "model": "gemini-3-flash-preview",
                "description": "Finding code patterns",
            },
        },
        "fallback": {"enabled": True, "chain": ["claude", "openai", "gemini"], "cooldown_seconds": 300},
    }
}


def changed(**fallback: Any) -> dict[str, Any]:
    raw: dict[str, Any] = json.loads(json.dumps(SEEDS))
    raw["routing"]["fallback"] |= fallback
    return raw


@pytest.mark.parametrize(
    "fallback",
    [
        {},
        {"enabled": False, "cooldown_seconds": 600},
        {"chain": [], "enabled": False},
        {"chain": ["gemini"], "cooldown_seconds": 0.5},
    ],
    ids=str,
)
def test_a_projects_file_comes_back_as_it_went_in(seed: None, fallback: dict[str, Any]) -> None:
    raw = changed(**fallback)
    document.load(raw, by=SYSTEM, project="site")
    told, left_out = document.dump_stravinsky("site")
    assert json.dumps(told, sort_keys=True) == json.dumps(raw, sort_keys=True)  # 300 and not 300.0
    assert left_out == []
    assert not document.load(told, by=SYSTEM, project="site").is_new


def test_the_seeds_own_file_comes_back_without_a_project_too(seed: None) -> None:
    document.load(SEEDS, by=SYSTEM)
    told, left_out = document.dump_stravinsky()
    assert told == SEEDS
    assert "vibe_coding" in left_out  # its route has two steps, which that form has no word for


def test_what_the_form_cannot_say_is_named(seed: None) -> None:
    document.load(SEEDS, by=SYSTEM, project="site")
    two = {"task_type": "classification", "project": "site", "steps": ["haiku", "sonnet"]}
    slow = {"task_type": "general", "project": "site", "steps": ["sonnet"], "cooldown_s": 900}
    document.load({"routes": [two, slow]}, by=SYSTEM)
    told, left_out = document.dump_stravinsky("site")
    assert told == SEEDS
    assert left_out == ["classification@site", "general@site"]


def test_the_file_is_one_route_a_task_with_its_chain(seed: None) -> None:
    document.load(SEEDS, by=SYSTEM, project="site")
    routes = {part["task_type"]: part for part in document.dump()["routes"] if part["project"] == "site"}
    assert routes["code_generation"]["steps"] == ["openai:codex"]
    assert routes["code_generation"]["rotation"] == ["anthropic", "openai", "gemini"]
    assert routes["code_generation"]["note"] == "Complex code generation tasks"


def test_a_file_without_fallback_makes_one_attempt(seed: None) -> None:
    document.load(changed(enabled=False, cooldown_seconds=600), by=SYSTEM, project="site")
    route = next(part for part in document.dump()["routes"] if part["project"] == "site")
    assert (route["fallback"], route["tier_chain"], route["cooldown_s"]) == (False, False, 600)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"fallback": {"cooldown_seconds": "long"}}, "routing.fallback.cooldown_seconds: not a number"),
        ({"fallback": {"chain": ["claud"]}}, "routing.fallback.chain[0]: no provider 'claud'; nearest: claude"),
        ({"fallbck": {}}, "routing.fallbck: unknown field; nearest: fallback"),
        (
            {"task_routing": {"t": {"provider": "openai", "model": "gpt-5.2-codx"}}},
            "routing.task_routing.t.model: no model 'gpt-5.2-codx'; nearest: gpt-5.2-codex",
        ),
        ({"task_routing": {"t": {"provider": "openai"}}}, "routing.task_routing.t.model: missing"),
        ({"task_routing": {"A B": {"provider": "openai", "model": "codex"}}}, "routing.task_routing.A B: cannot name"),
    ],
)
def test_errors_of_that_file_have_its_own_paths(seed: None, change: dict[str, Any], problem: str) -> None:
    assert any(told.startswith(problem) for told in problems_of({"routing": change}))


def test_all_errors_of_that_file_are_told() -> None:
    raw = {"routing": {"fallback": {"cooldown_seconds": "x"}, "task_routing": {"t": {"provider": "no", "model": "no"}}}}
    with pytest.raises(document.Invalid) as caught:
        stravinsky.read(raw)
    assert len(caught.value.problems) == 2


def test_enabled_false_is_one_attempt_and_cooldown_seconds_the_rest(seed: None) -> None:
    document.apply_environment()
    document.load(changed(), by=SYSTEM, project="on")
    document.load(changed(enabled=False, cooldown_seconds=600), by=SYSTEM, project="off")
    known = snapshot.load_now()
    on, off = (
        plan(known.table, Ask("code_generation", project=project), known.health, known.read_at)
        for project in ("on", "off")
    )
    assert [each.key for each in off.candidates] == ["openai:codex"]
    assert (on.candidates[0].key, len(on.candidates) > 1) == ("openai:codex", True)
    assert (on.cooldown_s, off.cooldown_s) == (300, 600)


def test_problems_of_the_table_are_told_at_the_places_of_the_file(seed: None) -> None:
    # sonnet-4.5 is in no tier: a chain from it could not hop anywhere. The chain names a provider twice.
    tasks = {"general": {"provider": "claude", "model": "sonnet-4.5"}}
    raw = {"routing": {"task_routing": tasks, "fallback": {"chain": ["openai", "openai"]}}}
    assert problems_of(raw, project="site") == [
        "routing.fallback.chain[1]: 'openai' stands earlier in the rotation",
        "routing.task_routing.general.model: 'anthropic:sonnet-4.5' has no tier to hop within: "
        "give it one of premium, standard, economy",
    ]


def test_a_route_edited_by_hand_is_named_by_its_task(seed: None) -> None:
    changes.change_route("code_search", ["anthropic:sonnet"], by=PERSON, reason="better")
    (problem,) = problems_of(SEEDS)
    assert problem.startswith("routing.task_routing.code_search: was edited by hand at ")


def test_a_secret_in_that_file_is_refused_unread(seed: None) -> None:
    raw = changed()
    raw["routing"]["task_routing"]["debugging"]["model"] = "sk-proj-canary0123456789"
    (problem,) = problems_of(raw)
    assert problem.startswith("routing.task_routing.debugging.model: looks like a secret")
    assert "canary" not in problem
