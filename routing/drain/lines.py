"""One call's lines in the spool as one row of calls and its rows of attempts."""

from collections.abc import Iterable
from dataclasses import MISSING, fields
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec
from msgspec.structs import asdict

from routing.copying import as_json
from routing.rows import CALL_COLUMNS, Row
from routing.terms.record import AttemptRecord, Intent, Outcome
from routing.terms.request import Usage
from routing.terms.words import CredentialKind, Role, Status

Rows = tuple[Row, list[Row]]
_BESIDE = frozenset({Role.SHADOW, Role.SECOND_OPINION})  # attempts that do not serve the caller
_SERVED = frozenset({Status.OK, Status.PARTIAL})
_NO_CALL = dict.fromkeys(CALL_COLUMNS)
_NO_USAGE = {**dict.fromkeys(field.name for field in fields(Usage)), "service_tier": "", "estimated": False}


def _as_written(record: type, defaults: dict[str, Any], **kinds: Any) -> Any:
    """The record as a line holds it: its values as JSON has them. A line may be older than a field that has a default."""
    defaults = {field.name: field.default for field in fields(record) if field.default is not MISSING} | defaults
    given = [(field.name, kinds.get(field.name, Any)) for field in fields(record)]
    return msgspec.defstruct(
        record.__name__, [(*each, defaults[each[0]]) if each[0] in defaults else each for each in given]
    )


_Intent = _as_written(Intent, {"metadata": None}, id=str)
_Attempt = _as_written(AttemptRecord, {})
_Outcome = _as_written(Outcome, {}, id=str, attempts=list[_Attempt])  # type: ignore[valid-type]  # made above

# An intent; an attempt that failed, and whom the call fell back to; or an outcome, which repeats its intent.
LINE: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
    msgspec.defstruct(
        "Line",
        [
            ("intent", _Intent | None, None),
            ("outcome", _Outcome | None, None),
            ("call", str, ""),
            ("tried", _Attempt | None, None),
            ("then", str, ""),
        ],
    )
)


def finished(intent: Any, outcome: Any) -> Rows:
    """The rows of a call whose outcome is known. Raises AttributeError, TypeError, ValueError for lines that are not ours."""
    attempts = outcome.attempts
    served = next((a for a in reversed(attempts) if a.status in _SERVED and a.role not in _BESIDE), None)
    costs = [a.cost_usd for a in attempts if a.status in _SERVED or a.cost_usd is not None]
    known = [Decimal(each) for each in costs if each is not None]
    usage = (served and served.usage) or {}
    took = datetime.fromisoformat(outcome.finished_at) - datetime.fromisoformat(intent.started_at)
    call = {
        **_call(intent),
        "finished_at": outcome.finished_at,
        "status": outcome.status,
        "error_code": outcome.error_code,
        "served_model": f"{served.provider}:{served.model}" if served else "",
        "used_fallback": outcome.used_fallback,
        "reason": outcome.reason or intent.reason,
        "attempts_count": len(attempts),
        "input_tokens": usage.get("input_tokens"),
        "output_tokens": usage.get("output_tokens"),
        "ttft_ms": served.ttft_ms if served else None,
        "total_ms": max(round(took.total_seconds() * 1000), 0),
        "cost_usd": sum(known) if known and len(known) == len(costs) else None,  # as the caller was told
    }
    return call, [_attempt(intent, attempt) for attempt in attempts]


def unknown(intent: Any, tried: Iterable[Any]) -> Rows:
    """The rows of a call whose process died before its outcome; `tried` are its lines about falling back, in order."""
    steps = list(tried)
    then = steps[-1].then if steps else intent.routed_model
    attempts = [_attempt(intent, step.tried) for step in steps]
    if then:
        attempts.append(_attempt(intent, _died_in(intent, then, len(steps) + 1)))
    return {**_call(intent), "status": Status.UNKNOWN, "attempts_count": len(attempts)}, attempts


def _call(intent: Any) -> dict[str, Any]:
    return {
        **_NO_CALL,
        **asdict(intent),
        "external_id": "",
        "error_code": "",
        "served_model": "",
        "used_fallback": False,
        "imported": False,
        "item_id": intent.item,
        "candidates": _json_of(tuple(intent.candidates)),
        "metadata": as_json(intent.metadata) if intent.metadata else "{}",
    }


@lru_cache(1_024)  # a route's candidates are the same, call for call
def _json_of(names: tuple[str, ...]) -> str:
    return as_json(names)


def _attempt(intent: Any, attempt: Any) -> Row:
    return {
        **asdict(attempt),
        **_NO_USAGE,
        **(attempt.usage or {}),
        "call_id": intent.id,
        "error_kind": attempt.error_kind or "",
        "route_revision": intent.route_revision,
        "success": None,
    }


def _died_in(intent: Any, model: str, number: int) -> Any:
    provider, _, slug = model.partition(":")
    is_first = number == 1
    return _Attempt(
        attempt=number,
        provider=provider,
        model=slug,
        upstream_id="",
        served_model="",
        credential="",
        credential_kind=CredentialKind.NONE,
        role=intent.role if is_first else Role.FALLBACK,
        propensity=intent.propensity if is_first else None,
        status=Status.UNKNOWN,
        started_at=intent.started_at,
        simulated=intent.simulated,
    )
