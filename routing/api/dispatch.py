"""Dispatching over HTTP: one call, the plan of one, what is available, what the state is."""

from typing import Any
from uuid import UUID, uuid4

from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.http import HttpRequest, JsonResponse
from ninja import Router

from routing import circuits, dispatch, queries, snapshot
from routing.api.auth import key_auth, key_auth_in_loop
from routing.api.dispatch_form import DispatchIn
from routing.api.errors import ApiError
from routing.clients import Caller
from routing.dispatch.asked import Asked, asked
from routing.dispatch.outcome import Refused, Result
from routing.models import Call
from routing.policy import resolve
from routing.terms.record import AttemptRecord
from routing.terms.words import Scope, TaskKind

router = Router(tags=["dispatch"])


@router.post(
    "/dispatch",
    auth=key_auth_in_loop(Scope.DISPATCH),
    summary="Send a prompt to the model that its task type is routed to",
)
async def dispatch_call(request: HttpRequest, body: DispatchIn) -> Any:
    if request.headers.get("Idempotency-Key") is not None:
        raise ApiError(422, "Idempotency-Key is not served yet: leave the header out.", code="not_served")
    if body.stream:
        raise ApiError(422, "stream: is not served yet; leave it out or send false.", code="not_served")
    caller = _caller(request)
    meant = await _asked(request, body, caller)
    task = snapshot.current().table.task_types[meant.ask.task_type]
    if task.kind is TaskKind.EMBEDDING:
        raise ApiError(422, f"Task type '{task.slug}' embeds; a dispatch answers in words.", code="wrong_kind")
    try:
        result = await dispatch.dispatch(meant.ask, meant.request, caller, meant.facts)
    except Refused as refused:
        if refused.attempts:
            refused.details["attempts"] = [attempt_out(each) for each in refused.attempts]
        raise
    return result_out(result)


@router.post("/route/explain", auth=key_auth_in_loop(Scope.READ), summary="The plan of a call that is not made")
async def explain(request: HttpRequest, body: DispatchIn) -> Any:
    caller = _caller(request)
    return queries.explain((await _asked(request, body, caller)).ask)


@router.get("/preflight", auth=key_auth(Scope.READ), summary="Whether a task could be dispatched now")
def preflight(request: HttpRequest, task: str) -> Any:
    snapshot.fresh()
    try:
        found = queries.preflight(task, _caller(request).allowed_models)
    except LookupError as error:
        raise _unclear(error) from None
    if found["ok"]:
        return found
    words = f"Nothing can serve '{found['task_type']}' now: {found['reason']}."
    told = {"code": "nothing_available", "message": words, "request_id": str(uuid4()), "retryable": True}
    return JsonResponse({**found, "error": told}, status=409)


@router.get(
    "/status", auth=key_auth(Scope.READ), summary="Providers, models, circuits, cooldowns, quotas, usage, alerts"
)
def status(request: HttpRequest) -> Any:
    return queries.status()


@router.get("/boot", auth=key_auth(Scope.READ), summary="What a session should know before it begins")
def boot(request: HttpRequest) -> Any:
    return queries.boot()


@router.post(
    "/providers/{slug}/reset",
    auth=key_auth(Scope.MANAGE),
    summary="End a provider's cooldowns, circuits and not-ready marks",
)
def reset_provider(request: HttpRequest, slug: str) -> Any:
    if slug not in snapshot.fresh().table.providers:
        raise ApiError(404, f"There is no provider {slug!r}.")
    return {"provider": slug, "ended": circuits.reset(slug, by=_caller(request).actor())}


@router.post("/reset", auth=key_auth(Scope.MANAGE), summary="End all cooldowns, circuits and not-ready marks")
def reset_all(request: HttpRequest) -> Any:
    return {"provider": None, "ended": circuits.reset(by=_caller(request).actor())}


def _caller(request: HttpRequest) -> Caller:
    caller: Caller = request.auth  # type: ignore[attr-defined]  # set by key_auth
    return caller


async def _asked(request: HttpRequest, body: DispatchIn, caller: Caller) -> Asked:
    try:
        known = snapshot.fresh()
    except snapshot.NotLoaded as error:
        raise ApiError(503, str(error), code="not_ready", retry_after_s=1) from None
    author = body.author_model
    if body.author_call_id is not None:
        author = await sync_to_async(_author_of)(body.author_call_id, caller)
    try:
        return asked(known.table, body.as_wish(size_bytes=len(request.body), author=author), caller)
    except LookupError as error:
        raise _unclear(error) from None


def _author_of(call: UUID, caller: Caller) -> str:
    close_old_connections()  # this thread outlives the request
    served = Call.objects.filter(pk=call, client=caller.client).values_list("served_model", flat=True).first()
    if not served:
        raise ApiError(404, f"author_call_id: there is no served call {call} of this client.")
    return served


def _unclear(error: LookupError) -> ApiError:
    """A name that means nothing, or several things: 422 with what it could have been."""
    if isinstance(error, resolve.Ambiguous):
        return ApiError(422, str(error), code="ambiguous", details={"choices": list(error.choices)})
    if isinstance(error, resolve.Unknown):
        return ApiError(422, str(error), code=f"unknown_{error.what}", details={"nearest": list(error.nearest)})
    return ApiError(422, str(error.args[0] if error.args else error))


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
