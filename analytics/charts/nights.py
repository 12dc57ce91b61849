"""The evidence night by night on its log scale, against what it has to reach; a guard's against what fires it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from analytics.charts.plot import BAD, INFO, LN10, MUTED, Plot, e_value, layout, line, percent

LEAST = -2.0  # exponents of ten: below, the evidence speaks against, and how much does not matter
MOST = 12.0
ROWS = 30  # nights that the table under the plot shows


def log_or_least(value: float | None) -> float:
    """The natural logarithm; of 0 or nothing what lies under every scale."""
    return math.log(value) if value and value > 0 else LEAST * 10


def log_of(point: Mapping[str, Any], kind: str) -> float:
    """ln E of the kind's own claim: what must be shown, so the least of the three for latency."""
    if kind == "cost":
        return float(point["log_not_worse"])
    if kind == "latency":
        return float(min(point["log_faster"], point["log_not_slower"], point["log_not_worse"]))
    return float(point["log_better"])


def over_nights(trail: Sequence[Mapping[str, Any]], kind: str) -> Plot:
    """E over the nights, with the threshold as it stood each night. `trail`: NightPoints as JSON, the oldest first."""
    nights = [str(point["night"]) for point in trail]
    logs = [log_of(point, kind) for point in trail]
    needed = [float(point["log_threshold"]) for point in trail]
    rows = [
        [night, f"{point['n_incumbent']:,}", f"{point['n_challenger']:,}", e_value(log), e_value(threshold)]
        for night, point, log, threshold in zip(nights, trail, logs, needed, strict=True)
    ]
    columns = [("Night", False), ("n incumbent", True), ("n challenger", True), ("E", True), ("needed", True)]
    return Plot(_climb(nights, logs, needed, "needed", INFO), columns, rows[: -ROWS - 1 : -1])


def guard_over_nights(trail: Sequence[Mapping[str, Any]], log_boundary: float) -> Plot:
    """A guard's evidence that the model got worse, and the line at which it fires. `trail`: WatchPoints as JSON."""
    nights = [str(point["night"]) for point in trail]
    logs = [float(point["log_m"] or 0.0) for point in trail]
    rows = [
        [night, f"{point['n']:,}", percent(point["successes"] / point["n"] if point["n"] else None), e_value(log)]
        for night, point, log in zip(nights, trail, logs, strict=True)
    ]
    columns = [("Night", False), ("graded", True), ("success", True), ("M", True)]
    boundary = [log_boundary] * len(logs)
    return Plot(_climb(nights, logs, boundary, "fires at", BAD), columns, rows[: -ROWS - 1 : -1])


def _climb(nights: list[str], logs: list[float], needed: list[float], word: str, colour: str) -> dict[str, Any]:
    """Exponents of ten on a linear axis with its powers written out: e-values outgrow a float."""
    shown = [min(max(log / LN10, LEAST), MOST) for log in logs]
    limits = [log / LN10 for log in needed]
    top, low = max([*shown, *limits, 1.0]) * 1.12, min([*shown, 0.0]) - 0.15
    step = max(1, math.ceil((top - low) / 6))
    ticks = range(math.ceil(low), math.floor(top) + 1, step)
    hover = [f"{night}: E = {e_value(log)}" for night, log in zip(nights, logs, strict=True)]
    dashed = {"color": MUTED, "width": 1.5, "dash": "dash", "shape": "hv"}
    data = [
        line(nights, limits, word, MUTED, line=dashed, hoverinfo="skip"),
        line(nights, shown, "E", colour, text=hover, hoverinfo="text"),
        {"type": "scatter", "mode": "markers", "x": nights[-1:], "y": shown[-1:], "hoverinfo": "skip",
         "marker": {"color": colour, "size": 8}},
    ]  # fmt: skip
    notes = [
        {"x": nights[0], "y": limits[0], "text": f"{word} {e_value(needed[-1])}", "showarrow": False, "xanchor": "left",
         "yanchor": "bottom", "font": {"color": MUTED}}
    ] if nights else []  # fmt: skip
    y = {"range": [low, top], "tickvals": list(ticks), "ticktext": [e_value(tick * LN10) for tick in ticks]}
    x = {"type": "date", "tickformat": "%-d %b", "nticks": 6}
    return {"data": data, "layout": layout(x, y, right=16, annotations=notes)}
