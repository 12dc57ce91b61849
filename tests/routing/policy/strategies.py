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


@st.composite
def healths(draw: st.DrawFn) -> Health:
    """What rests, is broken, not ready, full or spent at NOW."""
    cooldowns = st.dictionaries(st.tuples(SERVED, CREDENTIALS), RESTS, max_size=5)
    not_ready = st.dictionaries(st.tuples(SERVED, CREDENTIALS), st.just("refused"), max_size=2)
    readings = st.lists(st.floats(0, 120), max_size=2)
    return Health(
        cooldowns={(provider, name, model): rest for ((provider, model), name), rest in draw(cooldowns).items()},
        circuits=draw(st.dictionaries(SERVED, st.builds(Broken, MOMENTS, has_probe=st.booleans()), max_size=4)),
        not_ready={(provider, name): why for ((provider, _), name), why in draw(not_ready).items()},
        quotas=draw(st.dictionaries(st.just("codex-cli"), RESTS)),
        readings=tuple(Reading("anthropic", "weekly", each, NOW - timedelta(minutes=1)) for each in draw(readings)),
        spent=draw(st.frozensets(st.sampled_from(SCOPES), max_size=1)),
    )


@st.composite
def _routes(draw: st.DrawFn, project: str | None = None, condition: str = "") -> Route:
    return Route(
        TASK,
        tuple(draw(st.lists(MODELS_OF_TABLE, unique=True, min_size=1, max_size=5))),
        project=project,
        condition=condition,
        tier_chain=draw(st.booleans()),
        rotation=draw(st.sampled_from([(), ("openai", "anthropic", "gemini"), ("gemini", "anthropic")])),
        lower_tier_max_hops=draw(st.sampled_from([0, 1, 2, None])),
        terminal_local=draw(st.booleans()),
        background=draw(st.booleans()),
        fallback=draw(st.integers(0, 3)) > 0,
    )


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """A global route, perhaps none, perhaps beside one of a project and one of a condition; an exploration, a curve, a retired model."""
    routes = draw(st.lists(_routes(), max_size=1))
    routes += draw(st.lists(_routes(project="site"), max_size=1))
    routes += draw(st.lists(_routes(condition="batch"), max_size=1))
    changed = draw(st.dictionaries(SLUGS, st.sampled_from(_CHANGES), max_size=2))
    parts: dict[str, Any] = {
        "credentials": draw(st.sampled_from([(), (API_KEY,), (OAUTH,), (OAUTH, API_KEY)])),
        "curve": draw(st.sampled_from([None, CURVE])),
        "models": {model.key: replace(model, **changed.get(model.slug, {})) for model in MODELS},
        "projects": {"site": "Site"},
        "routes": {(route.task_type, route.project, route.condition): route for route in routes},
        "task_types": {TASK: TaskType(TASK, kind=draw(st.sampled_from([*[TaskKind.CHAT] * 9, TaskKind.EMBEDDING])))},
    }
    challengers = tuple(sorted(draw(st.sets(MODELS_OF_TABLE, max_size=2))))
    if challengers:
        today = NOW.date()
        parts["explorations"] = {
            TASK: Exploration(1, TASK, draw(st.sampled_from([0.1, 0.5])), challengers, today, today)
        }
    return table(**parts)


_CHANGES: list[dict[str, Any]] = [
    {"enabled": False},
    {"retire_at": NOW.date()},
    {"retire_at": NOW.date() + timedelta(days=9)},
    {"kind": TaskKind.EMBEDDING},
    {"tier": "premium"},
]


@st.composite
def asks(draw: st.DrawFn) -> Ask:
    return Ask(
        TASK,
        project=draw(st.sampled_from([None, "site"])),
        background=draw(st.booleans()),
        override=draw(st.one_of(st.none(), SLUGS)),
        fallback=draw(st.sampled_from(["route", "route", "none"])),
        author=draw(st.one_of(st.none(), st.none(), MODELS_OF_TABLE, st.just("openai:"))),
        size=draw(st.sampled_from([0, 100, 30_000, 150_000, 500_000])),
        max_tokens=draw(st.sampled_from([None, 4_000])),
        needs=draw(st.sampled_from([frozenset[str](), frozenset({"images"})])),
        context=tuple(draw(st.lists(st.sampled_from(CONDITIONS), unique=True, max_size=2))),
        allowed_models=draw(st.one_of(st.none(), st.none(), st.frozensets(MODELS_OF_TABLE, min_size=3))),
        client="ci",
        scopes=frozenset({"client:ci", "key:ck_test"}),
    )
