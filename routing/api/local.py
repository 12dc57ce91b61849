"""Providers as they answer this moment: ping, discovery, and the local plan switched on and off in one step."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router
from pydantic import BaseModel, ConfigDict, ValidationError

from routing import discovery, local, upstreams
from routing.api import lists
from routing.api.auth import key_auth
from routing.api.errors import ApiError
from routing.document import Invalid, rows
from routing.document.fields import Line, ProviderSlug, Slug
from routing.document.table import problems_of
from routing.local import Local
from routing.terms.words import Scope

router = Router(tags=["providers"])


class Switch(BaseModel):
    model_config = ConfigDict(extra="forbid")

    provider: ProviderSlug = local.PROVIDER
    base_url: Line | None = None
    models: dict[Slug, Line] = {}
    reason: str = ""


@router.post("/providers/{slug}/ping", auth=key_auth(Scope.MANAGE), summary="Whether a provider answers now")
def ping(request: HttpRequest, slug: str) -> Any:
    told = {"provider": slug, "ok": False, "simulated": False, "total_ms": None, "models": None, "problem": ""}
    try:
        with _unknown_is_404():
            answer = discovery.ask(slug)
    except (discovery.Unreachable, upstreams.Refused) as error:
        return {**told, "problem": str(error)}
    seen = {"total_ms": answer.total_ms, "models": len(answer.models), "simulated": answer.simulated}
    return {**told, "ok": True, **seen}


@router.post("/providers/{slug}/discover", auth=key_auth(Scope.MANAGE), summary="The models that a provider serves now")
def discover(request: HttpRequest, slug: str) -> Any:
    """Each with the model of the table that stands for it, or with what `POST /models` takes to make one."""
    with _unknown_is_404(), _unreachable_is_502():
        answer = discovery.ask(slug)
    models = [part for part in rows.dump()["models"].values() if part["provider"] == slug]
    known = {part["upstream_id"]: f"{slug}:{part['slug']}" for part in models}
    items = []
    for each in answer.models:
        key = known.get(each.upstream_id) or known.get(each.upstream_id.removesuffix(":latest"))
        plain = {"upstream_id": each.upstream_id, "context_window": each.context_window}
        part = {"provider": slug, "slug": _slug(each.upstream_id), "name": each.name, **plain}
        items.append({**plain, "name": each.name, "model": key, "part": None if key else part})
    missing = [
        f"{slug}:{part['slug']}" for part in models if f"{slug}:{part['slug']}" not in {i["model"] for i in items}
    ]
    return {"provider": slug, "simulated": answer.simulated, "items": items, "missing": missing, "next": None}


def _slug(upstream_id: str) -> str:
    """A slug as near to the server's own name as slugs allow: "qwen/qwen2.5-14b-instruct"."""
    return re.sub(r"[^a-z0-9._/:@-]+", "-", upstream_id.removesuffix(":latest").lower()).lstrip("._/:@-")[:120]


@router.get("/local", auth=key_auth(Scope.READ), summary="Whether the local plan is on, and what its server lacks")
def local_status(request: HttpRequest, provider: str = local.PROVIDER) -> Any:
    with _unknown_is_404():
        return told(local.status(provider))


@router.post("/local/enable", auth=key_auth(Scope.MANAGE), summary="Switch the local plan on, if its server answers")
def enable(request: HttpRequest, response: HttpResponse) -> Any:
    asked = _asked(request)
    with _unknown_is_404(), _unreachable_is_502(), lists.told_as_errors():
        now = local.switch_on(
            asked.base_url,
            by=lists.actor(request),
            source="api",
            provider=asked.provider,
            models=asked.models,
            expected_revision=_expected(request),
            reason=lists.reason(asked.reason),
        )
    response["ETag"] = f'"{now.revision}"'
    return told(now)


@router.post("/local/disable", auth=key_auth(Scope.MANAGE), summary="Switch the local plan off")
def disable(request: HttpRequest, response: HttpResponse) -> Any:
    asked = _asked(request)
    with _unknown_is_404(), lists.told_as_errors():
        now = local.switch_off(
            by=lists.actor(request),
            source="api",
            provider=asked.provider,
            expected_revision=_expected(request),
            reason=lists.reason(asked.reason),
        )
    response["ETag"] = f'"{now.revision}"'
    return told(now)


def told(now: Local) -> dict[str, Any]:
    return {"on": now.is_on, **asdict(now), "missing": [model.mend for model in now.missing]}


def _asked(request: HttpRequest) -> Switch:
    try:
        return Switch.model_validate(lists.body(request))
    except ValidationError as error:
        with lists.told_as_errors():
            raise Invalid(problems_of(error)) from None


def _expected(request: HttpRequest) -> int | None:
    return lists.expected_revision(request) if "If-Match" in request.headers else None


@contextmanager
def _unknown_is_404() -> Iterator[None]:
    try:
        yield
    except discovery.Unknown as error:
        raise ApiError(404, str(error)) from None


@contextmanager
def _unreachable_is_502() -> Iterator[None]:
    try:
        yield
    except (discovery.Unreachable, upstreams.Refused) as error:
        raise ApiError(502, str(error), code="unreachable") from None
