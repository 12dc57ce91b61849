"""What was spent, by whom and on what: exact sums of frozen attempt costs. What has no price is listed, never $0."""

import datetime as dt
from dataclasses import dataclass, replace
from decimal import Decimal

from django.db.models import F, Sum

from analytics.models import Rollup
from analytics.queries import MODEL
from analytics.statements import day_start

DIMENSIONS = ("provider", "model", "task_type", "project", "client")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a spend table."""

    name: str  # slug, or "provider:model"; "" = none named
    attempts: int
    cost_usd: Decimal
    share: float | None  # of the period's spend; None when nothing was spent
    unpriced: int  # attempts that used tokens and have no price
    simulated: bool  # all of it


def by(dimension: str, since: dt.date, until: dt.date, *, simulated: bool | None = None) -> list[Line]:
    """Spend of [since, until) by one of DIMENSIONS, the dearest first. Raises ValueError for another word."""
    if dimension not in DIMENSIONS:
        raise ValueError(f"Spend is told by {', '.join(DIMENSIONS)}, not by {dimension!r}.")
    rows = Rollup.objects.filter(hour__gte=day_start(since), hour__lt=day_start(until))
    if simulated is not None:
        rows = rows.filter(simulated=simulated)
    named = rows.annotate(name=MODEL if dimension == "model" else F(dimension)).values("name", "simulated")
    lines: dict[str, Line] = {}
    for row in named.annotate(tried=Sum("attempts"), cost=Sum("cost_usd"), free=Sum("unpriced")):
        old = lines.get(row["name"], Line(row["name"], 0, Decimal(0), None, 0, True))
        lines[row["name"]] = Line(
            row["name"],
            old.attempts + row["tried"],
            old.cost_usd + row["cost"],
            None,
            old.unpriced + row["free"],
            old.simulated and row["simulated"],
        )
    total = sum(line.cost_usd for line in lines.values())
    told = [replace(one, share=float(one.cost_usd / total) if total else None) for one in lines.values()]
    return sorted(told, key=lambda line: (-line.cost_usd, line.name))
