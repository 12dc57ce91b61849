"""Spend day by day, one colour a model."""

import datetime as dt
from collections.abc import Mapping

from analytics.charts.plot import MUTED, Plot, layout, model, slug, usd

NAMED = 7  # models with a colour of their own; the rest is "others"


def by_day(spent: Mapping[tuple[dt.date, str], float]) -> Plot:
    """Stacked bars, the dearest model at the bottom. `spent`: (day, "provider:model") → USD."""
    totals: dict[str, float] = {}
    for (_, key), amount in spent.items():
        totals[key] = totals.get(key, 0.0) + amount
    order = sorted(totals, key=lambda key: (-totals[key], key))
    named, rest = order[:NAMED], order[NAMED:]
    days = sorted({day for day, _ in spent})
    stacks = {key: [spent.get((day, key), 0.0) for day in days] for key in named}
    if rest:
        stacks["others"] = [sum(spent.get((day, key), 0.0) for key in rest) for day in days]
    data = [
        {
            "type": "bar", "x": [day.isoformat() for day in days], "y": amounts, "name": slug(key),
            "marker": {"color": MUTED if key == "others" else model(key)},
            "hovertext": [f"{slug(key)}, {day}: {usd(amount)}" for day, amount in zip(days, amounts, strict=True)], "hoverinfo": "text",
        }
        for key, amounts in stacks.items()
    ]  # fmt: skip
    figure = {
        "data": data,
        "layout": layout(
            {"type": "date", "tickformat": "%-d %b", "nticks": 8}, {"tickprefix": "$", "nticks": 5}, barmode="stack", bargap=0.25,
            showlegend=True, legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "traceorder": "normal"},
        ),
    }  # fmt: skip
    columns = [("Day", False), *((slug(key), True) for key in stacks), ("all", True)]
    rows = [
        [
            f"{day}",
            *(usd(amounts[at]) for amounts in stacks.values()),
            usd(sum(amounts[at] for amounts in stacks.values())),
        ]
        for at, day in reversed(list(enumerate(days)))
    ]
    return Plot(figure, columns, rows)
