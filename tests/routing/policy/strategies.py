"""Random worlds to plan in: any routes over the models of `worlds`, any state of health, any ask."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from routing.policy.health import Broken, Health, Reading, Rest
from routing.policy.table import Exploration, Route, Table, TaskType
from routing.terms.request import Ask
from routing.terms.words import TaskKind
from tests.routing.policy.worlds import API_KEY, CURVE, KEYS, LATER, MODELS, NOW, OAUTH, table

TASK = "vibe_coding"
CONDITIONS = ("batch", "debugging")
SCOPES = ("client:ci", "key:ck_test", f"task:{TASK}", "project:site", "provider:openai", "provider:anthropic")
SLUGS = st.sampled_from(sorted(KEYS))
MODELS_OF_TABLE = SLUGS.map(KEYS.__getitem__)
MOMENTS = st.sampled_from([NOW - timedelta(seconds=1), NOW, LATER])
RESTS = st.builds(Rest, st.one_of(st.none(), MOMENTS))
SERVED = st.sampled_from([(model.provider, model.slug) for model in MODELS])
CREDENTIALS = st.sampled_from(["main", "login", ""])
YES_OR_NO = st.booleans()
# Made here once: to make a strategy anew for each world costs more than to draw from it.
COOLDOWNS = st.dictionaries(st.tuples(SERVED, CREDENTIALS), RESTS, max_size=5)
NOT_READY = st.dictionaries(st.tuples(SERVED, CREDENTIALS), st.just("refused"), max_size=2)
USED = st.lists(st.floats(0, 120), max_size=2)
CIRCUITS = st.dictionaries(SERVED, st.builds(Broken, MOMENTS, has_probe=YES_OR_NO), max_size=4)
QUOTAS = st.dictionaries(st.just("codex-cli"), RESTS)
SPENT = st.frozensets(st.sampled_from(SCOPES), max_size=1)
STEPS = st.lists(MODELS_OF_TABLE, unique=True, min_size=1, max_size=5)
ROTATIONS = st.sampled_from([(), ("openai", "anthropic", "gemini"), ("gemini", "anthropic")])
HOPS = st.sampled_from([0, 1, 2, None])
ONE_OF_FOUR = st.integers(0, 3)
HELD = st.sampled_from([(), (API_KEY,), (OAUTH,), (OAUTH, API_KEY)])
CURVES = st.sampled_from([None, CURVE])
KINDS = st.sampled_from([*[TaskKind.CHAT] * 9, TaskKind.EMBEDDING])
CHALLENGERS = st.sets(MODELS_OF_TABLE, max_size=2)
SHARES = st.sampled_from([0.1, 0.5])


@st.composite
def healths(draw: st.DrawFn) -> Health:
    """What rests, is broken, not ready, full or spent at NOW."""
    return Health(
        cooldowns={(provider, name, model): rest for ((provider, model), name), rest in draw(COOLDOWNS).items()},
        circuits=draw(CIRCUITS),
        not_ready={(provider, name): why for ((provider, _), name), why in draw(NOT_READY).items()},
        quotas=draw(QUOTAS),
        readings=tuple(Reading("anthropic", "weekly", each, NOW - timedelta(minutes=1)) for each in draw(USED)),
        spent=draw(SPENT),
    )


@st.composite
def _routes(draw: st.DrawFn, project: str | None = None, condition: str = "") -> Route:
    return Route(
        TASK,
        tuple(draw(STEPS)),
        project=project,
        condition=condition,
        tier_chain=draw(YES_OR_NO),
        rotation=draw(ROTATIONS),
        lower_tier_max_hops=draw(HOPS),
        terminal_local=draw(YES_OR_NO),
        background=draw(YES_OR_NO),
        fallback=draw(ONE_OF_FOUR) > 0,
    )


_CHANGES: list[dict[str, Any]] = [
    {"enabled": False},
    {"retire_at": NOW.date()},
    {"retire_at": NOW.date() + timedelta(days=9)},
    {"kind": TaskKind.EMBEDDING},
    {"tier": "premium"},
]
CHANGED = st.dictionaries(SLUGS, st.sampled_from(_CHANGES), max_size=2)
EVERYWHERE = st.lists(_routes(), max_size=1)
OF_A_PROJECT = st.lists(_routes(project="site"), max_size=1)
OF_A_CONDITION = st.lists(_routes(condition="batch"), max_size=1)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """A global route, perhaps none, perhaps beside one of a project and one of a condition; an exploration, a curve, a retired model."""
    routes = draw(EVERYWHERE)
    routes += draw(OF_A_PROJECT)
    routes += draw(OF_A_CONDITION)
    changed = draw(CHANGED)
    parts: dict[str, Any] = {
        "credentials": draw(HELD),
        "curve": draw(CURVES),
        "models": {model.key: replace(model, **changed.get(model.slug, {})) for model in MODELS},
        "projects": {"site": "Site"},
        "routes": {(route.task_type, route.project, route.condition): route for route in routes},
        "task_types": {TASK: TaskType(TASK, kind=draw(KINDS))},
    }
    challengers = tuple(sorted(draw(CHALLENGERS)))
    if challengers:
        today = NOW.date()
        parts["explorations"] = {TASK: Exploration(1, TASK, draw(SHARES), challengers, today, today)}
    return table(**parts)


PROJECTS = st.sampled_from([None, "site"])
OVERRIDES = st.one_of(st.none(), SLUGS)
FALLBACKS = st.sampled_from(["route", "route", "none"])
AUTHORS = st.one_of(st.none(), st.none(), MODELS_OF_TABLE, st.just("openai:"))
SIZES = st.sampled_from([0, 100, 30_000, 150_000, 500_000])
MOST_TOKENS = st.sampled_from([None, 4_000])
NEEDS = st.sampled_from([frozenset[str](), frozenset({"images"})])
CONTEXTS = st.lists(st.sampled_from(CONDITIONS), unique=True, max_size=2)
ALLOWED = st.one_of(st.none(), st.none(), st.frozensets(MODELS_OF_TABLE, min_size=3))


@st.composite
def asks(draw: st.DrawFn) -> Ask:
    return Ask(
        TASK,
        project=draw(PROJECTS),
        background=draw(YES_OR_NO),
        override=draw(OVERRIDES),
        fallback=draw(FALLBACKS),
        author=draw(AUTHORS),
        size=draw(SIZES),
        max_tokens=draw(MOST_TOKENS),
        needs=draw(NEEDS),
        context=tuple(draw(CONTEXTS)),
        allowed_models=draw(ALLOWED),
        client="ci",
        scopes=frozenset({"client:ci", "key:ck_test"}),
    )
