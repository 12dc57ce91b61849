"""The routing table as `policy.plan` reads it: frozen, compared by identity, built by `routing.snapshot` from one revision."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, tzinfo
from decimal import Decimal
from functools import cached_property

from routing.terms.request import Timeouts
from routing.terms.words import CredentialKind, ProviderKind, TaskKind

TIERS = ("premium", "standard", "economy")  # of the fallback chain, from the top
LOWER_TIER_MAX_HOPS = 2
LOCAL_ROLE = "T4"  # "local emergency": appended to chains that must not hit zero


@dataclass(frozen=True, slots=True)
class Credential:
    name: str
    kind: CredentialKind


@dataclass(frozen=True, slots=True)
class Provider:
    slug: str
    kind: ProviderKind
    enabled: bool = True
    simulate: bool = False  # answered by the simulated provider
    credentials: tuple[Credential, ...] = ()  # in order of preference
    needs_credential: bool = True  # False: a local server that asks for none
    rotation: tuple[str, ...] = ()  # other providers, in the order in which the tier chain asks them
    takes_callers: bool = False  # whether a client's own credential may go to it

    @property
    def spoken_kind(self) -> ProviderKind:
        return ProviderKind.SIMULATED if self.simulate else self.kind


@dataclass(frozen=True, slots=True)
class Model:
    provider: str
    slug: str
    upstream_id: str
    kind: TaskKind = TaskKind.CHAT
    tier: str = ""
    role: str = ""
    tags: tuple[str, ...] = ()
    lacks: frozenset[str] = frozenset()
    context_window: int | None = None
    max_output_tokens: int | None = None
    interactive_only: bool = False
    enabled: bool = True
    quota: str | None = None
    deprecated_at: date | None = None
    retire_at: date | None = None
    version: int = 1

    @property
    def key(self) -> str:
        return f"{self.provider}:{self.slug}"


@dataclass(frozen=True, slots=True)
class TaskType:
    slug: str
    name: str = ""
    aliases: tuple[str, ...] = ()
    kind: TaskKind = TaskKind.CHAT
    enabled: bool = True
    wants: tuple[str, ...] = ()  # strength tags that its primary should carry
    grading_share: float = 1.0


@dataclass(frozen=True, slots=True)
class Rule:
    pattern: str  # words, matched whole
    task_type: str


@dataclass(frozen=True, slots=True)
class Route:
    task_type: str
    steps: tuple[str, ...]  # "provider:model", the primary first
    project: str | None = None
    condition: str = ""
    tier_chain: bool = False
    rotation: tuple[str, ...] = ()  # providers, for this route's tier chain; (): the providers' own
    lower_tier_max_hops: int | None = LOWER_TIER_MAX_HOPS  # None: all of that tier
    terminal_local: bool = False
    background: bool = False
    second_opinion: bool = False
    fallback: bool = True
    cooldown_s: float = 300
    timeouts: Timeouts = field(default_factory=Timeouts)

    @property
    def name(self) -> str:
        project = f"@{self.project}" if self.project else ""
        return self.task_type + project + (f"?{self.condition}" if self.condition else "")


@dataclass(frozen=True, slots=True)
class CurveStep:
    above: float  # per cent of usage, inclusive
    allowed: tuple[str, ...]  # "provider:model", in the order in which they take a removed step's place


@dataclass(frozen=True, slots=True)
class Curve:
    name: str
    steps: tuple[CurveStep, ...]  # by rising `above`
    degrades_when_unknown: bool = False


@dataclass(frozen=True, slots=True)
class Exploration:
    id: int
    task_type: str
    share: float
    challengers: tuple[str, ...]  # "provider:model"
    starts_on: date
    until: date  # the last UTC night


@dataclass(frozen=True, eq=False)
class Table:
    """One revision. `names` maps a slug or alias of a model to the models that bear it."""

    revision: int = 0
    providers: Mapping[str, Provider] = field(default_factory=dict)
    models: Mapping[str, Model] = field(default_factory=dict)  # by "provider:model"
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    task_types: Mapping[str, TaskType] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    routes: Mapping[tuple[str, str | None, str], Route] = field(default_factory=dict)
    curve: Curve | None = None
    explorations: Mapping[str, Exploration] = field(default_factory=dict)  # by task type
    projects: Mapping[str, str] = field(default_factory=dict)  # slug → name
    prices: Mapping[str, Decimal] = field(
        default_factory=dict
    )  # by "provider:model", as `cost.compared` says them; unpriced ones are absent
    zone: tzinfo = UTC  # in which moments are told

    def with_unlisted(self, named: str) -> "Table":
        """The same and "provider:model" as its vendor alone knows it: nothing speaks against it, and it has no price."""
        provider, _, name = named.partition(":")
        model = Model(provider, name.lower(), name)
        return replace(self, models={**self.models, model.key: model})

    @cached_property
    def windows(self) -> tuple[int, ...]:
        """Every context window there is, rising: between two of them all sizes plan alike."""
        return tuple(sorted({model.context_window for model in self.models.values() if model.context_window}))
