"""What every figure is made of: the plot with its table, axes, and labels that stand where their lines end."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

GOOD, BAD, WARN, INFO, MUTED = (f"var(--cx-{kind})" for kind in ("good", "bad", "warn", "info", "muted"))
GRID, SURFACE = "var(--cx-grid)", "var(--cx-surface)"
LN10 = math.log(10)
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
LABEL_PX = 15  # height of a direct label
PLOT_PX = 220  # height of the plotting area of a figure of middle size


@dataclass(frozen=True, slots=True)
class Plot:
    """A figure, and the same numbers for those who read."""

    figure: dict[str, Any]  # Plotly's {"data", "layout"}
    columns: Sequence[tuple[str, bool]] = ()  # label, numeric
    rows: Sequence[Sequence[str]] = field(default=())

    @property
    def table(self) -> dict[str, Any]:
        """As `_figure.html` takes it."""
        columns = [{"label": label, "numeric": numeric} for label, numeric in self.columns]
        return {"columns": columns, "rows": self.rows}


def model(key: str, opacity: int | None = None) -> str:
    """The colour of a model, the same on every page; `opacity` in per cent."""
    return f"var(--model:{key}{'' if opacity is None else f'~{opacity}'})"


def slug(key: str) -> str:
    """ "codex" of "openai:codex"."""
    return key.partition(":")[2] or key


def percent(share: float | None, digits: int = 1) -> str:
    return "–" if share is None else f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%".replace("-", "−")


def share_axis(low: float) -> dict[str, Any]:
    """An axis of shares from `low` to 1, its ticks written as everywhere else: "80 %"."""
    step = 0.05 if low > 0.7 else 0.1 if low > 0.4 else 0.2
    ticks = [tick for n in range(21) if (tick := round(1 - n * step, 2)) >= max(low, 0.0)]
    return {"tickvals": ticks, "ticktext": [percent(tick, 0) for tick in ticks], "range": [low, 1.005]}


def usd(amount: float | None) -> str:
    """Three significant digits, at least two decimals."""
    if amount is None:
        return "–"
    decimals = 2
    while amount and abs(amount) < 10 ** (2 - decimals) and decimals < 8:
        decimals += 1
    return f"${amount:,.{decimals}f}"


def e_value(log_e: float) -> str:
    """An e-value from its natural logarithm: "0.4", "60", "1,234", "10⁷"."""
    exponent = log_e / LN10
    if exponent >= 5:
        return f"10{str(round(exponent)).translate(SUPERSCRIPT)}"
    if exponent <= -3:
        return "under 0.001"
    value = 10.0**exponent
    return f"{value:,.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 0.95 else f"{value:.2g}"


def line(xs: Sequence[Any], ys: Sequence[Any], name: str, colour: str, **options: Any) -> dict[str, Any]:
    """A line trace; gaps where y is None."""
    return {
        "type": "scatter", "mode": "lines", "x": list(xs), "y": list(ys), "name": name, "connectgaps": False,
        "line": {"color": colour, "width": 2}, **options,
    }  # fmt: skip


def end_labels(ends: Mapping[str, tuple[Any, float, str]], low: float, high: float) -> list[dict[str, Any]]:
    """Direct labels: name → (x, y, colour) of the line's end; moved apart where they would cover one another."""
    px_of = PLOT_PX / (high - low) if high > low else 0.0
    placed: list[dict[str, Any]] = []
    floor = -math.inf
    for name, (x, y, colour) in sorted(ends.items(), key=lambda end: (end[1][1], end[0])):
        px = (y - low) * px_of
        at = max(px, floor)
        floor = at + LABEL_PX
        placed.append(
            {
                "x": x, "y": y, "text": name, "showarrow": False, "xanchor": "left", "yanchor": "middle", "xshift": 8,
                "yshift": round(at - px, 1), "font": {"color": colour},
            }
        )  # fmt: skip
    return placed


def layout(x: Mapping[str, Any], y: Mapping[str, Any], right: int = 8, **options: Any) -> dict[str, Any]:
    """Axes that cannot be dragged, and room on the right for the labels. What the browser's template says stays unsaid."""
    return {
        "xaxis": {"fixedrange": True, **x}, "yaxis": {"fixedrange": True, **y},
        "margin": {"l": 8, "r": right, "t": 12, "b": 8}, **options,
    }  # fmt: skip
