"""Calls as the dispatch would record them."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from routing.terms.ids import uuid7
from routing.terms.record import AttemptRecord, Intent, Outcome
from routing.terms.request import Usage
from routing.terms.words import CredentialKind, ErrorKind, Role, Status

T0 = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def intent(at: datetime = T0, **changes: Any) -> Intent:
    """A call of code_generation, sonnet first, then codex."""
    return Intent(
        **{
            "id": uuid7(at),
            "started_at": at,
            "task_type": "code_generation",
            "client": "ci",
            "key_prefix": "ck_ab12",
            "wire": "native",
            "route_revision": 3,
            "requested_model": "",
            "routed_model": "anthropic:sonnet",
            "candidates": ("anthropic:sonnet", "openai:codex"),
            "role": Role.PRIMARY,
            "propensity": 0.9,
            "shares": "anthropic:haiku=0.1",
            "draw": 0.25,
            "item": uuid7(at),
            "session": "",
            "size": 300,
            "drawn": True,
            "grading_p": 1.0,
            "reason": "route: code_generation → sonnet",
            "metadata": {"pr": "41"},
        }
        | changes
    )


def attempt(number: int = 1, at: datetime = T0, **changes: Any) -> AttemptRecord:
    """A good answer of sonnet; the second try is codex's, as a fallback."""
    first = number == 1
    return AttemptRecord(
        **{
            "attempt": number,
            "provider": "anthropic" if first else "openai",
            "model": "sonnet" if first else "codex",
            "upstream_id": "claude-sonnet-5" if first else "gpt-5-codex",
            "served_model": "claude-sonnet-5" if first else "gpt-5-codex",
            "credential": "main",
            "credential_kind": CredentialKind.API_KEY,
            "role": Role.PRIMARY if first else Role.FALLBACK,
            "propensity": 0.9 if first else None,
            "status": Status.OK,
            "started_at": at,
            "http_status": 200,
            "usage": Usage(input_tokens=1000, output_tokens=50, cache_read_tokens=900),
            "total_ms": 480,
            "cost_usd": Decimal("0.00345"),
            "price": "genai-prices 0.2.3",
        }
        | changes
    )


def failed(number: int = 1, kind: ErrorKind = ErrorKind.SERVER, **changes: Any) -> AttemptRecord:
    return attempt(
        number,
        **{"status": Status.ERROR, "error_kind": kind, "http_status": 500, "usage": None, "cost_usd": None} | changes,
    )


def outcome(call: UUID, *attempts: AttemptRecord, at: datetime = T0, **changes: Any) -> Outcome:
    return Outcome(
        **{"id": call, "finished_at": at, "status": Status.OK, "attempts": attempts or (attempt(),)} | changes
    )
