"""A small routing table to plan in: the models of the seeds at three providers and a local one."""

from datetime import UTC, datetime, timedelta
from typing import Any

from routing.policy.health import Health
from routing.policy.plan import plan
from routing.policy.table import Credential, Curve, CurveStep, Model, Provider, Route, Table, TaskType
from routing.terms.candidate import Plan
from routing.terms.request import Ask
from routing.terms.words import CredentialKind, ProviderKind

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)

OAUTH = Credential("login", CredentialKind.OAUTH)
API_KEY = Credential("main", CredentialKind.API_KEY)

MODELS = (
    Model("anthropic", "opus", "claude-opus", tier="premium", role="T0", interactive_only=True, context_window=200_000),
    Model("anthropic", "sonnet", "claude-sonnet", tier="standard", role="T3", context_window=200_000),
    Model("anthropic", "haiku", "claude-haiku", tier="economy", context_window=200_000),
    Model("openai", "codex", "gpt-codex", tier="premium", role="T1", quota="codex-cli", context_window=400_000),
    Model("openai", "gpt-5.2", "gpt-5.2", tier="standard", context_window=400_000),
    Model("openai", "gpt-4o", "gpt-4o", tier="economy", context_window=128_000),
    Model("gemini", "gemini-pro", "gemini-pro", tier="premium", context_window=1_000_000),
    Model("gemini", "gemini-flash", "gemini-flash", tier="standard", role="T2", context_window=1_000_000),
    Model("ollama", "local", "qwen", role="T4", context_window=32_000, lacks=frozenset({"images"})),
)
KEYS = {model.slug: model.key for model in MODELS}
CURVE = Curve(
    "default",
    tuple(
        CurveStep(above, tuple(KEYS[slug] for slug in slugs.split()))
        for above, slugs in (
            (0, "opus sonnet codex gemini-flash local"),
            (70, "opus sonnet codex gemini-flash local"),
            (80, "sonnet codex gemini-flash local"),
            (95, "codex gemini-flash local"),
            (100, "gemini-flash local"),
        )
    ),
)
ROUTES = {
    "complex_reasoning": "opus gpt-4o",
    "code_generation": "sonnet codex",
    "vibe_coding": "codex sonnet",
    "content_drafting": "sonnet",
    "heartbeat": "gemini-flash opus local",
}


def _routes() -> list[Route]:
    return [Route(task, steps(slugs)) for task, slugs in ROUTES.items()]


def steps(slugs: str) -> tuple[str, ...]:
    return tuple(KEYS[slug] for slug in slugs.split())


def table(*routes: Route, credentials: Any = (API_KEY,), **parts: Any) -> Table:
    """The table with these routes, else with those of ROUTES; `credentials` of every cloud provider; other parts as keywords."""
    rotations = {
        "anthropic": ("openai", "gemini"),
        "openai": ("gemini", "anthropic"),
        "gemini": ("openai", "anthropic"),
    }
    kinds = {"anthropic": ProviderKind.ANTHROPIC, "openai": ProviderKind.OPENAI}
    providers = {
        slug: Provider(
            slug, kinds.get(slug, ProviderKind.OPENAI_COMPATIBLE), credentials=credentials, rotation=rotation
        )
        for slug, rotation in rotations.items()
    }
    providers["ollama"] = Provider("ollama", ProviderKind.OPENAI_COMPATIBLE, needs_credential=False)
    names: dict[str, tuple[str, ...]] = {model.slug: (model.key,) for model in MODELS}
    names |= {"claude": (KEYS["opus"],)}
    given = {
        "revision": 7,
        "providers": providers,
        "models": {model.key: model for model in MODELS},
        "names": names,
        "task_types": {task: TaskType(task, task.replace("_", " ")) for task in ROUTES},
        "routes": {(route.task_type, route.project, route.condition): route for route in routes or _routes()},
    }
    return Table(**{**given, **parts})


def made(ask: Ask | str, health: Health | None = None, in_table: Table | None = None) -> Plan:
    return plan(in_table or table(), Ask(ask) if isinstance(ask, str) else ask, health or Health(), NOW)


def order(found: Plan) -> list[str]:
    return [candidate.model for candidate in found.candidates]


def why(found: Plan, slug: str) -> str:
    """The reason for which the model was skipped."""
    return next(str(each.reason) for each in found.skipped if each.model == slug)
