"""Where each budget stands: the one place that pages, the API and the command line read it from."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from routing.budgets.months import month_of
from routing.models import Budget
from routing.policy.purse import NONE, forecast
from routing.terms.words import BudgetAction


@dataclass(frozen=True, slots=True)
class Standing:
    scope: str
    limit: Decimal
    spent: Decimal  # this month, by the rows
    reserved: Decimal  # on leases: for attempts on their way, and what processes keep at hand
    forecast: Decimal  # of the month, at its pace so far
    at_limit: BudgetAction
    enabled: bool
    simulated: bool
    begin: datetime
    end: datetime

    @property
    def left(self) -> Decimal:
        return max(self.limit - self.spent - self.reserved, NONE)

    @property
    def share(self) -> float:
        """Of the limit, what is spent. A limit of 0 is reached."""
        return float(self.spent / self.limit) if self.limit else 1.0

    @property
    def is_reached(self) -> bool:
        return self.spent >= self.limit

    @property
    def state(self) -> str:
        """ "within", or what the reached limit does: "reached" (a person is told), "blocked", "degraded"; "off" when it is switched off."""
        if not self.enabled:
            return "off"
        words = {BudgetAction.ALERT: "reached", BudgetAction.BLOCK: "blocked", BudgetAction.DEGRADE: "degraded"}
        return words[self.at_limit] if self.is_reached else "within"

    @property
    def goes_beyond(self) -> bool:
        """Whether at this pace the limit is passed within the month."""
        return self.forecast > self.limit

    def told(self) -> dict[str, Any]:
        """What the state adds to a budget of the table."""
        return {
            "spent_usd": _plain(self.spent),
            "reserved_usd": _plain(self.reserved),
            "left_usd": _plain(self.left),
            "forecast_usd": _plain(self.forecast.quantize(Decimal("0.01"))),
            "state": self.state,
            "simulated": self.simulated,
            "month": self.begin.date().isoformat()[:7],
            "resets_at": self.end.isoformat(),
        }


def standings(now: datetime, scopes: Collection[str] | None = None) -> list[Standing]:
    """Of these scopes, or of all, by their names. One query."""
    begin, end = month_of(now)
    passed = (now - begin) / (end - begin)
    rows = Budget.objects.order_by("scope")
    found = []
    for row in rows if scopes is None else rows.filter(scope__in=scopes):
        is_current = row.month == begin.date()
        spent = row.spent_usd if is_current else NONE
        found.append(
            Standing(
                scope=row.scope,
                limit=row.monthly_usd,
                spent=spent,
                reserved=max(row.reserved_usd, NONE) if is_current else NONE,
                forecast=forecast(spent, passed),
                at_limit=BudgetAction(row.at_limit),
                enabled=row.enabled,
                simulated=is_current and row.simulated,
                begin=begin,
                end=end,
            )
        )
    return found


def _plain(usd: Decimal) -> str:
    return format(usd.normalize(), "f")
