"""Batches over HTTP: send, list, follow, read, cancel, delete.

A key with the scope `manage` sees every client's batches; any other key its own client's, and the rest is not there for it.
"""

from typing import Any, Literal

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from ninja import Router

from routing import batches, snapshot
from routing.api import lists
from routing.api.auth import key_auth
from routing.api.batches_form import BatchIn, problem, size_of
from routing.api.dispatch import IDEMPOTENCY_KEY, author_of
from routing.api.dispatch_form import DispatchIn
from routing.api.errors import ApiError
from routing.clients import Caller
from routing.dispatch.asked import Wish, asked
from routing.models import Batch
from routing.policy import resolve
from routing.policy.table import Table
from routing.terms.words import ItemStatus, JobStatus, Scope, TaskKind

router = Router(tags=["batches"])
MOST_TOLD = 100  # wrong items that are named
AGAIN_S = 60.0


@router.post(
    "/batches",
    auth=key_auth(Scope.DISPATCH),
    summary="Send many calls, to be made side by side by a worker",
    openapi_extra={"parameters": [IDEMPOTENCY_KEY]},
)
def send(request: HttpRequest, body: BatchIn) -> Any:
    """Each item is the body of a dispatch. All are kept or, when one is wrong, none; every wrong one is named by its path."""
    caller = _caller(request)
    try:
        table = snapshot.fresh().table
    except snapshot.NotLoaded as error:
        raise ApiError(503, str(error), code="not_ready", retry_after_s=1) from None
    wishes, problems = [], []
    for position, item in enumerate(body.items):
        try:
            wishes.append(_wish(item, table, caller))
        except _Wrong as wrong:
            problems.append(problem(position, wrong.field, str(wrong)))
    if problems:
        first = ", ".join(each["field"] for each in problems[:5])
        words = f"Nothing was kept: {len(problems)} of {len(body.items)} items are wrong: {first}."
        raise ApiError(422, words, code="bad_items", details=problems[:MOST_TOLD])
    try:
        batch = batches.submit(wishes, caller, body.concurrency)
    except batches.TooMany as error:
        raise ApiError(429, str(error), retry_after_s=AGAIN_S) from None
    return JsonResponse(_out(batch), status=202, headers={"Location": f"/api/v1/batches/{batch.pk}"})


class _Wrong(Exception):
    """One item cannot be dispatched. `field` of its body is the reason; "" when it is the whole."""

    def __init__(self, field: str, words: str) -> None:
        super().__init__(words)
        self.field = field


def _wish(item: DispatchIn, table: Table, caller: Caller) -> Wish:
    """The item as it will be run. Raises _Wrong for what dispatch would refuse, whoever serves it."""
    if item.stream:
        raise _Wrong("stream", "A batch keeps whole answers: leave it out.")
    author = item.author_model
    if item.author_call_id is not None:
        try:
            author = author_of(item.author_call_id, caller)
        except ApiError as error:
            raise _Wrong("author_call_id", str(error)) from None
    wish = item.as_wish(size_bytes=size_of(item), author=author)
    try:
        task = table.task_types[asked(table, wish, caller).ask.task_type]
    except resolve.Ambiguous as error:
        raise _Wrong("override_text" if item.override_text else "override", str(error)) from None
    except resolve.Unknown as error:
        raise _Wrong(_field_of(error, item), str(error)) from None
    if task.kind is TaskKind.EMBEDDING:
        raise _Wrong("task_type", f"Task type '{task.slug}' embeds; a dispatch answers in words.")
    return wish


def _field_of(error: resolve.Unknown, item: DispatchIn) -> str:
    if error.what == "model":
        return "override" if item.override else "override_text"
    return {"task_type": "task_type", "project": "project", "author": "author_model"}.get(error.what, "")


@router.get("/batches", auth=key_auth(Scope.READ), summary="Batches, the newest first")
def list_batches(request: HttpRequest, status: JobStatus | None = None) -> Any:
    size, before = lists.limit(request), _number(lists.cursor(request))
    found = batches.page(client=_only_client(request), status=status or "", before=before, limit=size + 1)
    following = lists.cursor_for(str(found[size - 1].batch.pk)) if len(found) > size else None
    return {"items": [_told(each) for each in found[:size]], "next": following}


@router.get("/batches/{number}", auth=key_auth(Scope.READ), summary="How a batch goes, with a page of its items")
def get_batch(request: HttpRequest, number: int, status: ItemStatus | None = None) -> Any:
    batch = _found(request, number)
    size, after = lists.limit(request), _number(lists.cursor(request))
    found = batches.items(batch, after=-1 if after is None else after, limit=size + 1, status=status or "")
    following = lists.cursor_for(str(found[size - 1]["position"])) if len(found) > size else None
    return {**_out(batch), "items": found[:size], "next": following}


@router.get("/batches/{number}/results", auth=key_auth(Scope.READ), summary="Every item of a batch, a line each")
def results(request: HttpRequest, number: int) -> HttpResponseBase:
    return lists.download(
        request, batches.results(_found(request, number)), "application/x-ndjson", f"batch-{number}.ndjson"
    )


@router.post("/batches/{number}/cancel", auth=key_auth(Scope.DISPATCH), summary="Begin no other call of a batch")
def cancel(request: HttpRequest, number: int, running: Literal["cancel", "finish"] = "cancel") -> Any:
    """Calls on their way are cancelled too, or with `running=finish` come to their end. 409 when the batch was over."""
    batch = _found(request, number)
    if not batches.cancel(batch.pk, by=lists.actor(request), finish_running=running == "finish"):
        raise ApiError(409, f"Batch {number} was over or cancelled before: nothing was changed.")
    batch.refresh_from_db()
    return _out(batch)


@router.delete("/batches/{number}", auth=key_auth(Scope.DISPATCH), summary="Delete a batch that is over")
def delete(request: HttpRequest, number: int) -> HttpResponse:
    """Its prompts and answers are gone; the calls stay on record. 409 while it is not over."""
    try:
        batches.forget(_found(request, number).pk, by=lists.actor(request))
    except batches.NotOver as error:
        raise ApiError(409, str(error)) from None
    return HttpResponse(status=204)


def _caller(request: HttpRequest) -> Caller:
    caller: Caller = request.auth  # type: ignore[attr-defined]  # set by key_auth
    return caller


def _only_client(request: HttpRequest) -> str | None:
    caller = _caller(request)
    return None if caller.may(Scope.MANAGE) else caller.client


def _found(request: HttpRequest, number: int) -> Batch:
    found = batches.find(number, _only_client(request)) if 0 < number < 2**63 else None
    if found is None:
        raise ApiError(404, f"There is no batch {str(number)[:40]}.")
    return found


def _number(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 18):
        raise ApiError(422, "cursor: is not one that a list gave.")
    return int(cursor)


def _out(batch: Batch) -> dict[str, Any]:
    return _told(batches.told([batch])[0])


def _told(each: batches.Told) -> dict[str, Any]:
    batch = each.batch
    return {
        "id": batch.pk,
        "client": batch.client.slug,
        "status": batch.status,
        "concurrency": batch.concurrency,
        "total": batch.total,
        "counts": each.counts,
        "progress": round(each.share, 4),
        "cost_usd": None if each.cost_usd is None else format(each.cost_usd.normalize(), "f"),
        "unpriced": each.unpriced,
        "usage": {"input_tokens": each.input_tokens, "output_tokens": each.output_tokens},
        "created_at": batch.created_at.isoformat(),
        "finished_at": batch.finished_at and batch.finished_at.isoformat(),
        "waits_until": batch.not_before.isoformat() if batch.not_before and not batch.finished_at else None,
        "results_until": batch.purge_at and batch.purge_at.isoformat(),
    }
