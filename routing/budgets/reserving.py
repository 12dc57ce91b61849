"""What dispatch asks for before each attempt, and says after it."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from routing.budgets import keeper
from routing.budgets.holding import Payer
from routing.budgets.tickets import WAIT_S, Taken, Ticket, Unpaid

ANSWER_S = 8.0  # more, for the database to say anything at all, while nobody knows it to be away

__all__ = ["NOTHING", "Reservation", "Unpaid", "reserve"]


class Reservation:
    """What several budgets hold for one attempt. Settled once; what comes after that changes nothing."""

    def __init__(self, call: UUID, estimate: Decimal, taken: Taken | None) -> None:
        self.estimate = estimate
        self._call, self._taken = call, taken

    def settle(self, cost: Decimal | None) -> None:
        """The attempt is over and has cost so much; None: nothing that anybody knows of, and all of it goes back."""
        taken, self._taken = self._taken, None
        if taken is not None:
            keeper.current().settle(taken, self._call, cost or Decimal(0))


NOTHING = Reservation(UUID(int=0), Decimal(0), None)  # where no budget must hold


async def reserve(payers: Sequence[Payer], estimate: Decimal, call: UUID) -> Reservation:
    """Hold the estimate at all payers, or at none of them. Raises Unpaid, after WAIT_S at the latest. No query here: a thread asks for leases."""
    there = keeper.current()
    taken = there.take(payers, estimate)
    if taken is None:
        taken = await _queued(there, Ticket(tuple(payers), estimate, asyncio.get_running_loop()))
    return Reservation(call, estimate, taken)


async def _queued(there: keeper.Keeper, ticket: Ticket) -> Taken:
    first = ticket.payers[0]
    there.queue(ticket)
    try:
        if not await _called(ticket, WAIT_S) and ticket.refusal is None and not there.is_away:
            await _called(ticket, ANSWER_S)
    except BaseException:
        there.leave(ticket)
        if ticket.taken is not None:
            there.settle(ticket.taken, None, Decimal(0))
        raise
    there.leave(ticket)
    if ticket.taken is None:
        raise ticket.refusal or Unpaid(first, estimate=ticket.usd, short=None)
    return ticket.taken


async def _called(ticket: Ticket, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await ticket.called.wait()
    except TimeoutError:
        return False
    return True
