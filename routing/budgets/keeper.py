"""The purses of this process, and the thread that fills and empties them.

The loop takes and settles in memory. All that needs the database is done by one thread, which lives as long as there is something in a purse or
somebody waits for it: it asks for leases, first come first served; it looks which calls' rows are there; it returns what lay idle; it tells
that the process lives, and takes back what dead ones of this host left. While PostgreSQL is away the leases that there are go on being spent.
"""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from django.db import Error, connection

from routing.budgets import ledger
from routing.budgets.holding import Payer
from routing.budgets.ledger import Lifted
from routing.budgets.months import first_of
from routing.budgets.owners import Owner
from routing.budgets.tickets import WAIT_S, Lease, Taken, Ticket, Unpaid
from routing.models import Call

logger = logging.getLogger(__name__)
TICK_S = 0.1
IDLE_S = 0.5  # then what is free goes back: within a second, with the ticks around it
LINGER_S = 2.0  # that the thread stays when nothing is left to do
TOUCH_S = 10.0
REAP_S = 2.0
AWAY_S = 0.5  # between two tries while PostgreSQL is away
CLOSE_S = 3.0  # for the rows of the last calls
MOST_CALLS = 5_000  # that are looked for at a time


class Keeper:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._leases: dict[tuple[int, date], Lease] = {}
        self._tickets: deque[Ticket] = deque()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._owner: Owner | None = None
        self.is_away = False
        self._closing = 0.0  # since when, of time.monotonic
        self._touched_at = self._reaped_at = self._busy_at = 0.0

    # What the loop does.

    def take(self, payers: Sequence[Payer], usd: Decimal) -> Taken | None:
        """Hold so much at each, or at none; None when one has not so much, or others wait for it already."""
        with self._lock:
            if any(payer in ticket.payers for ticket in self._tickets for payer in payers):
                return None
            return self._take(payers, usd)

    def _take(self, payers: Sequence[Payer], usd: Decimal) -> Taken | None:
        month, now = first_of(datetime.now(UTC)), time.monotonic()
        leases = [self._leases.get((payer.id, month)) for payer in payers]
        for lease, payer in zip(leases, payers, strict=True):
            if lease is not None and payer.limit < lease.payer.limit:
                lease.purse.empty()  # the limit was lowered: what is left is to be asked for anew
            if lease is None or lease.purse.free < usd:
                return None
            lease.payer = payer
        taken = tuple((lease, usd) for lease in leases if lease is not None)
        for lease, _ in taken:
            lease.purse.take(usd)
            lease.used_at = now
        return taken

    def queue(self, ticket: Ticket) -> None:
        with self._lock:
            self._tickets.append(ticket)
            self._live()
        self._wake.set()

    def leave(self, ticket: Ticket) -> None:
        with self._lock:
            if ticket in self._tickets:
                self._tickets.remove(ticket)

    def settle(self, taken: Taken, call: UUID | None, cost: Decimal) -> None:
        now = time.monotonic()
        with self._lock:
            for lease, usd in taken:
                lease.purse.settle(call, usd, cost)
                lease.used_at = now
            self._live()
            waits = bool(self._tickets)
        if waits:
            self._wake.set()

    # What the thread does.

    def _live(self) -> None:
        """See that the thread runs, for who holds the lock."""
        self._busy_at = time.monotonic()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="budgets", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            self._wake.wait(AWAY_S if self.is_away else TICK_S)
            self._wake.clear()
            self._tick()
            with self._lock:
                if self._is_done():
                    self._thread = None
                    break
        connection.close()

    def _is_done(self) -> bool:
        now = time.monotonic()
        if self._closing:
            return not self._leases or now > self._closing + CLOSE_S
        if self._tickets or self._leases:
            self._busy_at = now
        return now > self._busy_at + LINGER_S

    def _tick(self) -> None:
        """One round. Never raises: what is in memory stays there."""
        try:
            self._round(datetime.now(UTC))
        except (Error, OSError) as error:
            if not self.is_away:
                lines = str(error).strip().splitlines()
                logger.warning("Budgets cannot be asked; leases are spent: %s", lines[0] if lines else error)
            self.is_away = True
            connection.close()
            for ticket in tuple(self._tickets):
                if time.monotonic() > ticket.since + WAIT_S:
                    ticket.call()
        except Exception:  # the thread must live: without it no lease would ever be returned
            logger.exception("The leases of budgets could not be kept")
            connection.close()
        else:
            self.is_away = False

    def _round(self, now: datetime) -> None:
        self._drop_old_months(first_of(now))
        self._look_for_rows()
        self._serve(now)
        self._return_idle(now)
        self._tell(now)
        moment = time.monotonic()
        if self._leases and moment > self._touched_at + TOUCH_S:
            ledger.touch(self.owner, now)
            self._touched_at = moment
        if moment > self._reaped_at + REAP_S:
            ledger.free_dead(self.owner, now, seen_only=True)
            self._reaped_at = moment

    @property
    def owner(self) -> str:
        if self._owner is None:
            self._owner = Owner()
        return self._owner.name

    def _serve(self, now: datetime) -> None:
        """Those who wait, in their order; where a budget has not enough for one, those behind it who want as much are not asked for."""
        short: dict[int, Unpaid] = {}
        for ticket in tuple(self._tickets):
            while True:
                with self._lock:
                    if ticket not in self._tickets:
                        break
                    ticket.taken = self._take(ticket.payers, ticket.usd)
                    if ticket.taken is not None:
                        self._tickets.remove(ticket)
                        break
                if not self._fill(ticket, short, now):
                    break
            if ticket.taken is not None or ticket.is_final:
                self.leave(ticket)
                ticket.call()

    def _fill(self, ticket: Ticket, short: dict[int, Unpaid], now: datetime) -> bool:
        """Ask for what one of the ticket's payers lacks; whether that changed anything."""
        for payer in ticket.payers:
            lease = self._lease(payer, first_of(now))
            need = ticket.usd - lease.purse.free
            if need <= 0:
                continue
            known = short.get(payer.id)
            if known is not None and known.estimate <= ticket.usd:
                ticket.refusal = Unpaid(payer, ticket.usd, known.short)
                return False
            told, lease.told = lease.told, None  # until the answer is here
            more = ledger.ask_more(payer, lease.month, self.owner, lease.purse.total, need, now)
            if isinstance(more, Decimal):
                with self._lock:
                    lease.purse.put_in(more)
                    lease.told = lease.purse.total
                    lease.used_at = time.monotonic()
                return True
            lease.told = told
            if isinstance(more, Lifted):
                ticket.payers = tuple(each for each in ticket.payers if each is not payer)
                return True
            ticket.refusal = short[payer.id] = Unpaid(payer, ticket.usd, more)
            self._give_back(lease, now)  # too little for this process may be just what another one lacks
            return False
        return True

    def _lease(self, payer: Payer, month: date) -> Lease:
        with self._lock:
            return self._leases.setdefault((payer.id, month), Lease(payer, month))

    def _give_back(self, lease: Lease, now: datetime) -> None:
        with self._lock:
            lease.purse.empty()
            total = lease.purse.total
        if total != lease.told and ledger.write(lease.payer.id, lease.month, self.owner, total, now):
            lease.told = total

    def _look_for_rows(self) -> None:
        """What is owed for calls whose rows are there is spent, by the rows: it is no part of a lease any more."""
        with self._lock:
            calls = {call for lease in self._leases.values() for call in lease.purse.owed if call is not None}
        some = sorted(calls)[:MOST_CALLS]
        there = Call.objects.filter(id__in=some).values_list("id", flat=True) if some else ()
        for call in there:
            with self._lock:
                for lease in self._leases.values():
                    lease.purse.booked(call)

    def _return_idle(self, now: datetime) -> None:
        """Take out what lay idle. A database that cannot be told leaves it where it can be spent."""
        since = time.monotonic() - (0.0 if self._closing else IDLE_S)
        with self._lock:
            idle = [lease for lease in self._leases.values() if lease.purse.free and lease.used_at <= since]
        if idle:
            ledger.touch(self.owner, now)
        with self._lock:
            for lease in idle:
                if lease.used_at <= since:
                    lease.purse.empty()

    def _tell(self, now: datetime) -> None:
        """Let the database know of every lease that has become smaller; forget the empty ones."""
        for key, lease in tuple(self._leases.items()):
            with self._lock:
                total = lease.purse.total
            if total != lease.told and ledger.write(lease.payer.id, lease.month, self.owner, total, now):
                lease.told = total
            with self._lock:
                if not lease.purse.total and lease.told == 0:
                    self._leases.pop(key, None)

    def _drop_old_months(self, month: date) -> None:
        """Leases end with their month: whoever began the next one has deleted them. Attempts on their way settle into the void."""
        with self._lock:
            self._leases = {key: lease for key, lease in self._leases.items() if lease.month >= month}

    def close(self) -> None:
        """Return all that is free, and wait a little for the rows of what is owed."""
        self._closing = time.monotonic()
        thread = self._thread
        if thread is not None:
            self._wake.set()
            thread.join(2 * CLOSE_S)
        if self._owner is not None:
            self._owner.leave(owes=bool(self._leases))
            self._owner = None


_keeper = Keeper()


def current() -> Keeper:
    return _keeper


def close() -> None:
    """End the leases of this process. The next reservation begins anew."""
    global _keeper
    keeper, _keeper = _keeper, Keeper()
    keeper.close()


def _after_fork() -> None:
    """A forked child has no lease, and leaves the parent's alone."""
    global _keeper
    if _keeper._owner is not None:
        _keeper._owner.forget()
    _keeper = Keeper()


os.register_at_fork(after_in_child=_after_fork)
