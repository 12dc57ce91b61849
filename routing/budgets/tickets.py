"""What the keeper of this process's purses deals in: leases, the tickets of calls that wait, and why a budget does not pay."""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TypeAlias
from uuid import UUID

from routing.budgets.holding import Payer
from routing.budgets.ledger import Short
from routing.policy.purse import NONE, Purse
from routing.terms.words import BudgetAction

WAIT_S = 2.0  # for others to settle, before a call is told that the money is gone


@dataclass(eq=False, slots=True)
class Lease:
    """A purse with what the database was last told of it."""

    payer: Payer
    month: date
    purse: Purse[UUID | None] = field(default_factory=Purse)
    told: Decimal | None = NONE  # None: nobody knows whether the last word was heard
    used_at: float = 0.0  # of time.monotonic


Taken: TypeAlias = tuple[tuple[Lease, Decimal], ...]


class Unpaid(Exception):
    """A budget does not pay for an attempt. `short` is None when it could not be asked."""

    def __init__(self, payer: Payer, estimate: Decimal, short: Short | None) -> None:
        super().__init__(payer.scope)
        self.payer, self.estimate, self.short = payer, estimate, short

    @property
    def is_away(self) -> bool:
        return self.short is None

    @property
    def ends_the_call(self) -> bool:
        """Whether no other candidate helps: the limit is the caller's, not one provider's, and it blocks."""
        return self.payer.action is BudgetAction.BLOCK and not self.payer.scope.startswith("provider:")

    @property
    def left(self) -> Decimal:
        """What is neither spent nor promised to others."""
        return max(self.short.limit - self.short.spent - self.short.leased, NONE) if self.short else NONE


class Ticket:
    """A call that waits to be paid for."""

    def __init__(self, payers: tuple[Payer, ...], usd: Decimal, loop: asyncio.AbstractEventLoop) -> None:
        self.payers, self.usd = payers, usd
        self.since = time.monotonic()
        self.called = asyncio.Event()
        self.taken: Taken | None = None
        self.refusal: Unpaid | None = None  # the last; a later round may still serve it
        self._loop = loop

    @property
    def is_final(self) -> bool:
        """Whether waiting on is in vain: nothing that comes back would be enough, cheaper models can take over at once, or it was long enough."""
        short = self.refusal.short if self.refusal else None
        if self.refusal is None or short is None:
            return False
        is_late = time.monotonic() > self.since + WAIT_S
        return is_late or not short.may_come or self.refusal.payer.action is BudgetAction.DEGRADE

    def call(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.called.set)
