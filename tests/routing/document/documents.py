"""Random documents that are sound: every name is somebody's, and every number is within its bounds."""

from datetime import date
from typing import Any

from hypothesis import strategies as st

TAGS = st.lists(st.sampled_from(["code", "cheap", "fast", "content"]), max_size=3)
TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=20)
DAYS = st.none() | st.dates(date(2026, 1, 1), date(2099, 1, 1)).map(date.isoformat)
USD = st.decimals(0, 10**9, places=10, allow_nan=False).map(str) | st.integers(0, 1000)
SLUG = st.from_regex(r"\A[a-z0-9][a-z0-9._-]{0,10}\Z")


def _named(name: st.SearchStrategy[str], least: int, most: int) -> st.SearchStrategy[list[str]]:
    return st.lists(name, min_size=least, max_size=most, unique=True)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    providers = draw(_named(SLUG, 1, 3))
    names = draw(_named(SLUG, 2, 5))
    models = [_model(draw, draw(st.sampled_from(providers)), name) for name in names]
    keys = [f"{model['provider']}:{model['slug']}" for model in models]
    tasks = draw(_named(SLUG, 1, 3))
    projects = draw(_named(SLUG, 0, 2))
    routes = [_route(draw, task, project, keys) for task in tasks for project in (None, *projects)]
    return {
        "providers": [_provider(draw, slug, providers) for slug in providers],
        "credentials": [_credential(draw, slug) for slug in providers if draw(st.booleans())],
        "models": models,
        "quotas": [
            {"slug": slug, "name": draw(TEXT), "provider": draw(st.sampled_from([None, *providers]))}
            for slug in draw(_named(SLUG, 0, 2))
        ],
        "curves": [_curve(draw, name, keys) for name in draw(_named(SLUG, 0, 1))],
        "projects": [{"slug": slug, "name": draw(TEXT)} for slug in projects],
        "task_types": [_task(draw, slug) for slug in tasks],
        "rules": [
            {"pattern": f"{word} notes", "task_type": draw(st.sampled_from(tasks))} for word in draw(_named(SLUG, 0, 2))
        ],
        "routes": draw(st.permutations(routes)),
        "budgets": [
            {"scope": f"task:{slug}", "monthly_usd": draw(USD.filter(lambda usd: float(usd) > 0)), "steps": [80, 100]}
            for slug in tasks
            if draw(st.booleans())
        ],
    }


def _provider(draw: st.DrawFn, slug: str, all_slugs: list[str]) -> dict[str, Any]:
    others = [other for other in all_slugs if other != slug]
    return {
        "slug": slug,
        "name": draw(TEXT),
        "kind": draw(st.sampled_from(["openai", "anthropic", "simulated"])),
        "base_url": draw(st.sampled_from([None, "https://api.example.com/v1"])),
        "enabled": draw(st.booleans()),
        "rotation": draw(st.permutations(others)),
        "max_concurrency": draw(st.integers(1, 10_000)),
        "max_waiting": draw(st.none() | st.integers(0, 10_000)),
    }


def _credential(draw: st.DrawFn, provider: str) -> dict[str, Any]:
    oauth = {"token_url": "https://login.example.com/token", "client_id": "cortex"}
    kind = draw(st.sampled_from(["api_key", "oauth"]))
    return {"provider": provider, "kind": kind, "env": "SOME_KEY", "oauth": oauth if kind == "oauth" else None}


def _model(draw: st.DrawFn, provider: str, slug: str) -> dict[str, Any]:
    first, last = sorted([draw(DAYS) or "", draw(DAYS) or ""])
    tier = st.fixed_dictionaries({"above": st.just(200_000), "input": USD, "output": USD}, optional={"cache_read": USD})
    parts = {"cache_read": st.none() | USD, "cache_write": USD, "reasoning": USD, "tiers": st.lists(tier, max_size=1)}
    in_tier = st.fixed_dictionaries({"input": USD, "output": USD}, optional=parts)
    in_tiers = st.dictionaries(st.sampled_from(["flex", "batch"]), in_tier, max_size=2)
    fees = {"searches_1k": st.none() | USD, "requests_1k": USD}
    price = st.fixed_dictionaries({"input": USD, "output": USD}, optional={**parts, **fees, "service_tiers": in_tiers})
    return {
        "provider": provider,
        "slug": slug,
        "upstream_id": draw(TEXT.filter(bool)),
        "tier": draw(st.sampled_from(["", "premium", "standard"])),
        "role": draw(st.sampled_from(["", "T2"])),
        "tags": draw(TAGS),
        "context_window": draw(st.none() | st.integers(1, 2_000_000)),
        "price": draw(st.none() | price),
        "next_price": draw(st.none() | price.map(lambda each: {**each, "valid_from": "2099-01-01"})),
        "deprecated_at": first or None,
        "retire_at": last or None,
    }


def _task(draw: st.DrawFn, slug: str) -> dict[str, Any]:
    return {
        "slug": slug,
        "name": draw(TEXT),
        "wants": draw(TAGS),
        "margin": draw(st.floats(0.001, 0.5)),
        "grading_share": draw(st.floats(0, 1)),
        "target_success": draw(st.none() | st.floats(0, 1)),
        "label_sources": draw(st.sampled_from([[], ["person", "ci"]])),
    }


def _route(draw: st.DrawFn, task: str, project: str | None, keys: list[str]) -> dict[str, Any]:
    return {
        "task_type": task,
        "project": project,
        "condition": draw(st.sampled_from(["", "batch"])),
        "steps": draw(_named(st.sampled_from(keys), 1, 3)),
        "note": draw(TEXT),
        "terminal_local": draw(st.booleans()),
        "cooldown_s": draw(st.floats(0.001, 3600)),
        "timeouts": draw(st.dictionaries(st.sampled_from(["connect_s", "idle_s"]), st.floats(0.001, 86_400))),
    }


def _curve(draw: st.DrawFn, name: str, keys: list[str]) -> dict[str, Any]:
    bounds = [0, *sorted(draw(st.sets(st.integers(1, 1000), max_size=3)))]
    allowed = [key.partition(":")[2] for key in draw(_named(st.sampled_from(keys), 1, 3))]
    return {"name": name, "steps": [{"from": bound, "allowed": allowed} for bound in bounds]}
