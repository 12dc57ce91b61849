"""One call's lines in the spool as one row of calls and its rows of attempts."""

from collections.abc import Iterable
from dataclasses import MISSING, fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from routing.rows import ATTEMPT_COLUMNS, CALL_COLUMNS, as_json, fitting
from routing.terms.record import AttemptRecord, Intent
from routing.terms.request import Usage
from routing.terms.words import CredentialKind, Role, Status

Row = tuple[Any, ...]
Rows = tuple[Row, list[Row]]
_BESIDE = frozenset({Role.SHADOW, Role.SECOND_OPINION})  # attempts that do not serve the caller
_SERVED = frozenset({Status.OK, Status.PARTIAL})


def _defaults(kind: type) -> dict[str, Any]:
    return {field.name: field.default for field in fields(kind) if field.default is not MISSING}


# A segment may have been written before a field was there.
_INTENT_DEFAULTS = {**_defaults(Intent), "metadata": {}}
_ATTEMPT_DEFAULTS = _defaults(AttemptRecord)
_NO_USAGE = {**dict.fromkeys(field.name for field in fields(Usage)), "service_tier": "", "estimated": False}


def finished(intent: dict[str, Any], outcome: dict[str, Any]) -> Rows:
    """The rows of a call whose outcome is known. Raises KeyError, TypeError, ValueError for lines that are not ours."""
    attempts: list[dict[str, Any]] = outcome["attempts"]
    served = next((a for a in reversed(attempts) if a["status"] in _SERVED and a["role"] not in _BESIDE), None)
    costs = [a.get("cost_usd") for a in attempts if a["status"] in _SERVED or a.get("cost_usd") is not None]
    known = [Decimal(each) for each in costs if each is not None]
    usage = (served or {}).get("usage") or {}
    took = datetime.fromisoformat(outcome["finished_at"]) - datetime.fromisoformat(intent["started_at"])
    call = {
        **_call(intent),
        "finished_at": outcome["finished_at"],
        "status": outcome["status"],
        "error_code": outcome.get("error_code", ""),
        "served_model": f"{served['provider']}:{served['model']}" if served else "",
        "used_fallback": outcome.get("used_fallback", False),
        "reason": outcome.get("reason") or intent.get("reason", ""),
        "attempts_count": len(attempts),
        "input_tokens": usage.get("input_tokens"),
        "output_tokens": usage.get("output_tokens"),
        "ttft_ms": served.get("ttft_ms") if served else None,
        "total_ms": max(round(took.total_seconds() * 1000), 0),
        "cost_usd": sum(known) if known and len(known) == len(costs) else None,  # as the caller was told
    }
    return fitting(CALL_COLUMNS, call), [_attempt(intent, attempt) for attempt in attempts]


def unknown(intent: dict[str, Any], tried: Iterable[dict[str, Any]]) -> Rows:
    """The rows of a call whose process died before its outcome; `tried` are its lines about falling back, in order."""
    steps = list(tried)
    then = steps[-1]["then"] if steps else intent["routed_model"]
    attempts = [_attempt(intent, step["tried"]) for step in steps]
    if then:
        attempts.append(_attempt(intent, _died_in(intent, then, len(steps) + 1)))
    call = {**_call(intent), "status": Status.UNKNOWN, "attempts_count": len(attempts)}
    return fitting(CALL_COLUMNS, call), attempts


def _call(intent: dict[str, Any]) -> dict[str, Any]:
    return {
        **dict.fromkeys(CALL_COLUMNS),
        **_INTENT_DEFAULTS,
        **intent,
        "external_id": "",
        "error_code": "",
        "served_model": "",
        "used_fallback": False,
        "imported": False,
        "item_id": intent["item"],
        "candidates": as_json(intent["candidates"]),
        "metadata": as_json(intent.get("metadata") or {}),
    }


def _attempt(intent: dict[str, Any], attempt: dict[str, Any]) -> Row:
    row = {
        **_ATTEMPT_DEFAULTS,
        **attempt,
        **_NO_USAGE,
        **(attempt.get("usage") or {}),
        "call_id": intent["id"],
        "error_kind": attempt.get("error_kind") or "",
        "route_revision": intent["route_revision"],
        "success": None,
    }
    return fitting(ATTEMPT_COLUMNS, row)


def _died_in(intent: dict[str, Any], model: str, number: int) -> dict[str, Any]:
    provider, _, slug = model.partition(":")
    is_first = number == 1
    return {
        "attempt": number,
        "provider": provider,
        "model": slug,
        "upstream_id": "",
        "served_model": "",
        "credential": "",
        "credential_kind": CredentialKind.NONE,
        "role": intent["role"] if is_first else Role.FALLBACK,
        "propensity": intent["propensity"] if is_first else None,
        "status": Status.UNKNOWN,
        "started_at": intent["started_at"],
        "simulated": intent.get("simulated", False),
    }
