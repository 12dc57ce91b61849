"""State over HTTP that is no part of the table: a quota is exhausted or released, a usage window is read."""

from datetime import UTC, datetime
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import AfterValidator, ConfigDict, Field

from routing import gauges, quotas, usage
from routing.api import lists
from routing.api.auth import key_auth
from routing.api.calls_form import storable
from routing.api.errors import ApiError
from routing.terms.words import Scope

router = Router(tags=["state"])

Line = Annotated[str, Field(pattern=r"^[^\r\n]*$"), AfterValidator(storable)]


class ExhaustIn(Schema):
    """`until`: a date (its 00:00 in CORTEX_TIME_ZONE) or a time; without it, until somebody releases it."""

    model_config = ConfigDict(extra="forbid")

    until: Annotated[Line, Field(max_length=40)] | None = None
    reason: Annotated[Line, Field(max_length=300)] = ""


class UsageIn(Schema):
    """How full a window of a provider's usage is, as its vendor tells."""

    model_config = ConfigDict(extra="forbid")

    provider: Annotated[Line, Field(min_length=1, max_length=120)]
    window: Annotated[Line, Field(min_length=1, max_length=60)]
    percent: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]
    resets_at: Annotated[Line, Field(max_length=40)] | None = None


@router.post("/quotas/{key:slug}/exhaust", auth=key_auth(Scope.MANAGE), summary="Mark a quota exhausted until a date")
def exhaust(request: HttpRequest, slug: str, body: ExhaustIn) -> Any:
    until = _ahead("until", body.until)
    try:
        quotas.exhaust(slug, until, body.reason, by=lists.actor(request))
    except quotas.Unknown as error:
        raise ApiError(404, str(error)) from None
    return gauges.quota(slug, datetime.now(UTC))


@router.post("/quotas/{key:slug}/release", auth=key_auth(Scope.MANAGE), summary="Make a quota available again")
def release(request: HttpRequest, slug: str) -> Any:
    try:
        released = quotas.release(slug, by=lists.actor(request))
    except quotas.Unknown as error:
        raise ApiError(404, str(error)) from None
    return {**gauges.quota(slug, datetime.now(UTC)), "released": released}


@router.post("/usage", auth=key_auth(Scope.MANAGE), summary="Record how full a usage window is")
def record(request: HttpRequest, body: UsageIn) -> Any:
    resets_at = _ahead("resets_at", body.resets_at)
    try:
        recorded = usage.record(body.provider, body.window, body.percent, resets_at, datetime.now(UTC))
    except usage.Unknown as error:
        raise ApiError(422, f"provider: {error}", code="unknown_provider") from None
    return gauges.recorded(recorded)


def _ahead(field: str, text: str | None) -> datetime | None:
    """The moment that a field names, which is still to come. 422 otherwise."""
    try:
        return quotas.moment_ahead(text) if text is not None else None
    except quotas.NoMoment as error:
        raise ApiError(422, f"{field}: {error}", details=[{"field": field, "problem": str(error)}]) from None
