"""The table as a document: what loads, what is refused and where, and what a load never does."""

import contextlib
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from genai_prices import Usage, calc_price
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routing import changes, document
from routing.audit import SYSTEM, Actor
from routing.document import stravinsky
from routing.document.seed import read_seed
from routing.document.table import as_table, compare, path_of
from routing.models import Credential, Model, Price, Provider, Revision, TaskType

pytestmark = pytest.mark.django_db

PERSON = Actor("anna")

SMALL: dict[str, Any] = {
    "providers": [{"slug": "openai", "kind": "openai"}],
    "credentials": [{"provider": "openai", "name": "main", "env": "OPENAI_API_KEY"}],
    "models": [
        {"provider": "openai", "slug": "codex", "upstream_id": "gpt-6.1-sol", "aliases": ["gpt-codex"]},
        {"provider": "openai", "slug": "small", "upstream_id": "gpt-6-luna"},
        {"provider": "openai", "slug": "embed", "upstream_id": "text-embedding-3-small", "kind": "embedding"},
    ],
    "task_types": [{"slug": "coding", "name": "Coding"}, {"slug": "vectors", "name": "Vectors", "kind": "embedding"}],
    "routes": [{"task_type": "coding", "steps": ["openai:codex", "openai:small"]}],
}

STRAVINSKY = {
    "routing": {
        "task_routing": {
            "code_generation": {
                "provider": "openai",
                "model": "gpt-5.2-codex",
                "description": "Complex code generation tasks",
            },
            "documentation": {
                "provider": "gemini",
                "model": "gemini-3-flash-preview",
                "description": "Documentation writing",
            },
        },
        "fallback": {"enabled": True, "chain": ["claude", "openai", "gemini"], "cooldown_seconds": 300},
    }
}


@pytest.fixture
def small() -> None:
    document.load(SMALL, by=SYSTEM)


@pytest.fixture
def seed() -> None:
    document.load_seed()


def problems_of(raw: object) -> list[str]:
    with pytest.raises(document.Invalid) as caught:
        document.load(raw, by=SYSTEM)
    return [str(problem) for problem in caught.value.problems]


def with_part(section: str, **part: Any) -> dict[str, Any]:
    return {section: [part]}


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (
            with_part("routes", task_type="coding", steps=["openai:codx"]),
            "routes[0].steps[0]: no model 'openai:codx'; nearest: openai:codex",
        ),
        (
            with_part("routes", task_type="codng", steps=["codex"]),
            "routes[0].task_type: no task type 'codng'; nearest: coding",
        ),
        (
            with_part("routes", task_type="coding", project="site", steps=["codex"]),
            "routes[0].project: no project 'site'",
        ),
        (
            with_part("routes", task_type="coding", steps=[]),
            "routes[0].steps: a route needs at least one step, or tier_chain",
        ),
        (
            with_part("routes", task_type="coding", steps=["codex", "gpt-codex"]),
            "routes[0].steps[1]: 'openai:codex' stands earlier in the chain",
        ),
        (
            with_part("routes", task_type="coding", steps=["embed"]),
            "routes[0].steps[0]: 'openai:embed' is an embedding model, 'coding' is a chat task type",
        ),
        (
            with_part("routes", task_type="vectors", steps=["embed", "codex"]),
            "routes[0].steps[1]: 'openai:codex' is a chat model, 'vectors' is an embedding task type",
        ),
        (
            with_part("routes", task_type="coding", steps=["codex"], cooldown_s=True),
            "routes[0].cooldown_s: not a number",
        ),
        (with_part("routes", task_type="coding", steps="codex"), "routes[0].steps: not a list"),
        (
            with_part("routes", task_type="coding", timeouts={"idle_s": float("inf")}),
            "routes[0].timeouts.idle_s: ",
        ),
        (with_part("models", provider="openai", slug="new"), "models[0].upstream_id: missing"),
        (
            with_part("models", provider="opnai", slug="a", upstream_id="a"),
            "models[0].provider: no provider 'opnai'; nearest: openai",
        ),
        (with_part("models", provider="openai", slug="codex", colour="red"), "models[0].colour: unknown field"),
        (
            with_part("models", provider="openai", slug="codex", price={"input": "-1", "output": 2}),
            "models[0].price.input: ",
        ),
        (
            with_part("models", provider="openai", slug="codex", price={"input": "9" * 5000, "output": 2}),
            "models[0].price.input: ",
        ),
        (
            with_part("models", provider="openai", slug="codex", name="a\0b"),
            "models[0].name: has a character that cannot be stored",
        ),
        (with_part("models", provider="openai", slug="codex", name="\ud800"), "models[0].name: "),
        (
            with_part("models", provider="openai", slug="small", aliases=["codex"]),
            "models[0].aliases[0]: 'codex' names another model already",
        ),
        (
            with_part("models", provider="openai", slug="codex", deprecated_at="2026-12-01", retire_at="2026-11-30"),
            "models[0].retire_at: lies before deprecated_at",
        ),
        (
            with_part("models", provider="openai", slug="codex", retire_at="soon"),
            "models[0].retire_at: not a date as 2026-11-30",
        ),
        (
            with_part("models", provider="openai", slug="codex", quota="codex-cli"),
            "models[0].quota: no quota 'codex-cli'",
        ),
        (
            with_part("curves", name="c", steps=[{"from": 10, "allowed": ["codex"]}]),
            "curves[0].steps: must begin with a step from 0",
        ),
        (
            with_part("curves", name="c", steps=[{"from": 0, "allowed": ["cdex"]}]),
            "curves[0].steps[0].allowed[0]: no model 'cdex'; nearest: codex",
        ),
        (
            with_part("task_types", slug="other", aliases=["coding"]),
            "task_types[0].aliases[0]: 'coding' names another task type",
        ),
        (with_part("budgets", scope="provider:nobody", monthly_usd="5"), "budgets[0].scope: no provider 'nobody'"),
        (with_part("budgets", scope="world", monthly_usd="5"), "budgets[0].scope: does not have the form"),
        (
            with_part("credentials", provider="openai", env="CORTEX_SECRET_KEY"),
            "credentials[0].env: names a secret of this server, not of a provider",
        ),
        (with_part("credentials", provider="openai", kind="oauth"), "credentials[0].oauth: missing"),
        (
            with_part(
                "explorations", task_type="coding", share=0.1, challengers=["codex"], usd_cap=1, until="2027-01-01"
            ),
            "explorations[0].challengers: 'openai:codex' is the primary already",
        ),
        (
            with_part("providers", slug="x", kind="openai_compatible"),
            "providers[0].base_url: an openai_compatible provider needs",
        ),
        (
            with_part("providers", slug="x", kind="openai", base_url="ftp://h"),
            "providers[0].base_url: not an http(s) address",
        ),
        (with_part("providers", slug="a:b", kind="openai"), "providers[0].slug: does not have the form"),
        ({"modelz": []}, "modelz: unknown field; nearest: models"),
        ({"models": {}}, "models: not a list"),
        ([], "a document is an object with the parts of the table"),
        (
            {"projects": [{"slug": "a"}, {"slug": "a"}]},
            "projects[1]: the same as projects[0]",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_path(small: None, raw: object, problem: str) -> None:
    before = document.dump()
    assert any(told.startswith(problem) for told in problems_of(raw))
    assert document.dump() == before


def test_every_error_of_a_document_is_told_at_once(small: None) -> None:
    raw = {
        "models": [{"provider": "openai", "slug": "new", "upstream_id": "n", "context_window": "many"}],
        "routes": [{"task_type": "coding", "steps": ["openai:new", "zzz"]}],
        "budgets": [{"scope": "task:coding", "monthly_usd": "NaN"}],
    }
    assert problems_of(raw) == [
        "models[0].context_window: not a number",
        "budgets[0].monthly_usd: not a finite number",
        # openai:new is no second mistake: it is missing because its own part is malformed.
        "routes[0].steps[1]: no model 'zzz'",
    ]


def test_a_load_is_all_or_nothing(small: None) -> None:
    raw = {"projects": [{"slug": "site"}], "routes": [{"task_type": "coding", "steps": ["nobody"]}]}
    problems_of(raw)
    assert document.dump()["projects"] == []
    assert Revision.objects.count() == 1


def test_loading_what_was_dumped_changes_nothing(seed: None) -> None:
    before = document.dump()
    done = document.load(json.loads(json.dumps(before)), by=SYSTEM)
    assert not done.is_new
    assert done.changes == []
    assert document.dump() == before
    assert Revision.objects.count() == 1


def test_a_dump_makes_the_same_table_in_an_empty_database(seed: None) -> None:
    dumped = document.dump()
    changes.publish(lambda whole: {section: [] for section in whole}, by=PERSON, reason="", source="console")
    assert not any(document.dump().values())
    assert not Provider.objects.exists()
    document.load(dumped, by=SYSTEM)
    assert document.dump() == dumped


def test_what_a_file_does_not_name_stays(small: None) -> None:
    document.load(with_part("models", provider="openai", slug="codex", tier="premium"), by=SYSTEM)
    codex = Model.objects.get(slug="codex")
    assert (codex.tier, codex.upstream_id, codex.aliases) == ("premium", "gpt-6.1-sol", ["gpt-codex"])
    assert Model.objects.count() == 3


def test_one_timeout_changes_alone(small: None) -> None:
    document.load(with_part("routes", task_type="coding", timeouts={"idle_s": 5}), by=SYSTEM)
    (route,) = document.dump()["routes"]
    assert route["timeouts"] == {"connect_s": 2, "first_token_s": 30, "idle_s": 5, "total_s": 600}


def test_what_a_person_edited_is_not_overwritten_unasked(small: None) -> None:
    changes.change_route("coding", ["openai:small"], by=PERSON, reason="cheaper")
    (problem,) = problems_of(SMALL)
    assert problem.startswith("routes[0]: was edited by hand at ")
    assert document.load(SMALL, by=SYSTEM, force=True).changes
    assert not document.load(SMALL, by=SYSTEM).is_new  # the edit by hand is forgotten with it


def test_a_file_that_agrees_with_the_edit_needs_no_force(small: None) -> None:
    changes.change_route("coding", ["openai:small"], by=PERSON, reason="cheaper")
    agreeing = with_part("routes", task_type="coding", steps=["small"])
    assert not document.load(agreeing, by=SYSTEM).is_new


def test_a_dry_run_tells_the_diff_and_writes_nothing(small: None) -> None:
    raw = with_part("routes", task_type="coding", steps=["small"])
    (change,) = document.preview(raw)
    assert change.as_dict() == {
        "path": "routes[coding].steps",
        "before": ["openai:codex", "openai:small"],
        "after": ["openai:small"],
    }
    assert Revision.objects.count() == 1


def test_a_secret_is_taken_in_kept_and_never_given_out(small: None) -> None:
    canary = "sk-canary-0123456789"
    document.load(with_part("credentials", provider="openai", name="main", secret=canary), by=SYSTEM)
    document.load(SMALL, by=SYSTEM)
    row = Credential.objects.get()
    assert row.secret is not None
    everything = json.dumps(document.dump()) + json.dumps(list(Revision.objects.values()), default=str)
    assert canary not in everything
    assert canary.encode() not in bytes(row.secret)


def test_a_malformed_credential_is_refused_without_repeating_its_secret(small: None) -> None:
    raw = with_part("credentials", provider="openai", secret="sk-canary\0", priority="first")
    assert not any("canary" in problem for problem in problems_of(raw))


def test_a_stored_secret_never_goes_to_a_new_host(small: None) -> None:
    document.load(with_part("credentials", provider="openai", name="main", secret="sk-1"), by=SYSTEM)
    moved = {"providers": [{"slug": "openai", "base_url": "https://elsewhere.example"}]}
    changes.publish(moved, by=PERSON, reason="moved", source="console")
    row = Credential.objects.get()
    assert row.secret is None
    assert row.env == ""  # nor does the environment's
    assert not row.ready


def test_another_kind_of_provider_clears_the_secret_too(small: None) -> None:
    document.load(with_part("credentials", provider="openai", name="main", secret="sk-1"), by=SYSTEM)
    document.load(with_part("providers", slug="openai", kind="anthropic"), by=SYSTEM)
    assert Credential.objects.get().secret is None


def test_an_override_of_a_price_holds_from_now_on_and_can_be_taken_back(small: None) -> None:
    price = {"input": "1.75", "output": "14", "cache_read": "0.175"}
    document.load(with_part("models", provider="openai", slug="codex", price=price), by=SYSTEM)
    codex = next(part for part in document.dump()["models"] if part["slug"] == "codex")
    assert codex["price"] == {**price, "cache_write": None}
    document.load(with_part("models", provider="openai", slug="codex", price=None), by=SYSTEM)
    assert not Price.objects.exists()


def test_another_upstream_model_is_another_version(small: None) -> None:
    document.load(with_part("models", provider="openai", slug="codex", tags=["code"]), by=SYSTEM)
    assert Model.objects.get(slug="codex").version == 1
    document.load(with_part("models", provider="openai", slug="codex", upstream_id="gpt-7"), by=SYSTEM)
    assert Model.objects.get(slug="codex").version == 2


def test_another_success_definition_restarts_the_evidence(small: None) -> None:
    document.load(with_part("task_types", slug="coding", margin=0.05), by=SYSTEM)
    assert TaskType.objects.get(slug="coding").definition_version == 1
    document.load(with_part("task_types", slug="coding", label_horizon_days=5), by=SYSTEM)
    assert TaskType.objects.get(slug="coding").definition_version == 2


def test_an_exploration_is_fixed_within_a_night(small: None) -> None:
    raw = with_part(
        "explorations", task_type="coding", share=0.1, challengers=["small"], usd_cap="3", until="2099-01-01"
    )
    document.load(raw, by=SYSTEM)
    first = document.dump()["explorations"][0]
    assert date.fromisoformat(first["starts_on"]) > date.today()  # noqa: DTZ011 - nights are UTC, and so is the test
    document.load(with_part("explorations", task_type="coding", usd_cap="5"), by=SYSTEM)
    (same,) = document.dump()["explorations"]
    assert same == {**first, "usd_cap": "5"}


# ── the seeds' table ──


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


# ── the environment ──


def test_without_keys_the_seeded_providers_are_simulated(seed: None) -> None:
    assert document.apply_environment() == ["anthropic", "gemini", "ollama", "openai"]


def test_with_the_first_key_nothing_is_simulated_any_more(seed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    document.apply_environment()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-real")
    assert document.apply_environment() == []
    assert not Provider.objects.filter(simulate=True).exists()


def test_the_address_of_ollama_enables_it(seed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_BASE_URL", "http://127.0.0.1:11434")
    assert document.apply_environment() == []
    document.apply_environment()
    row = Provider.objects.get(slug="ollama")
    assert (row.base_url, row.enabled) == ("http://127.0.0.1:11434/v1", True)
    assert Revision.objects.count() == 2  # the seed's and one for the address, however often it is applied


# ── .stravinsky/routing.json ──


def test_the_seeds_own_file_comes_back_as_it_went_in(seed: None) -> None:
    document.load(STRAVINSKY, by=SYSTEM, project="site")
    assert document.dump_stravinsky("site") == STRAVINSKY
    routes = {part["task_type"]: part for part in document.dump()["routes"] if part["project"] == "site"}
    assert routes["code_generation"]["steps"] == ["openai:codex"]
    assert routes["code_generation"]["rotation"] == ["anthropic", "openai", "gemini"]
    assert routes["code_generation"]["note"] == "Complex code generation tasks"


def test_a_file_without_fallback_makes_one_attempt(seed: None) -> None:
    raw = json.loads(json.dumps(STRAVINSKY))
    raw["routing"]["fallback"] |= {"enabled": False, "cooldown_seconds": 600}
    document.load(raw, by=SYSTEM, project="site")
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


# ── reading ──


@pytest.mark.parametrize(
    "text",
    ["", "{", '{"a": NaN}', '{"a": 1, "a": 2}', "[" * 100_000, '{"a": ' + "9" * 5000 + "}", b"\xff\xfe{}"],
    ids=["empty", "open", "NaN", "twins", "deep", "long number", "no UTF-8"],
)
def test_what_is_no_json_is_said_to_be_none(text: str | bytes) -> None:
    with pytest.raises(document.Invalid):
        document.read(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["slug", "provider", "steps", "task_type", "price", "aliases", "kind", "upstream_id", "windows"]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(["providers", "models", "routes", "quotas", "budgets", "credentials", "rules"]),
        st.lists(st.dictionaries(FIELDS, JSON, max_size=4), max_size=2) | JSON,
        max_size=3,
    )
)
def test_whatever_is_loaded_is_published_or_refused_never_an_error(small: None, raw: dict[str, Any]) -> None:
    with contextlib.suppress(document.Invalid):
        document.preview(raw)


def test_equal_tables_have_no_differences_and_a_path_says_where() -> None:
    table = as_table({"projects": [{"slug": "a"}]})
    assert compare(table, as_table({"projects": [{"slug": "a"}]})) == ()
    assert path_of(("routes", 3, "steps", 1)) == "routes[3].steps[1]"
