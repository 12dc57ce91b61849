"""What a dispatch tells its caller, as the contract names its parts: whole, or event by event."""

import json
from typing import Any

from routing.dispatch import Begun, Refused, Result, Told
from routing.terms.event import Relayed, TextDelta, ThinkingDelta
from routing.terms.record import AttemptRecord


def result_out(result: Result) -> dict[str, Any]:
    """The answer's body, as the contract names its parts."""
    usage = result.answer.usage
    out: dict[str, Any] = {
        "request_id": str(result.request_id),
        "task_type": result.task_type,
        "model": result.model,
        "provider": result.provider,
        "output": result.answer.output,
        "stop_reason": result.answer.stop_reason,
        "usage": {
            name: getattr(usage, name) if usage else None
            for name in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
        },
        "cost_usd": None if result.cost_usd is None else format(result.cost_usd, "f"),
        "ttft_ms": result.ttft_ms,
        "total_ms": result.total_ms,
        "used_fallback": result.used_fallback,
        "reason": result.reason,
        "route_revision": result.revision,
        "simulated": result.simulated,
        "attempts": [attempt_out(each) for each in result.attempts],
    }
    if result.answer.tool_calls:
        out["tool_calls"] = [
            {"id": each.id, "name": each.name, "arguments": dict(each.arguments)} for each in result.answer.tool_calls
        ]
    if result.second_opinion is not None:
        answer = result.second_opinion.answer
        out["second_opinion"] = {
            **attempt_out(result.second_opinion.attempt),
            "output": answer.output if answer else None,
            "stop_reason": answer.stop_reason if answer else None,
        }
    return out


def attempt_out(attempt: AttemptRecord) -> dict[str, Any]:
    return {
        "attempt": attempt.attempt,
        "provider": attempt.provider,
        "model": attempt.model,
        "credential_kind": attempt.credential_kind,
        "role": attempt.role,
        "status": attempt.status,
        "error_kind": attempt.error_kind,
        "error": attempt.error_message or None,
        "http_status": attempt.http_status,
        "ttft_ms": attempt.ttft_ms,
        "total_ms": attempt.total_ms,
        "cost_usd": None if attempt.cost_usd is None else format(attempt.cost_usd, "f"),
    }


def event_of(told: Told) -> bytes:
    """One of `start`, `delta` and `done`."""
    if isinstance(told, Begun):
        return _event("start", _start_out(told))
    if isinstance(told, Result):
        return _event("done", result_out(told))
    if isinstance(told, TextDelta):
        return _event("delta", {"text": told.text})
    if isinstance(told, ThinkingDelta):
        return _event("delta", {"thinking": told.text})
    if isinstance(told, Relayed):
        raise TypeError("Only a client that speaks a provider's wire is relayed to")
    call = {"index": told.index, "id": told.id, "name": told.name, "arguments": told.arguments}
    return _event("delta", {"tool_call": {name: value for name, value in call.items() if value is not None}})


def error_event(refused: Refused) -> bytes:
    """The one event that ends a stream which broke."""
    error = {
        "code": refused.code,
        "message": refused.message,
        "request_id": str(refused.request_id or ""),
        "retryable": refused.retryable,
        "details": {**refused.details, "attempts": [attempt_out(each) for each in refused.attempts]},
    }
    return _event("error", {"error": error})


def _start_out(begun: Begun) -> dict[str, Any]:
    return {
        "request_id": str(begun.request_id),
        "task_type": begun.task_type,
        "model": begun.model,
        "provider": begun.provider,
        "attempt": begun.attempts,
        "used_fallback": begun.used_fallback,
        "reason": begun.reason,
        "route_revision": begun.revision,
        "simulated": begun.simulated,
    }


def _event(name: str, data: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'), default=str)}\n\n".encode()
