"""One run of a batch: claims items, makes their calls side by side, writes down what became of them. Many runs may follow one another.

The loop has a thread for the database, which is the one that called: the claims go over the very connection that holds the batch's lock, so
that who has lost the lock can claim nothing more. A run ends after `SLICE_S`, so that one batch does not keep a worker from other jobs; what
is left is sent again.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import ParamSpec, TypeVar

from asgiref.sync import async_to_sync, sync_to_async
from django.db import Error, connection

from routing import clients, dispatch, jobs, secrets, snapshot
from routing.batches import bodies, claims, messages, outcomes, stopping
from routing.batches.claims import Claimed, State
from routing.batches.outcomes import Ended
from routing.clients import Caller
from routing.dispatch import Refused, Result
from routing.dispatch.asked import asked
from routing.models import Batch
from routing.providers.registry import close_all
from routing.snapshot import background
from routing.terms.words import ItemStatus, Scope

log = logging.getLogger(__name__)
SLICE_S = 30.0  # of claiming; calls on their way then come to their end
LOOK_S = 0.5  # how often a run looks whether its batch was cancelled or its worker is to stop
STOP_S = 12.0  # what calls on their way are given when the worker stops, which is itself given 20 s
TRY_S = 300.0  # how long an answer is kept for a database that is away
P = ParamSpec("P")
T = TypeVar("T")


def run(batch: int) -> bool:
    """Go on with the batch until it is over, paused, or others are to have their turn. Whether there was anything to do here.

    False when another process runs it. Twice, in parallel and late are all the same: each item is claimed once.
    """
    try:
        with _knowing(), jobs.lock(messages.JOB, str(batch)) as held:
            ran = _locked(batch) if held else None
    except Error as error:
        log.warning("Batch %d stops, the database is away (%s); the watch goes on with it", batch, type(error).__name__)
        connection.close()
        return True
    if ran is None:
        Batch.objects.filter(pk=batch).update(sent_at=None)  # this message is used up
    elif not ran.pause_s and not ran.is_over:
        messages.send(batch)
    return ran is not None


def _locked(batch: int) -> "_Run | None":
    found = claims.begin(batch)
    if found is None:
        return None
    ran = _Run(found)
    async_to_sync(ran.through)()
    if ran.is_cut_off:
        connection.close()
    ran.is_over = claims.conclude(batch)
    return ran


@contextmanager
def _knowing() -> Iterator[None]:
    """Within it this process's snapshot follows the table, as a web worker's does."""
    if background.is_running():
        yield
        return
    snapshot.start_background()
    try:
        yield
    finally:
        snapshot.stop_background()


class _Run:
    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.until = time.monotonic() + SLICE_S
        self.stopped_at: float | None = None  # when the worker was told to stop
        self.pause_s = 0.0  # before anything could be claimed again
        self.is_cancelled = False  # by a person
        self.is_cut_off = False  # from the database, and with it from the lock
        self.is_over = False
        self.items: set[asyncio.Task[None]] = set()  # on their way
        self.calls: set[asyncio.Task[Result]] = set()  # of those

    async def through(self) -> None:
        """Every item that is there to be claimed, until it is time to end."""
        try:
            while True:
                state = await self._look()
                wants_more = self._may_claim(state) and await self._claim()
                if not (wants_more or self.items or self._is_worth_a_wait(state)):
                    return
                await self._wait()
        finally:
            await close_all()

    async def _look(self) -> State:
        state = await self._ask(claims.state, self.batch.pk) or State()
        self.is_cancelled, self.pause_s = state.is_cancelled, state.pause_s
        if stopping.is_asked() and self.stopped_at is None:
            self.stopped_at = time.monotonic()
        is_late = self.stopped_at is not None and time.monotonic() - self.stopped_at > STOP_S
        if is_late or (state.is_cancelled and state.stops_running):
            for call in self.calls:
                call.cancel()
        return state

    def _may_claim(self, state: State) -> bool:
        is_time = time.monotonic() < self.until and not stopping.is_asked()
        return is_time and not (state.is_cancelled or state.pause_s or self.is_cut_off)

    def _is_worth_a_wait(self, state: State) -> bool:
        """Whether a pause ends within this run."""
        ends_soon = time.monotonic() + state.pause_s < self.until
        return bool(state.pause_s) and ends_soon and not (state.is_cancelled or stopping.is_asked() or self.is_cut_off)

    async def _claim(self) -> bool:
        """Fill the free places. False when nothing waits any more."""
        while len(self.items) < self.batch.concurrency:
            claimed = await self._ask(claims.claim, self.batch.pk)
            if claimed is None:
                return False
            self.items.add(asyncio.create_task(self._serve(claimed)))
        return True

    async def _wait(self) -> None:
        if not self.items:
            await asyncio.sleep(min(self.pause_s or LOOK_S, LOOK_S))
            return
        done, self.items = await asyncio.wait(self.items, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
        for each in done:
            each.result()

    async def _serve(self, claimed: Claimed) -> None:
        ended = await self._ended(claimed)
        if isinstance(ended, Ended):
            await self._keep(claims.settle, claimed, ended)
        else:
            await self._keep(claims.put_back, claimed, self.batch.pk, ended)

    async def _ended(self, claimed: Claimed) -> Ended | float:
        """What became of the call; or seconds to wait, when nobody could take it and nobody was paid."""
        caller = self._caller()
        if caller is None:
            words = (
                f"Key {self.batch.key_prefix} was revoked, has ended, or may not dispatch any more: nothing was called."
            )
            return outcomes.worded("key_revoked", words)
        call = asyncio.create_task(_call(claimed, caller))
        self.calls.add(call)
        try:
            return outcomes.answered(await call)
        except Refused as refused:
            pause_s = outcomes.pause_of(refused, claimed.tries)
            return outcomes.refused(refused) if pause_s is None or self.is_cancelled else pause_s
        except asyncio.CancelledError:
            return self._broken_off()
        except Exception as error:  # noqa: BLE001 - one item's trouble is not the others'
            return outcomes.failed(error)
        finally:
            self.calls.discard(call)

    def _broken_off(self) -> Ended:
        if self.is_cancelled:
            return outcomes.worded(
                "cancelled", "The batch was cancelled while the call was on its way.", ItemStatus.CANCELLED
            )
        words = (
            "The worker was stopped while the call was on its way: it may have been paid for, and is not made again."
        )
        return outcomes.worded(claims.LOST, words, ItemStatus.UNKNOWN)

    def _caller(self) -> Caller | None:
        """Whose key pays, as it is now: a revoked key pays for nothing more."""
        keys = snapshot.current().keys.values()
        found = next((each for each in keys if each.prefix == self.batch.key_prefix), None)
        if found is None or not found.may(Scope.DISPATCH) or not clients.is_alive(found, datetime.now(UTC)):
            return None
        return found

    async def _ask(self, what: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """A query on the thread of the lock; None when the database is away. Then this run claims nothing more."""
        if self.is_cut_off:
            return None
        try:
            return await sync_to_async(what)(*args, **kwargs)
        except Error as error:
            log.warning(
                "Batch %d: the database is away (%s); what is on its way is kept", self.batch.pk, type(error).__name__
            )
            self.is_cut_off = True
            return None

    async def _keep(self, what: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> None:
        """Write what must not be lost, however long the database is away, within reason."""
        until = time.monotonic() + TRY_S
        while True:
            try:
                await sync_to_async(what)(*args, **kwargs)
            except Error:
                self.is_cut_off = True  # a new connection holds no lock
                if time.monotonic() > until:
                    raise
                await sync_to_async(_let_go)()
                await asyncio.sleep(1)
            else:
                return


def _let_go() -> None:
    """Of this thread's connection, so that the next query makes another. Only here does `connection` mean that of the thread."""
    connection.close()


async def _call(claimed: Claimed, caller: Caller) -> Result:
    wish = bodies.read(secrets.decrypt(claimed.body))
    meant = asked(snapshot.current().table, wish, caller)
    return await dispatch.dispatch(meant.ask, meant.request, caller, replace(meant.facts, id=claimed.call))
