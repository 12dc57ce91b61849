"""The key of a request: `key_auth(Scope.READ)` is what an operation gives to ninja's `auth=`; it sets `request.auth` to the key's Caller."""

from collections.abc import Awaitable, Callable

from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.http import HttpRequest

from routing import clients
from routing.callers import NoKey, caller_of, presented_key
from routing.clients import Caller
from routing.terms.words import Scope


def key_auth(scope: Scope) -> Callable[[HttpRequest], Caller]:
    """A ninja auth callable that lets in keys with the scope. Raises NoKey or NotAllowed, never returns None."""

    def authenticate(request: HttpRequest) -> Caller:
        return caller_of(presented_key(request.headers.get), scope)

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
