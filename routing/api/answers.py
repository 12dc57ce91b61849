"""What a dispatch tells its caller event by event; whole it is told in `dispatch.told`, for batches tell it too."""

import json
from typing import Any

from routing.dispatch import Begun, Refused, Result, Told
from routing.dispatch.told import attempt_out, refused_out, result_out
from routing.terms.event import Relayed, TextDelta, ThinkingDelta

__all__ = ["attempt_out", "error_event", "event_of", "result_out"]


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
    return _event("error", {"error": refused_out(refused)})


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
