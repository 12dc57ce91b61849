"""A task type's models: their success over time, and what it costs."""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analytics.charts.plot import Plot, end_labels, layout, line, model, percent, share_axis, slug, usd


@dataclass(frozen=True, slots=True)
class Point:
    """A model's success in one stretch of days."""

    day: dt.date  # its first
    share: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A model's place between success and cost. Costs are USD a work item."""

    key: str
    success: float
    success_low: float
    success_high: float
    n: int
    cost: float
    cost_low: float | None  # None: no interval is known
    cost_high: float | None


def success_over_time(series: Mapping[str, Sequence[Point]]) -> Plot:
    """A line a model, with the 95 % interval of each stretch."""
    shown = {key: points for key, points in series.items() if points}
    every = [point for points in shown.values() for point in points]
    low = max(0.0, math.floor(min([point.low for point in every] or [0.0]) * 20) / 20)
    data = [_success_line(key, points) for key, points in shown.items()]
    ends = {slug(key): (points[-1].day.isoformat(), points[-1].share, model(key)) for key, points in shown.items()}
    y = share_axis(low - 0.02)
    days = sorted({point.day for point in every})
    x: dict[str, Any] = {"type": "date", "tickformat": "%-d %b", "nticks": 6}
    if days:
        x["range"] = [(days[0] - dt.timedelta(days=1)).isoformat(), (days[-1] + dt.timedelta(days=1)).isoformat()]
    rows = [
        [
            f"{point.day}",
            slug(key),
            percent(point.share),
            f"{percent(point.low)} – {percent(point.high)}",
            f"{point.n:,}",
        ]
        for day in reversed(days)
        for key, points in shown.items()
        for point in points
        if point.day == day
    ]
    columns = [("From", False), ("Model", False), ("Success", True), ("95 % interval", True), ("n", True)]
    return Plot(
        {"data": data, "layout": layout(x, y, right=104, annotations=end_labels(ends, low, 1.005))}, columns, rows
    )


def _success_line(key: str, points: Sequence[Point]) -> dict[str, Any]:
    hover = [
        f"{slug(key)}, {point.day}: {percent(point.share)} ({percent(point.low)} – {percent(point.high)}), n {point.n:,}"
        for point in points
    ]
    return line(
        [point.day.isoformat() for point in points],
        [point.share for point in points],
        slug(key),
        model(key),
        mode="lines+markers",
        marker={"color": model(key), "size": 6},
        text=hover,
        hoverinfo="text",
        error_y={
            "type": "data", "symmetric": False, "array": [point.high - point.share for point in points],
            "arrayminus": [point.share - point.low for point in points], "color": model(key, 50), "thickness": 1, "width": 0,
        },
    )  # fmt: skip


def success_against_cost(standings: Sequence[Standing]) -> Plot:
    """One cross a model: dear is right, good is up; the best are left and above."""
    data = [_cross(one) for one in standings]
    lows = [min(one.cost_low or one.cost, one.cost) for one in standings if one.cost > 0]
    highs = [max(one.cost_high or one.cost, one.cost) for one in standings]
    is_wide = bool(lows) and max(highs) / max(min(lows), 1e-12) > 8  # then only a log scale shows the cheap ones apart
    low = max(0.0, math.floor(min([one.success_low for one in standings] or [0.0]) * 20) / 20)
    x: dict[str, Any] = {"title": {"text": "USD a work item"}, "tickprefix": "$", "showgrid": True}
    if is_wide:
        x |= {"type": "log", "dtick": "D1", "exponentformat": "none"}
        x |= {"range": [math.log10(min(lows)) - 0.15, math.log10(max(highs)) + 0.35]}
        x |= _log_ticks(min(lows), max(highs))
    else:
        x |= {"range": [0, max(highs or [1.0]) * 1.25], "nticks": 6}
    y = {**share_axis(low), "title": {"text": "success"}}
    rows = [
        [slug(one.key), percent(one.success), f"{percent(one.success_low)} – {percent(one.success_high)}", f"{one.n:,}",
         usd(one.cost), f"{usd(one.cost_low)} – {usd(one.cost_high)}" if one.cost_low is not None else "–"]
        for one in standings
    ]  # fmt: skip
    columns = [
        ("Model", False), ("Success", True), ("95 % interval", True), ("n", True), ("USD a work item", True), ("95 % interval", True),
    ]  # fmt: skip
    return Plot({"data": data, "layout": layout(x, y, right=16)}, columns, rows)


def _log_ticks(low: float, high: float) -> dict[str, Any]:
    """Ticks at 1, 2 and 5 of each power of ten, only the ones when there are many."""
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    wide = math.log10(high / low) > 1.7
    ticks = [digit * 10.0**power for power in powers for digit in ((1,) if wide else (1, 2, 5))]
    return {
        "dtick": None,
        "tickvals": ticks,
        "ticktext": [f"${tick:.10f}".rstrip("0").rstrip(".") for tick in ticks],
        "tickprefix": "",
    }


def _cross(one: Standing) -> dict[str, Any]:
    colour = model(one.key)
    trace: dict[str, Any] = {
        "type": "scatter", "mode": "markers+text", "x": [one.cost], "y": [one.success], "name": slug(one.key),
        "text": [slug(one.key)], "textposition": "top right", "textfont": {"color": colour},
        "marker": {"color": colour, "size": 9},
        "hovertext": [f"{slug(one.key)}: {percent(one.success)} of {one.n:,}, {usd(one.cost)} a work item"], "hoverinfo": "text",
        "error_y": {
            "type": "data", "symmetric": False, "array": [one.success_high - one.success],
            "arrayminus": [one.success - one.success_low], "color": model(one.key, 60), "thickness": 1.5, "width": 3,
        },
    }  # fmt: skip
    if one.cost_low is not None and one.cost_high is not None:
        trace["error_x"] = {
            "type": "data", "symmetric": False, "array": [one.cost_high - one.cost], "arrayminus": [one.cost - one.cost_low],
            "color": model(one.key, 60), "thickness": 1.5, "width": 3,
        }  # fmt: skip
    return trace
