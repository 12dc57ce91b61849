"""The local plan, switched on in one step after the server has answered, and off again. Over a real server on loopback."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from routing import changes, discovery, document, local
from routing.audit import SYSTEM, Actor
from routing.document import Invalid
from routing.models import Provider, Revision
from tests import doubles
from tests.doubles import Double
from tests.routing.seeded import load_simulated

pytestmark = pytest.mark.django_db

PERSON = Actor("anna")
# capabilities, row 16: what the plan routes to, and how Ollama lists it
PULLED = ("llama3.1:8b", "qwen2.5-coder:14b", "qwen2.5:14b", "nomic-embed-text:latest")
PLAN = {
    "quick_capture": ["ollama:llama3.1:8b", "anthropic:haiku"],
    "classification": ["ollama:llama3.1:8b", "anthropic:haiku"],
    "bulk_ops": ["ollama:llama3.1:8b", "anthropic:haiku"],
    "code_generation": ["ollama:qwen2.5-coder:14b", "openai:codex", "anthropic:sonnet"],
    "general": ["ollama:local", "anthropic:sonnet"],
    "embeddings": ["ollama:nomic-embed-text"],
}


@pytest.fixture(autouse=True)
def _seed(db: None) -> None:
    load_simulated()


@pytest.fixture
def server() -> Iterator[Double]:
    with doubles.serve_in_thread() as double:
        double.serves = PULLED
        yield double


def routes() -> dict[str, Any]:
    """The plain routes of all projects by task, as steps."""
    parts = document.dump()["routes"]
    return {part["task_type"]: part["steps"] for part in parts if not part["condition"] and not part["project"]}


def test_one_step_puts_the_whole_plan_in_force_in_one_revision(server: Double) -> None:
    before = routes()
    now = local.switch_on(server.url, by=PERSON)
    assert {task: routes()[task] for task in PLAN} == PLAN
    assert {task: steps for task, steps in routes().items() if task not in PLAN} == {
        task: steps for task, steps in before.items() if task not in PLAN
    }
    row = Provider.objects.get(slug="ollama")
    assert (row.base_url, row.enabled, row.simulate) == (server.openai, True, False)
    assert Revision.objects.count() == 2
    assert (now.is_on, now.answers, now.missing, now.revision) == (True, True, (), 2)
    assert all(route.in_force for route in now.routes)


def test_off_gives_every_task_back_what_it_had(server: Double) -> None:
    before = document.dump()
    local.switch_on(server.url, by=PERSON)
    now = local.switch_off(by=PERSON)
    after = document.dump()
    assert after["routes"] == before["routes"]
    assert not now.is_on
    (ollama,) = [part for part in after["providers"] if part["slug"] == "ollama"]
    assert (ollama["enabled"], ollama["base_url"]) == (False, server.openai)  # the next `on` needs no address
    assert local.switch_on(by=PERSON).is_on


def test_edits_survive_the_switch_in_both_directions(server: Double) -> None:
    changes.change_route("general", ["anthropic:opus"], by=PERSON, reason="better")
    local.switch_on(server.url, by=PERSON)
    changes.change_route("general", ["ollama:local"], by=PERSON, reason="no cloud")
    local.switch_off(by=PERSON)
    assert routes()["general"] == ["anthropic:opus"]
    local.switch_on(by=PERSON)
    assert routes()["general"] == ["ollama:local"]


def test_on_twice_is_on_once(server: Double) -> None:
    local.switch_on(server.url, by=PERSON)
    assert local.switch_on(server.url, by=PERSON).revision == 2


def test_a_server_that_does_not_answer_changes_nothing() -> None:
    with doubles.serve_in_thread() as double:
        url = double.url
    before = document.dump()
    with pytest.raises(discovery.Unreachable, match=r"Is the server running there\?"):
        local.switch_on(url, by=PERSON)
    assert document.dump() == before
    assert Revision.objects.count() == 1


def test_an_address_that_is_not_allowed_is_refused_with_what_allows_it(server: Double) -> None:
    with override_settings(ALLOW_PRIVATE_UPSTREAMS=[]), pytest.raises(Invalid) as caught:
        local.switch_on(server.url, by=PERSON)
    (problem,) = caught.value.problems
    assert problem.path == "base_url"
    assert problem.message.endswith(f"CORTEX_ALLOW_PRIVATE_UPSTREAMS=127.0.0.1:{server.port}")
    assert server.requests == []


def test_what_the_server_lacks_is_told_and_its_routes_wait(server: Double) -> None:
    server.serves = ("llama3.1:8b",)
    before = routes()
    now = local.switch_on(server.url, by=PERSON)
    assert routes()["bulk_ops"] == PLAN["bulk_ops"]
    assert routes()["general"] == before["general"]  # a call to a model that is not there would fail without a fallback
    assert {model.key: model.mend for model in now.missing} == {
        "ollama:local": "ollama pull qwen2.5:14b",
        "ollama:qwen2.5-coder:14b": "ollama pull qwen2.5-coder:14b",
        "ollama:nomic-embed-text": "ollama pull nomic-embed-text",
    }
    models = {part["slug"]: part["enabled"] for part in document.dump()["models"] if part["provider"] == "ollama"}
    assert models == {"llama3.1:8b": True, "local": False, "qwen2.5-coder:14b": False, "nomic-embed-text": False}
    server.serves = PULLED  # somebody pulls them
    assert local.switch_on(by=PERSON).missing == ()
    assert {task: routes()[task] for task in PLAN} == PLAN


def test_a_model_that_went_away_gives_its_task_back_to_the_cloud(server: Double) -> None:
    before = routes()
    local.switch_on(server.url, by=PERSON)
    server.serves = ("qwen2.5:14b",)
    local.switch_on(by=PERSON)
    assert routes()["bulk_ops"] == before["bulk_ops"]
    assert routes()["general"] == PLAN["general"]


def test_another_servers_names_are_bound_to_the_models_of_the_plan(server: Double) -> None:
    server.serves = ("Qwen/Qwen2.5-14B-Instruct",)  # as vLLM names it
    now = local.switch_on(server.url, by=PERSON, models={"local": "Qwen/Qwen2.5-14B-Instruct"})
    assert [route.name for route in now.routes if route.in_force] == ["general"]
    (model,) = [part for part in document.dump()["models"] if part["slug"] == "local"]
    assert model["upstream_id"] == "Qwen/Qwen2.5-14B-Instruct"


def test_what_cannot_be_bound_is_refused_by_name(server: Double) -> None:
    with pytest.raises(Invalid) as caught:
        local.switch_on(server.url, by=PERSON, models={"locl": "qwen2.5:14b", "local": "qwen2.5:140b"})
    assert [str(problem) for problem in caught.value.problems] == [
        "models.locl: no model 'locl' of ollama; nearest: local",
        "models.local: the server has no 'qwen2.5:140b'; nearest: qwen2.5:14b, qwen2.5-coder:14b",
    ]


def test_a_plan_on_another_openai_compatible_provider_is_switched_alike(server: Double) -> None:
    server.serves = ("mistral-small",)
    table = {
        "providers": [{"slug": "vllm", "kind": "openai_compatible", "enabled": False}],
        "models": [{"provider": "vllm", "slug": "mistral", "upstream_id": "mistral-small"}],
        "routes": [{"task_type": "translate", "condition": "local", "steps": ["vllm:mistral", "anthropic:haiku"]}],
    }
    document.load(table, by=SYSTEM)
    local.switch_on(server.openai, by=PERSON, provider="vllm")
    assert routes()["translate"] == ["vllm:mistral", "anthropic:haiku"]
    assert routes()["bulk_ops"] == ["anthropic:haiku"]  # Ollama's part of the plan is not switched with it


def test_somebody_elses_change_in_between_is_not_written_over(server: Double) -> None:
    changes.change_route("general", ["anthropic:opus"], by=PERSON, reason="")
    with pytest.raises(changes.Stale):
        local.switch_on(server.url, by=PERSON, expected_revision=1)


def test_status_asks_now_and_says_what_is_wrong(server: Double) -> None:
    local.switch_on(server.url, by=PERSON)
    assert local.status().answers
    server.will(then=doubles.Act(500, ("", "", "out of memory")))
    now = local.status()
    assert (now.answers, now.is_on) == (False, True)
    assert "out of memory" in now.problem


# ── the environment ──


def test_the_environment_switches_it_on_as_the_server_starts(server: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_BASE_URL", server.url)
    assert local.follow_environment() == ""
    assert local.follow_environment() == ""
    assert routes()["bulk_ops"] == PLAN["bulk_ops"]
    assert Revision.objects.count() == 2
    assert not Provider.objects.filter(simulate=True).exists()


def test_what_a_person_switched_off_stays_off(server: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_BASE_URL", server.url)
    local.follow_environment()
    local.switch_off(by=PERSON)
    assert local.follow_environment() == (
        "OLLAMA_BASE_URL is left alone: ollama was changed by hand. `manage.py local on` uses it."
    )
    assert not Provider.objects.get(slug="ollama").enabled


def test_a_server_of_the_environment_that_is_away_is_said_and_everything_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with doubles.serve_in_thread() as double:
        monkeypatch.setenv("OLLAMA_BASE_URL", double.url)
    assert local.follow_environment().startswith("Local models stay as they are, OLLAMA_BASE_URL notwithstanding: ")
    assert len(document.apply_environment()) == 4  # nothing is real: all is simulated, and says so


# ── the command ──


def said(*words: str) -> str:
    out = io.StringIO()
    call_command("local", *words, stdout=out)
    return out.getvalue()


def test_the_command_switches_on_and_off_and_tells_how_it_stands(server: Double) -> None:
    server.serves = PULLED[:2]
    told = said("on", server.url)
    assert told.startswith(f"Local models are on: ollama at {server.openai} – answers in ")
    assert "  in force  bulk_ops                 ollama:llama3.1:8b → anthropic:haiku" in told
    assert "  waiting   general" in told
    assert "ollama pull qwen2.5:14b" in told
    assert json.loads(said("status", "--json"))["on"] is True
    assert said("off").startswith("Local models are off: ")


@pytest.mark.parametrize(
    ("words", "told", "code"),
    [
        (("on", "http://127.0.0.1:9"), "Nothing was changed", 1),
        (("on", "--model", "local"), "SLUG=NAME", 1),
        (("status", "--provider", "nobody"), "There is no provider 'nobody'", 2),
    ],
)
def test_the_command_refuses_in_a_sentence(words: tuple[str, ...], told: str, code: int) -> None:
    with pytest.raises(CommandError, match=told) as caught:
        said(*words)
    assert caught.value.returncode == code
