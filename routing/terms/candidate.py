"""One model with the credential that would serve it; one that was skipped, and why; and the plan made of both."""

from dataclasses import dataclass
from datetime import datetime

from routing.terms.quick import quick
from routing.terms.words import CredentialKind, ProviderKind, Role, SkipReason


@quick
@dataclass(frozen=True, slots=True)
class Candidate:
    provider: str  # slug
    model: str  # slug
    upstream_id: str
    kind: ProviderKind  # how the provider is really spoken to: `simulated` when a provider without a key is simulated
    credential: str | None  # credential's name at its provider; None: needs none
    credential_kind: CredentialKind
    role: Role
    reason: str  # "route: vibe_coding → codex"

    @property
    def key(self) -> str:
        """ "provider:model", the name of a model anywhere."""
        return f"{self.provider}:{self.model}"


@quick
@dataclass(frozen=True, slots=True)
class Skipped:
    provider: str
    model: str
    reason: SkipReason
    detail: str  # what the sentence says of the model: "cooling down until 14:05"
    until: datetime | None = None

    @property
    def key(self) -> str:
        return f"{self.provider}:{self.model}"


@dataclass(frozen=True, slots=True)
class Pin:
    """With which model a session began: it keeps it, whatever becomes of the route."""

    model: str  # "provider:model"
    role: Role  # of its first attempt


@dataclass(frozen=True, slots=True)
class Kept:
    """Who keeps an answer that a call goes on from: its provider, for the account of the credential that it was given to."""

    provider: str  # slug
    model: str  # slug of the model that wrote it
    credential: str  # name; "": none was needed
    credential_kind: CredentialKind

    @property
    def key(self) -> str:
        return f"{self.provider}:{self.model}"


@dataclass(frozen=True, slots=True)
class Warning:
    """Something about a route that its owner should know; nothing that stops it."""

    kind: str  # a word of the console's states
    short: str  # "not tagged cheap"
    text: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Candidates in the order they would be tried, and every other known model with the reason it is not tried."""

    candidates: tuple[Candidate, ...]
    skipped: tuple[Skipped, ...]
    reason: str  # how the first candidate came to be first, in words
    source: str  # "override" | "project" | "global" | "tier" | "default"
    revision: int
    cooldown_s: float  # the route's, for a 429 that names no time
    primary: str | None = None  # "provider:model" of the route's own primary, tried or not
    shares: tuple[
        tuple[str, float], ...
    ] = ()  # undrawn: ("provider:model", probability) of primary and challengers; sums to 1
    challengers: tuple[Candidate, ...] = ()  # of the shares, with role explore: what a draw may put first
    # [0, 1) cut up among them. Where a challenger is skipped the primary has its stretch, so that nobody else's session moves.
    stretches: tuple[tuple[str, float], ...] = ()
    source_route: str = ""  # "code_generation@site?batch": the route that was read; "" without one
    warnings: tuple[Warning, ...] = ()  # about the route, whatever was skipped
