"""Budgets: what one scope may spend in a month, so that it holds under any number of calls and processes.

    reserve → call → settle

An attempt that a budget must hold for is reserved at its estimate before its provider is called, out of a lease that the process has in memory;
then it is settled at what it cost. No lock is held across a call, and where no budget must hold nothing is done at all. `spent_usd` is the sum of
the rows: whoever writes the rows of calls adds their costs in the same transaction (`book`), and until then a cost is a part of its process's
lease. The minute's `check` counts the rows anew and tells of the steps that were reached. Months are of CORTEX_TIME_ZONE.
"""

from routing.budgets.checking import check
from routing.budgets.counting import Spent, book, month_to_date
from routing.budgets.holding import Holding, Payer, holding, spent_scopes
from routing.budgets.keeper import close
from routing.budgets.months import month_of
from routing.budgets.reserving import NOTHING, Reservation, Unpaid, reserve
from routing.budgets.standing import Standing, standings

__all__ = [
    "NOTHING",
    "Holding",
    "Payer",
    "Reservation",
    "Spent",
    "Standing",
    "Unpaid",
    "book",
    "check",
    "close",
    "holding",
    "month_of",
    "month_to_date",
    "reserve",
    "spent_scopes",
    "standings",
]
