"""Differences of two models with their intervals, drawn around one zero: challenger − incumbent."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from analytics.charts.plot import e_value
from analytics.stats.results import FIRES_AT

MIDDLE, HALF = 100.0, 96.0  # of a bar 200 wide: where zero is, how far either side goes
WIDEST = 1.0  # relative differences beyond ±100 % leave the bar, and say so


@dataclass(frozen=True, slots=True)
class Difference:
    """One measure: what it says, and where its bar lies."""

    label: str
    note: str  # how far its bar reaches
    told: str | None  # the estimate; None: cannot be said
    interval: str
    word: str  # better, worse, or no clear difference
    kind: str  # good, bad or off
    left: str = ""  # coordinates of the interval, of the estimate, of the margin ("" = none), as SVG wants them
    width: str = ""
    at: str = ""
    mark: str = ""
    is_cut: bool = False  # it reaches beyond the bar


def differences(evidence: Mapping[str, Any]) -> list[Difference]:
    """Success in points; cost, first token and total relative to the incumbent, all three on one scale."""
    cost, base = evidence.get("cost"), evidence.get("cost_incumbent")
    relative = {
        "Cost a work item": {side: value / base for side, value in cost.items()} if cost and base else None,
        "First token": evidence.get("ttft"),
        "Total time": evidence.get("total"),
    }
    reach = _reach([each for each in relative.values() if each], at_least=0.1, at_most=WIDEST)
    margin = float(evidence.get("margin") or 0.0)
    success = evidence.get("success")
    rows = [_success(success, margin)]
    return rows + [_relative(label, each, reach) for label, each in relative.items()]


def _success(found: Mapping[str, float] | None, margin: float) -> Difference:
    if not found:
        return _none("Success", "success in points")
    reach = _reach([found], at_least=2 * margin or 0.05)
    note = f"success to ±{100 * reach:.0f} points, the dotted tick at the margin of −{100 * margin:.0f}"
    told = f"{_signed(100 * found['estimate'])} points"
    return _placed("Success", note, told, found, reach, lower_is_better=False, mark=-margin)


def _relative(label: str, found: Mapping[str, float] | None, reach: float) -> Difference:
    if not found:
        return _none(label, f"cost and time relative to the incumbent, to ±{100 * reach:.0f} %")
    told = f"{_signed(100 * found['estimate'])} %"
    return _placed(
        label,
        f"cost and time relative to the incumbent, to ±{100 * reach:.0f} %",
        told,
        found,
        reach,
        lower_is_better=True,
    )


def _placed(
    label: str,
    note: str,
    told: str,
    found: Mapping[str, float],
    reach: float,
    *,
    lower_is_better: bool,
    mark: float | None = None,
) -> Difference:
    low, high = found["low"], found["high"]
    is_up, is_down = low > 0, high < 0
    word, kind = "no clear difference", "off"
    if is_up or is_down:
        word, kind = ("better", "good") if is_down == lower_is_better else ("worse", "bad")
    left, right, at = (_x(value, reach) for value in (low, high, found["estimate"]))
    return Difference(
        label=label,
        note=note,
        told=told,
        interval=f"{_signed(100 * low)} to {_signed(100 * high)}",
        word=word,
        kind=kind,
        left=f"{left:.1f}",
        width=f"{max(right - left, 1.0):.1f}",
        at=f"{at:.1f}",
        mark="" if mark is None else f"{_x(mark, reach):.1f}",
        is_cut=max(abs(low), abs(high)) > reach,
    )


def _none(label: str, note: str) -> Difference:
    return Difference(label, note, None, "", "not measured on both models", "off")


def _reach(found: list[Mapping[str, float]], *, at_least: float, at_most: float = 1.0) -> float:
    widest = max((abs(each[side]) for each in found for side in ("low", "high")), default=0.0)
    return min(max(widest * 1.1, at_least), at_most)


def _x(value: float, reach: float) -> float:
    return MIDDLE + HALF * min(max(value / reach, -1.0), 1.0)


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−")


@dataclass(frozen=True, slots=True)
class Strength:
    """How strong the evidence is, on a log scale whose middle is the threshold."""

    share: float  # of the bar
    told: str  # "E = 312, needed 60"
    kind: str

    MARK = 0.5


def strength(log_e: float, log_threshold: float, told: str = "E = {}, needed {}") -> Strength:
    share = log_e / (2 * log_threshold) if log_threshold > 0 else 0.0
    is_there = log_e >= log_threshold - 1e-9
    words = told.format(e_value(log_e), e_value(log_threshold))
    return Strength(min(max(share, 0.0), 1.0), words, "good" if is_there else "info")


def alarm(log_m: float) -> Strength:
    """How near a guard is to firing."""
    found = strength(log_m, math.log(FIRES_AT), "M = {}, fires at {}")
    return replace(found, kind="bad") if found.kind == "good" else found
