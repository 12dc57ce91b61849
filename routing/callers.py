"""Who is asking: a Cortex key, in whichever of the three headers it comes, and the Caller that the snapshot knows it as."""

import asyncio
import hmac
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from weakref import WeakKeyDictionary

from asgiref.sync import sync_to_async
from django.db import close_old_connections

from routing import clients, snapshot
from routing.clients import Caller
from routing.terms.words import Scope


class NoKey(Exception):
    """401: no key, or one that nobody has."""

    status, code = 401, "unauthorized"


class NotAllowed(Exception):
    """403: a good key that may not do this."""

    status, code = 403, "forbidden"


class NotReady(Exception):
    """503: this process knows no key yet."""

    status, code, retryable, retry_after_s = 503, "not_ready", True, 1


def presented_key(get: Callable[[str], str | None]) -> str | None:
    """The Cortex key among the headers that `get` reads by names in lower case: X-Cortex-Key, else a bearer token, else x-api-key.

    X-Cortex-Key decides alone where it stands: then the other two belong to the client's own provider.
    """
    own = get("x-cortex-key")
    if own is not None:
        return own.strip()
    scheme, _, token = (get("authorization") or "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    key = get("x-api-key")
    return key.strip() if key is not None else None


def caller_of(key: str | None, scope: Scope | None = None) -> Caller:
    """The Caller of a key that has the scope, from the snapshot, without a query. Raises NoKey, NotAllowed or NotReady."""
    if not key:
        raise NoKey("Send a Cortex key as X-Cortex-Key, as Authorization: Bearer, or as x-api-key.")
    if not clients.is_shaped(key):  # nothing is hashed or looked up for what cannot be a key
        raise NoKey("This is not a Cortex key: those begin with ck_ and have 50 characters.")
    sha256 = clients.digest(key)
    return _entitled(_known(sha256), sha256, scope)


def _entitled(caller: Caller | None, sha256: str, scope: Scope | None) -> Caller:
    # The dictionary already compared the hash; comparing it again in constant time leaves nothing to measure.
    if (
        caller is None
        or not hmac.compare_digest(caller.sha256, sha256)
        or not clients.is_alive(caller, datetime.now(UTC))
    ):
        raise NoKey("This key is not known, or was revoked, or has expired.")
    if scope is not None and not caller.may(scope):
        raise NotAllowed(f"Key {caller.prefix} lacks the scope {scope.value!r}.")
    return caller


async def caller_in_loop(key: str | None, scope: Scope | None = None) -> Caller:
    """`caller_of` in an event loop: only for a key that the snapshot does not hold is the database asked, in a thread."""
    try:
        return caller_of(key, scope)
    except NoKey:
        if not clients.is_shaped(key or ""):
            raise
    sha256 = clients.digest(key or "")
    asking = _by_loop.setdefault(asyncio.get_running_loop(), _Asking())
    return _entitled(await asking.caller(sha256), sha256, scope)


class _Asking:
    """Asks for keys that the snapshot does not hold: for all that have come meanwhile in one go, and one after the other.

    Whoever sends made-up keys would else have a query for each, in the one thread in which the API waits for its own.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[Caller | None]] = {}  # by SHA-256
        self._task: asyncio.Task[None] | None = None

    async def caller(self, sha256: str) -> Caller | None:
        loop = asyncio.get_running_loop()
        answer = self._waiting.get(sha256)
        if answer is None:
            answer = self._waiting[sha256] = loop.create_future()
            answer.add_done_callback(_heard)
        if self._task is None:
            self._task = loop.create_task(self._ask())
        return await asyncio.shield(answer)  # others may wait for the same

    async def _ask(self) -> None:
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, {}
                try:
                    found = await sync_to_async(_found)(tuple(asked))
                except Exception as error:  # noqa: BLE001 - whatever it is, those who wait are told
                    for answer in asked.values():
                        answer.set_exception(error)
                else:
                    for sha256, answer in asked.items():
                        answer.set_result(found.get(sha256))
        finally:
            self._task = None


_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _Asking] = WeakKeyDictionary()


def _heard(answer: "asyncio.Future[Caller | None]") -> None:
    """An error that nobody waits for any more is no loss."""
    if not answer.cancelled():
        answer.exception()


def _found(sha256s: Collection[str]) -> dict[str, Caller]:
    close_old_connections()  # this thread outlives the request, and its connection may have broken meanwhile
    return clients.lookups(sha256s)


def _known(sha256: str) -> Caller | None:
    """From the snapshot; a key that it does not hold may be younger than it, so the database is asked where that blocks nobody."""
    try:
        caller = snapshot.fresh().keys.get(sha256)
    except snapshot.NotLoaded as error:
        raise NotReady(str(error)) from None
    if caller is None and not snapshot.in_event_loop():
        return clients.lookup(sha256)
    return caller
