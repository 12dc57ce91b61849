"""The table that a new installation begins with, and its schema."""

import json
from pathlib import Path

import jsonschema
import pytest
from genai_prices import Usage, calc_price

from routing import changes, document
from routing.document.seed import read_seed
from routing.models import Provider
from tests.routing.document.tables import PERSON

pytestmark = pytest.mark.django_db


def test_the_seeds_eleven_routes(seed: None) -> None:
    routes = {part["task_type"]: part for part in document.dump()["routes"] if not part["condition"]}
    # seeds/002, "Routing Table"
    expected = {
        "quick_capture": "haiku sonnet",
        "meeting_summary": "sonnet opus",
        "complex_reasoning": "opus gpt-4o",
        "code_generation": "sonnet codex",
        "code_review": "sonnet codex",
        "content_drafting": "sonnet",
        "research_analysis": "opus gpt-4o",
        "classification": "haiku sonnet",
        "bulk_ops": "haiku",
        "security_audit": "opus",
        "vibe_coding": "codex sonnet",
    }
    found = {task: " ".join(step.partition(":")[2] for step in routes[task]["steps"]) for task in expected}
    assert found == expected
    assert all(routes[task]["note"] for task in expected)


def test_the_seed_is_loaded_once_and_then_belongs_to_its_users(seed: None) -> None:
    changes.remove("routes", "bulk_ops", by=PERSON, reason="not ours", source="console")
    before = document.dump()
    assert document.load_seed() is None
    assert document.dump() == before


def test_every_seeded_cloud_model_has_a_price_and_the_window_that_genai_prices_knows() -> None:
    of = {"anthropic": "anthropic", "openai": "openai", "gemini": "google"}
    for model in read_seed()["models"]:
        if model["provider"] == "ollama":
            continue
        usage = Usage(input_tokens=1_000_000, output_tokens=1_000_000)
        price = calc_price(usage, model["upstream_id"], provider_id=of[model["provider"]])
        assert price.model.id == model["upstream_id"]
        assert price.total_price > 0
        assert price.model.context_window in (None, model["context_window"])


def test_no_seeded_route_uses_a_model_that_retires(seed: None) -> None:
    retiring = {f"{model['provider']}:{model['slug']}" for model in document.dump()["models"] if model["retire_at"]}
    assert retiring == {"anthropic:sonnet-4.5"}
    assert not [part for part in document.dump()["routes"] if retiring & set(part["steps"])]


def test_the_schema_is_current() -> None:
    kept = Path(changes.__file__).with_name("schema.json")
    assert json.loads(kept.read_text()) == json.loads(json.dumps(document.schema()))


def test_the_seed_and_every_dump_fulfil_the_schema(seed: None) -> None:
    schema = jsonschema.Draft202012Validator(document.schema())
    assert not list(schema.iter_errors(read_seed()))
    assert not list(schema.iter_errors(document.dump()))
    assert list(schema.iter_errors({"routes": [{"task_type": "coding", "steps": "codex"}]}))


def test_without_keys_the_seeded_providers_are_simulated(seed: None) -> None:
    assert document.apply_environment() == ["anthropic", "gemini", "ollama", "openai"]


def test_with_the_first_key_nothing_is_simulated_any_more(seed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    document.apply_environment()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-real")
    assert document.apply_environment() == []
    assert not Provider.objects.filter(simulate=True).exists()
