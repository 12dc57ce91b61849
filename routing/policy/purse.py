"""The arithmetic of budgets that hold: how much of a budget's rest a process may take with it, and what it does with that.

A budget's limit is parted in three: what is spent (the rows say so), what is out on leases, and the rest. A lease is what one process holds; of
that some is free, some is held for attempts that are on their way, some is owed for attempts that have ended and whose rows are not there yet.
Amounts are USD. Nothing here is ever negative, and nothing but `grant` makes a lease larger: so spent + leases never pass the limit as long as
no attempt costs more than what was held for it.
"""

from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_DOWN, Decimal
from typing import Generic, TypeVar

from routing.policy.cost import PLACES

LEAST_LEASES = 10  # a budget's rest is enough for that many leases: no process takes more than a tenth of it
NONE = Decimal(0)
Call = TypeVar("Call")


def grant(limit: Decimal, spent: Decimal, leased: Decimal, need: Decimal) -> Decimal | None:
    """What a process that needs `need` gets of the rest: a tenth of it, or near the end just what it needs. None: that is not there."""
    rest = limit - spent - leased
    if need > rest:
        return None
    return max(need, (rest / LEAST_LEASES).quantize(PLACES, ROUND_DOWN))


def may_come(limit: Decimal, spent: Decimal, need: Decimal) -> bool:
    """Whether the need could be met if all that is out on leases came back."""
    return spent + need <= limit


@dataclass(slots=True)
class Purse(Generic[Call]):
    """One process's lease of one budget."""

    free: Decimal = NONE
    held: Decimal = NONE  # for attempts on their way
    owed: dict[Call, Decimal] = field(
        default_factory=dict
    )  # for attempts that have ended, until the rows of their calls are there

    @property
    def total(self) -> Decimal:
        return self.free + self.held + sum(self.owed.values(), NONE)

    def put_in(self, usd: Decimal) -> None:
        self.free += usd

    def take(self, usd: Decimal) -> bool:
        """Hold so much for an attempt; False when it is not free."""
        if usd > self.free:
            return False
        self.free -= usd
        self.held += usd
        return True

    def settle(self, call: Call, usd: Decimal, cost: Decimal) -> None:
        """The attempt for which `usd` was held has cost `cost`. What it cost beyond that is taken from what is free, as far as that goes."""
        self.held -= usd
        paid = min(cost, usd + self.free)
        self.free += usd - paid
        if paid:
            self.owed[call] = self.owed.get(call, NONE) + paid

    def booked(self, call: Call) -> None:
        """The call's rows are there, and counted as spent: its part of the lease is used up."""
        self.owed.pop(call, None)

    def empty(self) -> Decimal:
        """Take out what is free."""
        usd, self.free = self.free, NONE
        return usd


@dataclass(frozen=True, slots=True)
class Spending:
    """What a month has cost a scope. Simulated money counts only while no real money was spent."""

    month: date
    usd: Decimal = NONE
    simulated: bool = False  # the money is simulated

    def plus(self, month: date, real: Decimal, simulated: Decimal) -> "Spending":
        """With the costs of more calls, which began in `month`. Those of an earlier month count no more; a later one begins anew."""
        if month < self.month:
            return self
        before = self if month == self.month else Spending(month)
        if real > 0:
            return Spending(month, real + (NONE if before.simulated else before.usd))
        if simulated > 0 and (before.simulated or not before.usd):
            return Spending(month, before.usd + simulated, simulated=True)
        return before


def forecast(spent: Decimal, passed: float) -> Decimal:
    """What a month will have cost at its pace so far; `passed` is the share of it that is over, above 0."""
    return spent / Decimal(str(max(passed, 1e-6)))
