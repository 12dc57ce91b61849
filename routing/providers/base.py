"""What every adapter is given and what it promises.

An adapter turns a `Request` into one provider's wire and its answer back into an `Answer`. It tries once: Cortex is the only
retry loop. It raises nothing but `Failed`, and CancelledError when it is cancelled.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from routing.terms.embedding import Embedded, EmbeddingRequest
from routing.terms.event import Heard
from routing.terms.request import Answer, Request, Timeouts
from routing.terms.secret import Secret
from routing.terms.words import CredentialKind, ProviderKind

# Parts of a history that only the provider that wrote them can read back. Signed, they go back to a provider of the same kind.
PROVIDER_BOUND = frozenset({"thinking", "redacted_thinking"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one candidate is served and with what credential. The address has been checked by `routing.upstreams`."""

    kind: ProviderKind
    provider: str  # slug, for messages
    upstream_id: str  # the model, as the provider names it; "" for ping and discovery
    base_url: str | None = None  # None: the vendor's own
    address: str | None = None  # the checked IP address to connect to; None: resolved by name at connection
    secret: Secret | None = None  # None: the server asks for none
    credential_kind: CredentialKind = CredentialKind.NONE
    max_output_tokens: int | None = None  # the most that the model writes; None: not known
    options: Mapping[str, Any] = field(
        default_factory=dict
    )  # what one row needs otherwise; each adapter lists what it reads


def fitted(endpoint: Endpoint, request: Request) -> Request:
    """The request with no more `max_tokens` than the model writes: a provider refuses more, and on a fallback nobody meant it."""
    most = endpoint.max_output_tokens
    if most is None or request.max_tokens is None or request.max_tokens <= most:
        return request
    return replace(request, max_tokens=most)


@dataclass(frozen=True, slots=True)
class Discovered:
    """A model that a provider says it serves."""

    upstream_id: str
    name: str = ""
    context_window: int | None = None
    max_output_tokens: int | None = None


class Whole(Protocol):
    async def complete(self, endpoint: Endpoint, request: Request, timeouts: Timeouts) -> Answer:
        """The whole answer, by one try. Bounded by `connect_s` and `idle_s`; `attempt` bounds the whole by `total_s`."""

    def thinking_control(self, endpoint: Endpoint, request: Request) -> str:
        """What `thinking_budget` becomes at this provider, "" without one: "reasoning_effort high"."""


class Adapter(Whole, Protocol):
    async def models(self, endpoint: Endpoint, timeouts: Timeouts) -> tuple[Discovered, ...]:
        """The models that the provider says it serves to this credential."""

    async def ping(self, endpoint: Endpoint, timeouts: Timeouts) -> None:
        """Returns when the provider answers and accepts the credential, without spending a token."""


class EmbeddingAdapter(Protocol):
    async def embed(self, endpoint: Endpoint, request: EmbeddingRequest, timeouts: Timeouts) -> Embedded:
        """The vectors of all inputs, by one try. Bounded as `complete` is."""


class Lane(Whole, Protocol):
    """What an attempt goes over: an adapter, or the relay."""

    def stream(self, endpoint: Endpoint, request: Request, timeouts: Timeouts) -> AsyncIterator[Heard]:
        """StreamStart, then deltas, UsageTold among them where it is known, then StreamEnd. A stream without an end is Failed(TRUNCATED)."""


class StreamingAdapter(Adapter, Lane, Protocol):
    pass
