"""The closed lists. A word stands in the database, on pages and in the API exactly as written here."""

from enum import StrEnum


class ProviderKind(StrEnum):
    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    OPENAI_COMPATIBLE = "openai_compatible"  # Gemini, Ollama, vLLM, OpenRouter: a base_url, not code
    SIMULATED = "simulated"


# What providers call the service tier that everybody gets: Anthropic, OpenAI, OpenAI's echo of a request, Groq.
STANDARD_TIERS = frozenset({"standard", "default", "auto", "on_demand"})


class CredentialKind(StrEnum):
    API_KEY = "api_key"
    OAUTH = "oauth"
    CALLER = "caller"  # the client's own credential, relayed and never stored
    NONE = "none"  # a local server or the simulated provider asks for none


class Role(StrEnum):
    """Why an attempt went to its model. Only primary and explore are evidence."""

    PRIMARY = "primary"
    FALLBACK = "fallback"  # a later step of the route, even when it is tried first
    OVERRIDE = "override"
    OBSERVED = "observed"  # served as the client asked
    EXPLORE = "explore"
    SHADOW = "shadow"
    SECOND_OPINION = "second_opinion"


class Status(StrEnum):
    """How an attempt, or the call as a whole, ended."""

    OK = "ok"
    ERROR = "error"
    PARTIAL = "partial"  # a stream that broke after its first content: charged, never spliced
    CANCELLED = "cancelled"  # the client went away
    BLOCKED = "blocked"  # policy refused before any provider was called
    UNKNOWN = "unknown"  # the process died between intent and outcome


class ErrorKind(StrEnum):
    """What an attempt failed of; `policy.errors` says what follows from each."""

    CONNECT = "connect"
    TIMEOUT = "timeout"
    RATE_LIMIT = "rate_limit"
    SERVER = "server"
    MALFORMED = "malformed"
    TRUNCATED = "truncated"
    AUTH = "auth"
    PAYMENT = "payment"  # 402, "credit balance", quota exceeded
    CLIENT = "client"
    CONTENT_POLICY = "content_policy"
    CONTEXT_WINDOW = "context_window"
    CANCELLED = "cancelled"
    DEADLINE = "deadline"  # the caller's own timeout_ms or the route's total_s ran out
    CONFIG = "config"  # no usable credential, a base_url that is refused


class ClaimState(StrEnum):
    """What became of the call of an Idempotency-Key."""

    RUNNING = "running"
    DONE = "done"
    UNKNOWN = "unknown"  # its process died in the middle of it
    RELEASED = "released"  # no provider did any work: on its way out of the table, and never read from there


class SkipReason(StrEnum):
    """Why a model of the table is not among the candidates."""

    NOT_IN_ROUTE = "not_in_route"
    DISABLED = "disabled"
    NOT_READY = "not_ready"  # no credential, or one the provider refused
    COOLDOWN = "cooldown"
    CIRCUIT_OPEN = "circuit_open"
    QUOTA_EXHAUSTED = "quota_exhausted"
    DEGRADED = "degraded"  # the curve does not allow it at today's usage
    INTERACTIVE_ONLY = "interactive_only"
    NOT_ALLOWED = "not_allowed"  # the client's list of models
    BUDGET = "budget"
    WINDOW_TOO_SMALL = "window_too_small"
    UNSUPPORTED = "unsupported"  # images, tools, strict schema … the model cannot do
    RETIRED = "retired"
    OVERRIDDEN = "overridden"  # the route's primary, whose place the user's override has taken
    FALLBACK_OFF = "fallback_off"  # the caller said fallback: "none"
    WRONG_KIND = "wrong_kind"  # a chat model on an embedding route, or the reverse
    SAME_AS_AUTHOR = "same_as_author"
    BUSY = "busy"  # its provider has as many calls on their way as it may
    RETRY_BUDGET = "retry_budget"  # it failed last time, and of late too many fallbacks have: a storm helps nobody


class CircuitState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Verdict(StrEnum):
    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"


class LabelSource(StrEnum):
    """Who says whether the output achieved the task."""

    VALIDATORS = "validators"
    CI = "ci"
    PERSON = "person"
    JUDGE = "judge"
    IMPORT = "import"
    AGENT = "agent"


class TaskKind(StrEnum):
    CHAT = "chat"
    EMBEDDING = "embedding"


class SuccessFrom(StrEnum):
    LABELS = "labels"
    TRANSPORT = "transport"  # an answer is a success: for tasks that nobody grades


class ClientMode(StrEnum):
    OBSERVE = "observe"
    ROUTE = "route"


class Scope(StrEnum):
    """What a key may do."""

    DISPATCH = "dispatch"
    READ = "read"
    VERDICT = "verdict"
    MANAGE = "manage"
    APPROVE = "approve"


class Group(StrEnum):
    """The four groups of people; each may do all that the one before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"


class BudgetAction(StrEnum):
    ALERT = "alert"
    BLOCK = "block"
    DEGRADE = "degrade"


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class ProposalKind(StrEnum):
    QUALITY = "quality"
    COST = "cost"
    LATENCY = "latency"
    TRIAL = "trial"
    ROLLBACK = "rollback"
    RETIRE = "retire"


class ProposalStatus(StrEnum):
    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"


class JobStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ItemStatus(StrEnum):
    """How a call of a batch stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = (
        "unknown"  # its worker died while the call was on its way: it may have been paid for, so it is not made again
    )
