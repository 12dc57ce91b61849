"""Clients and their keys over HTTP. They are no part of the table's revisions, but writes name one all the same."""

import time
from collections.abc import Mapping as Map
from decimal import Decimal
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Query, Router, Status
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from routing import changes, clients, limits, suggestions
from routing.api import lists
from routing.api.auth import key_auth
from routing.api.errors import ApiError
from routing.document.fields import Count, Line, ModelName, Sentence, Slug, Usd
from routing.document.table import problems_of
from routing.limits import Measure
from routing.models import Client
from routing.policy.cost import plain
from routing.terms.words import ClientMode, Scope
from routing.versions import current_revision

router = Router(tags=["clients"])
Used = Map[tuple[str, Measure], int]
MADE = {201: dict[str, Any]}


class Mapping(BaseModel):
    model_config = ConfigDict(extra="forbid")

    requested: Annotated[Sentence, Field(min_length=1)]
    task_type: Slug


class ClientForm(BaseModel):
    """A client as it is written; absent fields stay."""

    model_config = ConfigDict(extra="forbid")

    slug: Slug
    name: Line = ""
    mode: ClientMode = ClientMode.ROUTE
    project: Slug | None = None
    default_task_type: Slug | None = None
    allowed_models: list[ModelName] | None = None
    mapping: list[Mapping] = []
    requests_per_minute: Annotated[Count, Field(ge=1)] | None = None
    tokens_per_minute: Annotated[Count, Field(ge=1)] | None = None
    enabled: bool = True
    ignored: Annotated[list[Sentence], Field(max_length=500)] = []
    version: Annotated[int, Field(ge=0, le=2_000_000_000)] | None = (
        None  # the one that was read: another's change is then a conflict
    )


class KeyForm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    scopes: Annotated[list[Scope], Field(min_length=1), AfterValidator(lambda scopes: sorted(set(scopes)))] = list(
        clients.DEFAULT_SCOPES
    )
    budget_usd: Annotated[Usd, Field(gt=0)] | None = None


def _told(row: Client, used: Used) -> dict[str, Any]:
    """`last_minute` is counted where there is a limit, over all workers, as they last told."""
    return {
        "slug": row.slug,
        **clients.told(row),
        "version": row.version,
        "last_minute": {
            "requests": None if row.requests_per_minute is None else used.get((row.slug, Measure.REQUESTS), 0),
            "tokens": None if row.tokens_per_minute is None else used.get((row.slug, Measure.TOKENS), 0),
        },
        "keys": [
            {
                "prefix": key.prefix,
                "scopes": key.scopes,
                "created_at": key.created_at,
                "expires_at": key.expires_at,
                "revoked_at": key.revoked_at,
            }
            for key in row.keys.all()
        ],
    }


class Window(BaseModel):
    days: Annotated[int, Field(ge=1, le=suggestions.MOST_DAYS)] = suggestions.DAYS


def _all() -> dict[str, dict[str, Any]]:
    rows = Client.objects.select_related("project", "default_task_type")
    used = limits.usage(time.time())
    return {row.slug: _told(row, used) for row in rows.prefetch_related("mapping__task_type", "keys")}


def _one(slug: str) -> dict[str, Any]:
    found = _all().get(slug)
    if found is None:
        raise ApiError(404, f"There is no client {slug!r}.")
    return found


@router.get("/clients", auth=key_auth(Scope.READ), summary="All clients, with their keys' prefixes")
def every(request: HttpRequest) -> Any:
    return lists.page(request, _all())


@router.get("/clients/{slug}", auth=key_auth(Scope.READ), summary="One client")
def one(request: HttpRequest, slug: str) -> Any:
    return _one(slug)


@router.get("/clients/{slug}/suggestions", auth=key_auth(Scope.READ), summary="What its observed calls would mean")
def suggested(request: HttpRequest, slug: str, window: Query[Window]) -> Any:
    """By name that was asked for: calls, tokens, cost, success; the task type it means, or is suggested to; its cost by that route today."""
    row = Client.objects.filter(slug=slug.replace("\0", "")).first()
    if row is None:
        raise ApiError(404, f"There is no client {slug!r}.")
    found = suggestions.observed(row, days=window.days)
    items = [_suggestion(line) for line in found.lines]
    return {"items": items, "next": None, "since": found.since, "calls": found.calls, "is_capped": found.is_capped}


def _suggestion(line: suggestions.Line) -> dict[str, Any]:
    return {
        "requested": line.requested,
        "names": line.names,
        "state": "mapped" if line.mapped_to else "ignored" if line.ignored else "open",
        "task_type": line.task_type,
        "why": line.likely.why if line.likely else None,
        "others": line.likely.others if line.likely else [],
        "calls": line.calls,
        "input_tokens": line.input_tokens,
        "output_tokens": line.output_tokens,
        "cost_usd": _usd(line.cost_usd),
        "unpriced": line.unpriced,
        "routed_to": line.routed_to,
        "routed_cost_usd": _usd(line.routed_cost_usd),
        "success": line.success,
        "graded": line.graded,
        "last_seen": line.last_seen,
        "wires": line.wires,
        "simulated": line.simulated,
    }


def _usd(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(amount)


@router.post("/clients", auth=key_auth(Scope.MANAGE), summary="A new client", response=MADE)
def create(request: HttpRequest, response: HttpResponse) -> Any:
    fields = _read(ClientForm, lists.body(request))
    if Client.objects.filter(slug=fields["slug"]).exists():
        raise ApiError(409, f"There is a client {fields['slug']!r} already; change it with PATCH.", code="exists")
    return Status(201, _save(request, response, fields))


@router.patch("/clients/{slug}", auth=key_auth(Scope.MANAGE), summary="Change fields of one client")
def change(request: HttpRequest, response: HttpResponse, slug: str) -> Any:
    raw = lists.body(request)
    if raw.get("slug", slug) != slug:
        raise ApiError(422, "slug: names the client and cannot change; make a new one.")
    _one(slug)
    return _save(request, response, _read(ClientForm, {**raw, "slug": slug}))


@router.delete("/clients/{slug}", auth=key_auth(Scope.MANAGE), summary="Remove a client with its keys")
def delete(request: HttpRequest, response: HttpResponse, slug: str) -> Any:
    _as_read(request)
    _one(slug)
    clients.delete_client(slug, by=lists.actor(request))
    return _answer(response, None)


@router.post("/clients/{slug}/keys", auth=key_auth(Scope.MANAGE), summary="A new key, told once", response=MADE)
def create_key(request: HttpRequest, slug: str) -> Any:
    _one(slug)
    asked, caller = _read(KeyForm, lists.body(request), whole=True), request.auth  # type: ignore[attr-defined]
    beyond = set(asked["scopes"]) - set(caller.scopes)
    if beyond:
        raise ApiError(403, f"No key exceeds its maker: {caller.prefix} lacks {', '.join(sorted(beyond))}.")
    try:
        made = clients.create_key(
            slug,
            by=lists.actor(request),
            scopes=asked["scopes"],
            budget_usd=asked["budget_usd"],
            maker=clients.maker_of(caller),
        )
    except clients.Refused as error:
        raise ApiError(403, str(error)) from None
    return Status(201, {"client": made.client, "key": made.key, "prefix": made.prefix, "scopes": made.scopes})


@router.delete("/clients/{slug}/keys/{prefix}", auth=key_auth(Scope.MANAGE), summary="End a key for good")
def revoke_key(request: HttpRequest, slug: str, prefix: str) -> Any:
    if not any(key["prefix"] == prefix for key in _one(slug)["keys"]):
        raise ApiError(404, f"The client {slug!r} has no key {prefix!r}.")
    clients.revoke_key(prefix, by=lists.actor(request))
    return {"prefix": prefix, "revoked_at": timezone.now()}


def _read(form: type[BaseModel], raw: dict[str, Any], *, whole: bool = False) -> dict[str, Any]:
    try:
        return form.model_validate(raw).model_dump(exclude_unset=not whole)
    except ValidationError as error:
        details = [{"path": problem.path, "message": problem.message} for problem in problems_of(error)]
        told = "; ".join(f"{item['path']}: {item['message']}" for item in details[:5])
        raise ApiError(422, f"{told[:1000]}.", details=details) from None


def _save(request: HttpRequest, response: HttpResponse, fields: dict[str, Any]) -> Any:
    _as_read(request)
    slug, version = fields.pop("slug"), fields.pop("version", None)
    try:
        clients.save_client(slug, fields, by=lists.actor(request), version=version)
    except clients.Stale as error:
        raise ApiError(409, f"{error} Read it again.", code="stale") from None
    except clients.Refused as error:
        raise ApiError(422, str(error)) from None
    return _answer(response, _one(slug))


def _as_read(request: HttpRequest) -> None:
    with lists.told_as_errors():
        changes.require(lists.expected_revision(request))


def _answer(response: HttpResponse, item: dict[str, Any] | None) -> dict[str, Any]:
    revision = current_revision()
    response["ETag"] = f'"{revision}"'
    return {"revision": revision, "item": item}
