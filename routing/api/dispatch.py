"""Dispatching over HTTP: one call, the plan of one, what is available, what the state is."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, cast
from uuid import UUID, uuid4

from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from ninja import Router

from routing import circuits, dispatch, queries, snapshot
from routing.api.answers import attempt_out, error_event, event_of, result_out
from routing.api.auth import key_auth, key_auth_in_loop
from routing.api.dispatch_form import DispatchIn
from routing.api.errors import ApiError
from routing.clients import Caller
from routing.dispatch import Begun, Refused, Told, headers_of
from routing.dispatch.asked import Asked, asked
from routing.models import Call
from routing.policy import resolve
from routing.terms.words import Scope, TaskKind

router = Router(tags=["dispatch"])
# Looked at before Django is: `routing.doors.idempotent` stands around this operation, the sending of batches and the wires.
IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "description": "For 24 hours the same request with the same key is answered by the one call (or batch) that was made for it.",
}


@router.post(
    "/dispatch",
    auth=key_auth_in_loop(Scope.DISPATCH),
    summary="Send a prompt to the model that its task type is routed to",
    openapi_extra={"parameters": [IDEMPOTENCY_KEY]},
)
async def dispatch_call(request: HttpRequest, body: DispatchIn) -> Any:
    caller = _caller(request)
    meant = await _asked(request, body, caller)
    task = snapshot.current().table.task_types[meant.ask.task_type]
    if task.kind is TaskKind.EMBEDDING:
        raise ApiError(422, f"Task type '{task.slug}' embeds; a dispatch answers in words.", code="wrong_kind")
    call = meant.ask, meant.request, caller, meant.facts
    try:
        if not body.stream:
            result = await dispatch.dispatch(*call)
            return JsonResponse(result_out(result), headers=headers_of(result))
        told = dispatch.stream(*call)
        first = await anext(
            told
        )  # decides the status: what fails before a stream's first word is an error like any other
    except Refused as refused:
        if refused.attempts:
            refused.details["attempts"] = [attempt_out(each) for each in refused.attempts]
        raise
    headers = {**headers_of(cast(Begun, first)), "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return EventStream(_events(first, told), content_type="text/event-stream", headers=headers)


class EventStream(StreamingHttpResponse):
    """Events that end when their reader does: Django's own iterator leaves the one it wraps to the garbage collector."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._iterator  # type: ignore[attr-defined,no-any-return]  # where Django keeps what it was given


async def _events(first: Told, rest: AsyncIterator[Told]) -> AsyncIterator[bytes]:
    """`start`, `delta` …, and `done` or `error`. When the client goes away, so does the provider's work."""
    async with aclosing(rest):  # type: ignore[type-var]  # a generator
        try:
            yield event_of(first)
            async for each in rest:
                yield event_of(each)
        except Refused as refused:
            yield error_event(refused)


@router.post("/route/explain", auth=key_auth_in_loop(Scope.READ), summary="The plan of a call that is not made")
async def explain(request: HttpRequest, body: DispatchIn) -> Any:
    caller = _caller(request)
    meant = await _asked(request, body, caller)
    return queries.explain(meant.ask, meant.facts.session)


@router.get("/preflight", auth=key_auth(Scope.READ), summary="Whether a task could be dispatched now")
def preflight(request: HttpRequest, task: str) -> Any:
    snapshot.fresh()
    try:
        found = queries.preflight(task, _caller(request))
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
        author = await sync_to_async(_author_in_thread)(body.author_call_id, caller)
    try:
        return asked(known.table, body.as_wish(size_bytes=len(request.body), author=author), caller)
    except LookupError as error:
        raise _unclear(error) from None


def _author_in_thread(call: UUID, caller: Caller) -> str:
    close_old_connections()  # this thread outlives the request
    return author_of(call, caller)


def author_of(call: UUID, caller: Caller) -> str:
    """Which model served the client's call."""
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
