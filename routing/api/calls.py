"""Calls over HTTP: list, one in full, import, export, verdicts.

A key with the scope `manage` reads and judges every client's calls; any other key its own client's, and the rest is not there for it.
"""

import dataclasses
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from ninja import Query, Router
from pydantic import Field, ValidationError

from routing import feedback, imports, records
from routing.api import lists
from routing.api.auth import key_auth
from routing.api.calls_form import CallFilter, MatchedVerdictIn, MatchIn, VerdictIn, storable
from routing.api.errors import ApiError
from routing.models import Attempt, Call
from routing.terms.words import Scope

router = Router(tags=["calls"])
UNPACKED = 32  # times the size limit: what a gzipped import may unpack to
MOST_VERDICTS = 10_000  # in one body
_FORMS = {
    "text/csv": "csv",
    "application/csv": "csv",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "text/markdown": "markdown",
}


def _filters(request: HttpRequest, asked: CallFilter) -> records.Filters:
    """The filters of a query string, within what the key may see."""
    values: dict[str, Any] = {
        name: getattr(asked, name) or "" for name in ("task_type", "provider", "model", "session")
    }
    metadata = {
        name.removeprefix("metadata."): str(value)
        for name, value in request.GET.items()
        if name.startswith("metadata.")
    }
    for text in (*metadata, *metadata.values()):
        try:
            storable(text)
        except ValueError:
            raise ApiError(422, "metadata: has a character that cannot be stored.") from None
    own = _only_client(request)
    if own is not None and asked.client not in ("", own):
        raise ApiError(403, f"This key sees the calls of {own} alone.")
    return records.Filters(
        **values,
        role=asked.role or "",
        status=asked.status or "",
        client=own or asked.client,
        since=_moment(asked.since),
        until=_moment(asked.until),
        metadata=tuple(metadata.items()),
    )


def _moment(value: datetime | date | None) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value
    return timezone.make_aware(datetime.combine(value, time.min))


def _only_client(request: HttpRequest) -> str | None:
    """The client whose calls the key may see; None: everyone's."""
    caller = request.auth  # type: ignore[attr-defined]
    return None if caller.may(Scope.MANAGE) else caller.client


@router.get("/calls", auth=key_auth(Scope.READ), summary="Calls, the newest first")
def list_calls(request: HttpRequest, asked: Query[CallFilter]) -> Any:
    after = lists.cursor(request)
    try:
        before = UUID(after) if after else None
    except ValueError:
        raise ApiError(422, "cursor: is not one that a list gave.") from None
    page = records.page(_filters(request, asked), before=before, limit=lists.limit(request))
    following = lists.cursor_for(str(page.next)) if page.next else None
    return {"items": [told(record) for record in page.records], "next": following}


@router.post("/calls/import", auth=key_auth(Scope.MANAGE), summary="Import calls from CSV, NDJSON or a Markdown log")
def import_calls(
    request: HttpRequest, skip_bad: bool = False, name: Annotated[str, Field(max_length=300)] = "upload"
) -> Any:
    kind = (request.content_type or "").lower()
    if kind not in (*_FORMS, "application/gzip", "application/octet-stream", "text/plain"):
        raise ApiError(415, "Send text/csv, application/x-ndjson or text/markdown, plain or gzipped.")
    limit = settings.SIZE_LIMIT_BYTES * UNPACKED
    try:
        done = imports.load(
            request, name, by=lists.actor(request), form=_FORMS.get(kind), skip_bad=skip_bad, limit_bytes=limit
        )
    except imports.Refused as error:
        raise ApiError(422, str(error)) from None
    result = {**dataclasses.asdict(done)}
    if not done.written:
        first = "; ".join(str(bad) for bad in done.errors[:3])
        message = f"Nothing was imported: {done.bad} of {done.lines} lines are bad. {first}"
        raise ApiError(422, message[:1000], code="bad_lines", details=result)
    return result


@router.get("/calls/export", auth=key_auth(Scope.READ), summary="Calls in the columns of an import")
def export_calls(
    request: HttpRequest, asked: Query[CallFilter], format: Literal["csv", "ndjson"] = "csv"
) -> HttpResponseBase:
    parts = records.export(_filters(request, asked), format)
    kind = "text/csv; charset=utf-8" if format == "csv" else "application/x-ndjson"
    return lists.download(request, parts, kind, f"calls.{format}")


@router.get("/calls/{request_id}", auth=key_auth(Scope.READ), summary="One call with its attempts and verdicts")
def get_call(request: HttpRequest, request_id: str) -> Any:
    return told(records.told(_found(request, request_id)), whole=True)


@router.post("/calls/{request_id}/verdict", auth=key_auth(Scope.VERDICT), summary="Did this call achieve its task?")
def judge_call(request: HttpRequest, request_id: str, body: VerdictIn) -> Any:
    match = feedback.Match(request_id=request_id, client=_only_client(request))
    (given,) = _give(request, match, body)
    return given


@router.post("/verdicts", auth=key_auth(Scope.VERDICT), summary="Judge calls or whole work items; NDJSON for many")
def judge(request: HttpRequest, skip_bad: bool = False) -> Any:
    if (request.content_type or "").lower() in ("application/x-ndjson", "application/ndjson"):
        return _judge_many(request, skip_bad)
    try:
        body = MatchedVerdictIn.model_validate(lists.body(request))
    except ValidationError as error:
        raise ApiError(422, _wrong(error), details=_details(error)) from None
    return {"items": _give(request, _match(request, body.match), body)}


def _judge_many(request: HttpRequest, skip_bad: bool) -> Any:
    lines = [(number, line) for number, line in enumerate(request.body.splitlines(), 1) if line.strip()]
    if len(lines) > MOST_VERDICTS:
        raise ApiError(413, f"At most {MOST_VERDICTS} verdicts in one body.")
    sayings: list[feedback.Saying] = []
    bad: list[dict[str, Any]] = []
    for number, line in lines:
        try:
            body = MatchedVerdictIn.model_validate_json(line)
            sayings.append(feedback.Saying(number, _match(request, body.match), body.said()))
        except ValidationError as error:
            bad.append({"line": number, "reason": _wrong(error)})
        except ApiError as error:
            bad.append({"line": number, "reason": str(error)})
    done = feedback.give_many(sayings, by=lists.actor(request), keep=skip_bad or not bad, skip_bad=skip_bad)
    bad += [{"line": line, "reason": reason} for line, reason in done.bad]
    bad.sort(key=lambda one: one["line"])
    if bad and not skip_bad:
        raise ApiError(
            422, f"Nothing was kept: {len(bad)} of {len(lines)} lines are bad.", code="bad_lines", details=bad[:100]
        )
    return {"new": done.new, "repeated": done.repeated, "late": done.late, "bad": bad[:100]}


def _match(request: HttpRequest, match: MatchIn) -> feedback.Match:
    own = _only_client(request)
    if own is not None and match.client not in (None, own):
        raise ApiError(403, f"match.client: this key judges the calls of {own} alone.")
    return feedback.Match(
        match.request_id,
        match.session,
        tuple(match.metadata.items()),
        match.task_type,
        match.client if own is None else own,
    )


def _give(request: HttpRequest, match: feedback.Match, body: VerdictIn) -> list[dict[str, Any]]:
    try:
        given = feedback.give(feedback.targets(match), body.said(), by=lists.actor(request))
    except feedback.NotFound as error:
        raise ApiError(404, str(error)) from None
    except feedback.Refused as error:
        raise ApiError(422, f"{error}.") from None
    return [dataclasses.asdict(one) for one in given]


def _wrong(error: ValidationError) -> str:
    return "; ".join(f"{one['path']}: {one['message']}" for one in _details(error)[:5])


def _details(error: ValidationError) -> list[dict[str, str]]:
    return [
        {"path": ".".join(map(str, one["loc"])) or "body", "message": one["msg"]}
        for one in error.errors(include_url=False, include_input=False, include_context=False)
    ]


def _found(request: HttpRequest, request_id: str) -> Call:
    call = records.find(request_id, client=_only_client(request), wait_s=feedback.WAIT_S)
    if call is None:
        raise ApiError(404, "There is no such call.")
    return call


_CALL = (
    "status", "error_code", "task_type", "project", "client", "wire", "session", "role", "propensity", "shares", "route_revision",
    "requested_model", "routed_model", "served_model", "would_route", "used_fallback", "background", "stream", "simulated", "imported",
    "reason", "metadata", "size", "drawn", "input_tokens", "output_tokens", "ttft_ms", "total_ms", "started_at", "finished_at",
)  # fmt: skip
_ATTEMPT = (
    "attempt", "provider", "model", "upstream_id", "served_model", "credential_kind", "role", "propensity", "status", "http_status",
    "error_message", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens",
    "reasoning_tokens", "searches", "service_tier", "estimated", "ttft_ms", "total_ms", "price", "thinking", "simulated", "started_at",
    "output_hash", "output_chars",
)  # fmt: skip


def told(record: records.Record, *, whole: bool = False) -> dict[str, Any]:
    """A call as the API tells it; `whole` with its candidates and verdicts."""
    call = record.call
    body: dict[str, Any] = {
        "request_id": record.request_id,
        "id": call.id,
        "item_id": call.item_id,
        **{name: getattr(call, name) for name in _CALL},
        "cost_usd": _usd(call.cost_usd),
        "attempts": [_attempt(attempt) for attempt in record.attempts],
    }
    if whole:
        body["candidates"] = call.candidates
        body["verdicts"] = [dataclasses.asdict(verdict) for verdict in record.verdicts]
    return body


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        **{name: getattr(attempt, name) for name in _ATTEMPT},
        "error_kind": attempt.error_kind or None,
        "cost_usd": _usd(attempt.cost_usd),
        "cost_parts": [
            {"part": each.name, "quantity": each.quantity, "rate_usd": _usd(each.rate_usd), "usd": _usd(each.usd)}
            for each in records.cost_parts(attempt)
        ],
    }


def _usd(amount: Decimal | None) -> str | None:
    return None if amount is None else format(amount.normalize(), "f")
