"""Who is asking: a Cortex key, in whichever of the three headers it comes.

`key_auth(Scope.READ)` is what an operation gives to ninja's `auth=`; it sets `request.auth` to the key's Caller.
"""

import hmac
from collections.abc import Awaitable, Callable

from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.http import HttpRequest
from django.utils import timezone

from routing import clients, snapshot
from routing.api.errors import ApiError
from routing.clients import Caller
from routing.terms.words import Scope


class NoKey(ApiError):
    """401: no key, or one that nobody has."""

    def __init__(self, message: str) -> None:
        super().__init__(401, message)


class NotAllowed(ApiError):
    """403: a good key that may not do this."""

    def __init__(self, message: str) -> None:
        super().__init__(403, message)


def presented_key(get: Callable[[str], str | None]) -> str | None:
    """The Cortex key among the headers that `get` reads: X-Cortex-Key, else a bearer token, else x-api-key.

    X-Cortex-Key decides alone where it stands: then the other two belong to the client's own provider.
    """
    own = get("X-Cortex-Key")
    if own is not None:
        return own.strip()
    scheme, _, token = (get("Authorization") or "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    key = get("X-Api-Key")
    return key.strip() if key is not None else None


def caller_of(key: str | None) -> Caller:
    """The Caller of a key, from the snapshot, without a query. Raises NoKey, or 503 while nothing is known yet."""
    if not key:
        raise NoKey("Send a Cortex key as X-Cortex-Key, as Authorization: Bearer, or as x-api-key.")
    if not clients.is_shaped(key):  # nothing is hashed or looked up for what cannot be a key
        raise NoKey("This is not a Cortex key: those begin with ck_ and have 50 characters.")
    sha256 = clients.digest(key)
    caller = _known(sha256)
    # The dictionary already compared the hash; comparing it again in constant time leaves nothing to measure.
    if caller is None or not hmac.compare_digest(caller.sha256, sha256) or not clients.is_alive(caller, timezone.now()):
        raise NoKey("This key is not known, or was revoked, or has expired.")
    return caller


def _known(sha256: str) -> Caller | None:
    """From the snapshot; a key that it does not hold may be younger than it, so the database is asked where that blocks nobody."""
    try:
        caller = snapshot.fresh().keys.get(sha256)
    except snapshot.NotLoaded as error:
        raise ApiError(503, str(error), code="not_ready", retry_after_s=1) from None
    if caller is None and not snapshot.in_event_loop():
        return clients.lookup(sha256)
    return caller


def key_auth(scope: Scope) -> Callable[[HttpRequest], Caller]:
    """A ninja auth callable that lets in keys with the scope. Raises NoKey or NotAllowed, never returns None."""

    def authenticate(request: HttpRequest) -> Caller:
        caller = caller_of(presented_key(request.headers.get))
        if not caller.may(scope):
            raise NotAllowed(f"Key {caller.prefix} lacks the scope {scope.value!r}.")
        return caller

    return authenticate


def _with_own_connection(check: Callable[[HttpRequest], Caller], request: HttpRequest) -> Caller:
    """In a thread that no request's end looks after: a connection that broke meanwhile is not used again."""
    close_old_connections()
    return check(request)


def key_auth_in_loop(scope: Scope) -> Callable[[HttpRequest], Awaitable[Caller]]:
    """`key_auth` for an async operation: without a thread for a key that the snapshot holds."""
    check = key_auth(scope)

    async def authenticate(request: HttpRequest) -> Caller:
        try:
            return check(request)
        except NoKey:
            if not clients.is_shaped(presented_key(request.headers.get) or ""):
                raise
            return await sync_to_async(_with_own_connection)(check, request)

    return authenticate
