"""Tests of credentials over HTTP."""

from typing import Any

from django.http import HttpRequest
from ninja import Router

from routing import connections, credentials
from routing.api import lists
from routing.api.auth import key_auth
from routing.api.errors import ApiError
from routing.terms.words import Scope

router = Router(tags=["routing table"])


@router.post(
    "/credentials/{key:key}/test",
    auth=key_auth(Scope.MANAGE),
    operation_id="test_credential",
    summary="Ask the provider whether it accepts a credential, and keep the answer as its readiness",
)
def test(request: HttpRequest, key: str) -> Any:
    provider, _, name = key.partition(":")
    try:
        tested = connections.check(provider, name or "main", by=lists.actor(request))
    except credentials.Unknown as error:
        raise ApiError(404, str(error)) from None
    return {"ok": tested.ok, "message": tested.message, **credentials.told(tested.access)}
