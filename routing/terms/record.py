"""What is written of a call: the intent before the network, the outcome before the answer. JSON in the spool, rows in PostgreSQL.

No field holds a byte of a prompt or an answer.
"""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from routing.terms.quick import quick
from routing.terms.request import Usage
from routing.terms.words import CredentialKind, ErrorKind, Role, Status


@quick
@dataclass(frozen=True, slots=True)
class Intent:
    """All that is known of a call before its first attempt."""

    id: UUID  # UUIDv7, the request_id
    started_at: datetime
    task_type: str
    client: str
    key_prefix: str
    wire: str  # "native", "openai_chat", "openai_responses", "anthropic", "mcp"
    route_revision: int
    requested_model: str  # what the client named; "" when it named none
    routed_model: str  # "provider:model" of the first candidate
    candidates: tuple[str, ...]  # the candidate set, in order, "provider:model"
    role: Role  # of the first attempt
    propensity: (
        float | None
    )  # probability, fixed before the call, that the first attempt goes to this model; None where it means nothing
    shares: str  # canonical share vector, "" when only the primary could be drawn
    draw: float | None  # the number in [0, 1) that chose the arm
    item: UUID  # the work item
    session: str
    size: int  # estimated input tokens
    drawn: bool  # for grading
    grading_p: float  # the probability of that
    project: str = ""
    background: bool = False
    stream: bool = False
    simulated: bool = False
    would_route: str = ""  # observe mode: what routing would have done
    reason: str = ""
    context: str = ""  # the caller's conditions, with commas between them
    metadata: dict[str, str] = field(default_factory=dict)


@quick
@dataclass(frozen=True, slots=True)
class AttemptRecord:
    attempt: int  # 1, 2, …
    provider: str
    model: str
    upstream_id: str
    served_model: str
    credential: str
    credential_kind: CredentialKind
    role: Role
    propensity: float | None
    status: Status
    started_at: datetime
    error_kind: ErrorKind | None = None
    http_status: int | None = None
    error_message: str = ""
    usage: Usage | None = None
    ttft_ms: int | None = None  # None when not streamed
    total_ms: int | None = None
    cost_usd: Decimal | None = None  # None: unpriced
    rates: str = ""  # what the price said that it was frozen at: "input 2, output 10"; see policy.cost
    price: str = ""  # whose price that was: "genai-prices 0.2.3", "override 12", "simulated"
    provider_request_id: str = ""
    simulated: bool = False
    thinking: str = ""  # what thinking_budget became at this provider
    output_hash: str = (
        ""  # keyed, of two opinions: equal where they say the same; "" where there was nothing to compare
    )
    output_chars: int | None = None  # how long that output is
    stored: str = ""  # which answer its provider keeps, by terms.ids.stored_name; "": none


@quick
@dataclass(frozen=True, slots=True)
class Outcome:
    id: UUID
    finished_at: datetime
    status: Status
    attempts: tuple[AttemptRecord, ...]
    error_code: str = ""
    used_fallback: bool = False
    reason: str = ""
