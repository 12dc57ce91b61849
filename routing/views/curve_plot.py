"""The degradation curve as a figure: its levels as bands, and how full each window was today."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import Any

from django.utils import timezone

BANDS = ("good", "info", "warn", "bad")
TOP = 108.0  # per cent; what goes beyond widens the axis
LEAST_GAP = 5  # per cent between two levels that both have room for a line of text on the large figure


@dataclass(frozen=True, slots=True)
class Line:
    """One window today: (when, per cent)."""

    name: str
    points: Sequence[tuple[datetime, float]]


def figure(
    steps: Iterable[Mapping[str, Any]],
    lines: Sequence[Line] = (),
    now: datetime | None = None,
    least_gap: float = LEAST_GAP,
) -> dict[str, Any]:
    """Plotly's {"data", "layout"}. Steps whose bound is no number yet are left out: the form may still be being filled in."""
    moment = timezone.localtime(now)
    begin = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    levels = [(bound, step) for step in steps if (bound := _number(step.get("from"))) is not None]
    highest = max(
        [TOP, *(bound + 8 for bound, _ in levels), *(value + 5 for line in lines for _, value in line.points)]
    )
    ticks = [
        bound for number, (bound, _) in enumerate(levels) if not number or bound - levels[number - 1][0] >= least_gap
    ]
    ends = [*(bound for bound, _ in levels[1:]), highest]
    return {
        "data": [_trace(line, number, moment) for number, line in enumerate(lines)],
        "layout": {
            "xaxis": {
                "type": "date", "range": [_local(begin), _local(begin + timedelta(days=1))], "tickformat": "%H:%M", "nticks": 7, "fixedrange": True,
            },
            "yaxis": {
                "range": [0, highest], "tickvals": ticks, "ticktext": [f"{bound:g} %" for bound in ticks], "fixedrange": True, "showgrid": False,
            },
            "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
            "shapes": [
                *(_band(bound, end, number, len(levels)) for number, ((bound, _), end) in enumerate(zip(levels, ends, strict=False))),
                {
                    "type": "line", "xref": "x", "x0": _local(moment), "x1": _local(moment), "yref": "paper", "y0": 0, "y1": 1,
                    "line": {"color": "var(--cx-axis)", "width": 1, "dash": "dot"},
                },
            ],
            "annotations": [
                {
                    "xref": "paper", "x": 0.005, "xanchor": "left", "y": bound, "yanchor": "bottom", "showarrow": False, "align": "left",
                    "text": escape(", ".join(map(str, step.get("allowed") or ()))) or "nothing", "font": {"size": 11, "color": "var(--cx-plot-text)"},
                }
                for number, (bound, step) in enumerate(levels)
                if ends[number] - bound >= least_gap
            ],
        },
    }  # fmt: skip


def _band(bound: float, end: float, number: int, count: int) -> dict[str, Any]:
    """The strip of one level: the higher, the more alarming."""
    kind = BANDS[round(number * (len(BANDS) - 1) / max(count - 1, 1))]
    return {
        "type": "rect", "xref": "paper", "x0": 0, "x1": 1, "y0": bound, "y1": end, "layer": "below",
        "fillcolor": f"var(--cx-{kind}~10)", "line": {"width": 0.5, "color": "var(--cx-grid)"},
    }  # fmt: skip


def _trace(line: Line, number: int, now: datetime) -> dict[str, Any]:
    """A stair: a reading holds until the next one."""
    times = [*(_local(timezone.localtime(at)) for at, _ in line.points), _local(now)]
    values = [value for _, value in line.points]
    return {
        "type": "scatter", "mode": "lines+markers", "x": times, "y": [*values, values[-1]] if values else [], "name": escape(line.name),
        "line": {"color": f"var(--cx-model-{number % 12})", "width": 2, "shape": "hv"}, "marker": {"size": 5},
        "hovertemplate": f"{escape(line.name)}: %{{y:.0f}} %, %{{x|%H:%M}}<extra></extra>",
    }  # fmt: skip


def _local(moment: datetime) -> str:
    """As the clock on the wall reads it: Plotly knows no zones."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


def _number(value: Any) -> float | None:
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if 0 <= found <= 1000 else None
