"""What cannot be is refused, with the path of it and the mend."""

import pytest

from routing import document
from tests.routing.document.tables import problems_of, with_part

pytestmark = pytest.mark.django_db


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
            "routes[0].steps: a route needs at least one step; its tier chain begins at the first",
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
        (
            with_part("routes", task_type="coding", steps=[], tier_chain=True),
            "routes[0].steps: a route needs at least one step; its tier chain begins at the first",
        ),
        (
            with_part("routes", task_type="coding", steps=["codex"], tier_chain=True),
            "routes[0].tier_chain: 'openai:codex' has no tier to hop within: give it one of premium, standard, economy",
        ),
        (
            {
                "models": [{"provider": "openai", "slug": "codex", "tier": "premium"}],
                "routes": [{"task_type": "coding", "steps": ["codex"], "tier_chain": True}],
            },
            "routes[0].tier_chain: 'openai' has no rotation to hop along: name the providers in `rotation`",
        ),
        (
            {
                "providers": [{"slug": "other", "kind": "openai"}],
                "models": [{"provider": "openai", "slug": "codex", "tier": "premium"}],
                "routes": [{"task_type": "coding", "steps": ["codex"], "tier_chain": True, "rotation": ["other"]}],
            },
            "routes[0].tier_chain: no other model is of tier 'premium' nor 'standard': there is nothing to hop to",
        ),
        (
            with_part("models", provider="openai", slug="codex", tier="gold"),
            "models[0].tier: no tier 'gold': premium, standard, economy, or empty for none",
        ),
        (
            with_part("routes", task_type="coding", steps=["codex"], rotation=["openai", "openai"]),
            "routes[0].rotation[1]: 'openai' stands earlier in the rotation",
        ),
        (
            with_part("providers", slug="openai", rotation=["openai"]),
            "providers[0].rotation[0]: 'openai' itself: its tier chain would come back to it",
        ),
        (
            {
                "providers": [{"slug": "other", "kind": "openai"}],
                "models": [
                    {"provider": "openai", "slug": "codex", "aliases": ["twin"]},
                    {"provider": "other", "slug": "twin", "upstream_id": "t", "aliases": ["codex"]},
                ],
            },
            "models[0].aliases[0]: 'other:twin' has 'codex' as an alias: the two point at each other",
        ),
        (
            with_part("models", provider="openai", slug="small", aliases=["openai:codex"]),
            "models[0].aliases[0]: 'openai:codex' names another model already",
        ),
        (
            with_part("curves", name="c", steps=[{"from": 0, "allowed": ["codex"]}, {"from": 80, "allowed": []}]),
            "curves[0].steps[1].allowed: leaves no model: name at least one",
        ),
        (with_part("curves", name="c", steps=[]), "curves[0].steps: must begin with a step from 0"),
        (
            with_part("explorations", task_type="coding", share=0.1, challengers=["small"], usd_cap=1, until="Feb 3"),
            "explorations[0].until: not a date as 2026-11-30",
        ),
        (
            with_part(
                "models",
                provider="openai",
                slug="codex",
                price={"input": 1, "output": 2, "tiers": [{"above": 9, "input": 1, "output": 2}] * 2},
            ),
            "models[0].price.tiers: must have growing bounds, each once",
        ),
        (
            with_part(
                "models",
                provider="openai",
                slug="codex",
                price={"input": 1, "output": 2, "service_tiers": {"default": {"input": 1, "output": 2}}},
            ),
            "models[0].price.service_tiers.default.[key]: is what the price itself stands for",
        ),
        (
            with_part(
                "models",
                provider="openai",
                slug="codex",
                price={"input": 1, "output": 2, "service_tiers": {"flex": {"input": 1}}},
            ),
            "models[0].price.service_tiers.flex.output: missing",
        ),
        (
            with_part("models", provider="openai", slug="codex", next_price={"input": 1, "output": 2}),
            "models[0].next_price.valid_from: missing",
        ),
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
