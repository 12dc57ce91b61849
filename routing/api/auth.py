"""The key of a request: `key_auth(Scope.READ)` is what an operation gives to ninja's `auth=`; it sets `request.auth` to the key's Caller."""

from collections.abc import Awaitable, Callable

from django.http import HttpRequest

from routing.callers import caller_in_loop, caller_of, presented_key
from routing.clients import Caller
from routing.terms.words import Scope


def key_auth(scope: Scope) -> Callable[[HttpRequest], Caller]:
    """A ninja auth callable that lets in keys with the scope. Raises NoKey or NotAllowed, never returns None."""

    def authenticate(request: HttpRequest) -> Caller:
        return caller_of(presented_key(request.headers.get), scope)

    return authenticate


def key_auth_in_loop(scope: Scope) -> Callable[[HttpRequest], Awaitable[Caller]]:
    """`key_auth` for an async operation: without a thread for a key that the snapshot holds."""

    async def authenticate(request: HttpRequest) -> Caller:
        return await caller_in_loop(presented_key(request.headers.get), scope)

    return authenticate
