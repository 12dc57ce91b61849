"""The form of the routing table as a document: what `load` reads, `dump` writes and `routing/schema.json` describes.

One class a part. Every field has its default, so that a file names only what it means to say: absent keeps what is there.
"""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from routing.document.fields import (
    Count,
    Entered,
    HeaderName,
    HeaderText,
    Line,
    ModelName,
    NotBoolean,
    Note,
    ProviderSlug,
    Seconds,
    Sentence,
    ServiceTier,
    Share,
    Slug,
    Stored,
    Url,
    Usd,
    Variable,
    Word,
)
from routing.terms.words import BudgetAction, LabelSource, ProviderKind, SuccessFrom, TaskKind


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Options(Part):
    """What one provider's wire needs otherwise than its kind says; null leaves it to the kind and the model's name."""

    headers: dict[HeaderName, HeaderText] | None = None  # sent with every request; never a credential
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] | None = None
    reasoning: bool | None = None  # whether its models take reasoning_effort
    stream_usage: bool | None = None  # false for a server that refuses stream_options
    thinking: Literal["adaptive", "budget"] | None = None
    max_tokens: Annotated[Count, Field(ge=1)] | None = None  # where the request sets none and the wire requires one
    seed: Count | None = None  # of simulated answers
    latency_scale: Annotated[float, NotBoolean, Field(ge=0, le=100, allow_inf_nan=False)] | None = (
        None  # of simulated answers: 1 waits as long as the real model would
    )


class Provider(Part):
    slug: ProviderSlug
    name: Line = ""
    kind: ProviderKind
    base_url: Url | None = None
    enabled: bool = True
    imported: bool = False
    rotation: list[ProviderSlug] = []
    options: Options = Options()
    max_concurrency: Annotated[Count, Field(ge=1, le=10_000)] = 64
    max_waiting: Annotated[Count, Field(ge=0, le=10_000)] | None = None


class OAuth(Part):
    token_url: Url
    client_id: Sentence
    grant: Literal["refresh_token", "client_credentials"] = "refresh_token"
    scope: Sentence = ""
    audience: Sentence = ""
    client_auth: Literal["basic", "post"] = "basic"  # how a client with a secret shows it


class Credential(Part):
    provider: ProviderSlug
    name: Slug = "main"
    kind: Literal["api_key", "oauth"] = "api_key"
    env: Variable | None = None
    oauth: OAuth | None = None
    priority: Annotated[Count, Field(le=1000)] = 0
    # Taken in, never given out: an API key, a refresh token or, of client_credentials, the client's secret …
    secret: Entered | None = Field(None, repr=False)
    client_secret: Entered | None = Field(
        None, repr=False
    )  # … and beside a refresh token that of a client that has one.


class PriceTier(Part):
    """What every token of a call costs when more than `above` are read; null: as without the tier."""

    above: Annotated[Count, Field(ge=1)]
    input: Usd
    output: Usd
    cache_read: Usd | None = None
    cache_write: Usd | None = None
    cache_write_1h: Usd | None = None
    reasoning: Usd | None = None


class TokenPrice(Part):
    """USD per million tokens; a part of its own price that is null costs as its whole does."""

    input: Usd
    output: Usd
    cache_read: Usd | None = None
    cache_write: Usd | None = None
    cache_write_1h: Usd | None = None
    reasoning: Usd | None = None
    tiers: list[PriceTier] = []  # of long contexts, by rising `above`


class Price(TokenPrice):
    """USD per million tokens, fees per thousand; a part of its own price that is null costs as its whole does, a fee as genai-prices says.

    A call that was served in a service tier is unpriced where `service_tiers` does not name it.
    """

    searches_1k: Usd | None = None  # web searches
    requests_1k: Usd | None = None
    service_tiers: dict[ServiceTier, TokenPrice] = {}  # "batch", "flex", "priority", "fast" … as the provider says it


class NextPrice(Price):
    valid_from: date  # its 00:00 in CORTEX_TIME_ZONE


class Model(Part):
    provider: ProviderSlug
    slug: Slug
    name: Line = ""
    upstream_id: Annotated[str, Field(min_length=1, max_length=200), Stored]
    aliases: list[Slug] = []
    kind: TaskKind = TaskKind.CHAT
    tier: Word = ""
    role: Word = ""
    used_for: Sentence = ""
    tags: list[Word] = []
    lacks: list[Literal["tools", "images", "json_schema", "thinking", "web_search"]] = []
    context_window: Annotated[Count, Field(ge=1)] | None = None
    max_output_tokens: Annotated[Count, Field(ge=1)] | None = None
    interactive_only: bool = False
    enabled: bool = True
    imported: bool = False
    price: Price | None = None  # null: genai-prices decides
    next_price: NextPrice | None = None  # takes the price's place on its day
    quota: Slug | None = None
    deprecated_at: date | None = None
    retire_at: date | None = None


class Window(Part):
    name: Line
    limit: Annotated[Count, Field(ge=1)] | None = None
    unit: Literal["calls", "tokens", "usd"] = "calls"
    hours: Annotated[float, Field(gt=0, le=24 * 366, allow_inf_nan=False)] | None = None


class Quota(Part):
    slug: Slug
    name: Line = ""
    provider: ProviderSlug | None = None
    windows: list[Window] = []


class CurveStep(Part):
    model_config = ConfigDict(extra="forbid", serialize_by_alias=True)

    above: Annotated[float, NotBoolean, Field(alias="from", ge=0, le=1000, allow_inf_nan=False)]
    allowed: list[Slug]
    note: Line = ""


class Curve(Part):
    name: Slug
    steps: list[CurveStep]
    active: bool = True
    when_unknown: Literal["allow", "degrade"] = "allow"


class Project(Part):
    slug: Slug
    name: Line = ""


class TaskType(Part):
    slug: Slug
    name: Line = ""
    description: Note = ""
    aliases: list[Slug] = []
    kind: TaskKind = TaskKind.CHAT
    enabled: bool = True
    imported: bool = False
    wants: list[Word] = []  # strength tags
    success_from: SuccessFrom = SuccessFrom.LABELS
    label_sources: list[LabelSource] = []
    complete_sources: list[LabelSource] = []
    label_horizon_days: Annotated[Count, Field(le=60)] = 2
    grading_share: Share = 1.0
    margin: Annotated[float, NotBoolean, Field(gt=0, le=0.5, allow_inf_nan=False)] = 0.03
    target_success: Share | None = None
    four_eyes: bool = False
    auto_rollback: bool = False
    keep_payloads: bool = False


class Rule(Part):
    """Words that name a task type where they stand as whole words."""

    pattern: Annotated[str, Field(min_length=1, max_length=200, pattern=r"\w"), Stored]
    task_type: Slug
    position: Count = 0


class Timeouts(Part):
    connect_s: Seconds = 2
    first_token_s: Seconds = 30
    idle_s: Seconds = 30
    total_s: Seconds = 600


class Route(Part):
    task_type: Slug
    project: Slug | None = None
    condition: Annotated[str, Field(max_length=60, pattern=r"^[a-z0-9_]*$")] = ""
    steps: list[ModelName]
    note: Note = ""
    tier_chain: bool = False
    rotation: list[ProviderSlug] = []  # of this route's tier chain; []: the providers' own
    lower_tier_max_hops: Annotated[Count, Field(le=100)] | None = 2  # of its tier chain; null: all
    terminal_local: bool = False
    fallback: bool = True
    cooldown_s: Annotated[Seconds, Field(le=3600)] = 300
    timeouts: Timeouts = Timeouts()
    second_opinion: bool = False
    background: bool = False


class Budget(Part):
    scope: Annotated[str, Field(max_length=200, pattern=r"^(provider|client|project|task):.+$")]
    monthly_usd: Annotated[Usd, Field(gt=0)]
    steps: list[Annotated[Count, Field(ge=1, le=1000)]] = [50, 80, 100]
    at_limit: BudgetAction = BudgetAction.ALERT
    enabled: bool = True


class Exploration(Part):
    task_type: Slug
    share: Annotated[float, NotBoolean, Field(gt=0, le=0.5, allow_inf_nan=False)]
    challengers: Annotated[list[ModelName], Field(min_length=1)]
    usd_cap: Annotated[Usd, Field(gt=0)]
    starts_on: date | None = None  # null: the next night
    until: date


class Document(Part):
    """The routing table of Cortex. All parts are optional; `provider:model` names a model anywhere."""

    providers: list[Provider] = []
    credentials: list[Credential] = []
    models: list[Model] = []
    quotas: list[Quota] = []
    curves: list[Curve] = []
    projects: list[Project] = []
    task_types: list[TaskType] = []
    rules: list[Rule] = []
    routes: list[Route] = []
    budgets: list[Budget] = []
    explorations: list[Exploration] = []


FORMS: dict[str, type[Part]] = {
    name: field.annotation.__args__[0]  # type: ignore[union-attr]
    for name, field in Document.model_fields.items()
}


def schema() -> dict[str, Any]:
    """The JSON Schema that stands in routing/schema.json."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Document.model_json_schema(mode="validation")}
