"""What callers are told of a call: its answer and its error as the contract names their parts, and what headers say of it."""

from typing import Any

from routing.dispatch.outcome import Begun, Refused, Result
from routing.terms.record import AttemptRecord


def headers_of(told: Begun | Result) -> dict[str, str]:
    """Who served, for those who look at headers alone. A header holds ASCII: an arrow is written `->`."""
    attempts = told.attempts if isinstance(told.attempts, int) else len(told.attempts)
    return {
        "X-Cortex-Request-Id": str(told.request_id),
        "X-Cortex-Provider": told.provider,
        "X-Cortex-Model": told.model,
        "X-Cortex-Attempts": str(attempts),
        "X-Cortex-Fallback": "true" if told.used_fallback else "false",
        "X-Cortex-Reason": told.reason.replace("→", "->").encode("ascii", "replace").decode()[:500],
    }


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


def refused_out(refused: Refused) -> dict[str, Any]:
    """The error of a call that got no answer, with everything that was tried."""
    return {
        "code": refused.code,
        "message": refused.message,
        "request_id": str(refused.request_id or ""),
        "retryable": refused.retryable,
        "details": {**refused.details, "attempts": [attempt_out(each) for each in refused.attempts]},
    }
