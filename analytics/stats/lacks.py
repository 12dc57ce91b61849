"""Why a pair is "not yet": what is missing, in items and in days at today's rate."""

from dataclasses import dataclass

import numpy as np

from analytics.stats import plans
from analytics.stats.arrays import Floats
from analytics.stats.evalues import reaches
from analytics.stats.found import Found
from analytics.stats.plans import Goal
from analytics.stats.proofs import P95_MARGIN
from analytics.stats.results import CHEAPER, MIN_GRADED, MIN_NIGHTS, Kind, Lack, Missing

USUAL = 1_000.0, 0.05  # graded items a night and share to plan with while nothing is explored


@dataclass(frozen=True, slots=True)
class Lacks:
    """What one pair lacks, and what a larger share would do."""

    missing: tuple[Missing, ...]
    share: float | None
    faster_share: float | None
    faster_days: int | None


def lacks_of(found: Found) -> list[Lacks]:
    """What every pair lacks; nothing where a kind is proved."""
    pace_a, pace_b = found.graded_pace
    volume = pace_a + pace_b
    kinds = _kinds(found)
    explored = pace_b > 0
    plan_b = np.where(explored, pace_b, USUAL[0] * USUAL[1])
    plan_a = np.where(explored, pace_a, USUAL[0] - plan_b)
    nights = np.min([plans.nights_to_all(goals, plan_a, plan_b) for goals in kinds], axis=0)
    share, days = plans.faster_share(kinds, volume, np.where(explored, nights, np.inf))
    opened_a, opened_b = found.opened_pace
    with np.errstate(invalid="ignore"):
        part = opened_b / (opened_a + opened_b)
    is_proved = np.any([kind.is_proved for kind in found.kinds.values()], axis=0)
    return [
        Lacks(
            missing=()
            if is_proved[pair]
            else (
                *_gates(found, pair, float(pace_b[pair])),
                *_proof(found, pair, nights[pair], pace_b[pair], plan_b[pair]),
            ),
            share=_or_none(part[pair]),
            faster_share=None if is_proved[pair] else _or_none(share[pair]),
            faster_days=None if is_proved[pair] or np.isnan(days[pair]) else int(days[pair]),
        )
        for pair in range(len(found.pairs.of))
    ]


def _kinds(found: Found) -> list[list[Goal]]:
    """The hypotheses each kind must reject, with the leads that the data leave to hope for."""
    pairs, processes = found.pairs, found.processes
    (n_a, n_b), (s_a, _) = pairs.totals["graded"], pairs.totals["successes"]
    rate = (s_a + 4) / (n_a + 5)
    thresholds = found.last(processes.log_threshold)

    def goal(log_e: Floats, rate: Floats, lead: Floats, m: Floats) -> Goal:
        return Goal(thresholds - found.last(log_e), rate, lead, m, thresholds)

    lead = found.success.estimate
    is_cheap = found.cost.challenger < CHEAPER * found.cost.incumbent
    better = goal(processes.better, rate, plans.expected_lead(lead, n_b, plans.HOPED_LEAD), -found.needed_lead)
    as_good = plans.expected_lead(lead, n_b, 0.0)
    # A kind whose other conditions fail in the data so far is not planned for: no lead is enough then.
    cheaper = goal(processes.not_worse, rate, np.where(is_cheap, as_good, -1.0), found.allowed_loss)
    t50, lead_50 = _within(found, "slower_p50")
    t95, lead_95 = _within(found, "slower_p95")
    return [
        [better],
        [cheaper],
        [
            goal(processes.faster, t50, lead_50, 0 * t50),
            goal(processes.not_slower, t95, lead_95, 0 * t95 + P95_MARGIN),
            goal(processes.not_worse, rate, as_good, found.allowed_loss),
        ],
    ]


def _within(found: Found, slower: str) -> tuple[Floats, Floats]:
    """The incumbent's share of items within a latency threshold, and the challenger's lead (−1 = not yet timed)."""
    (n_a, n_b), (slow_a, slow_b) = found.pairs.totals["timed"], found.pairs.totals[slower]
    rate = 1 - slow_a / np.maximum(n_a, 1)
    timed = (n_a > 0) & (n_b > 0)
    return rate, np.where(timed, 1 - slow_b / np.maximum(n_b, 1) - rate, -1.0)


def _gates(found: Found, pair: int, pace: float) -> list[Missing]:
    gates, missing = found.gates, []
    if not gates.has_items[pair]:
        items = MIN_GRADED - int(gates.graded[pair])
        missing.append(Missing(Lack.GRADED, items, int(np.ceil(items / pace)) if pace > 0 else None))
    if not gates.has_nights[pair]:
        missing.append(Missing(Lack.NIGHTS, days=MIN_NIGHTS - int(gates.nights[pair])))
    if not gates.has_labels[pair] and gates.has_items[pair]:
        missing.append(Missing(Lack.LABELS))
    if not gates.has_peace[pair]:
        missing.append(Missing(Lack.INCIDENT))
    return missing


def _proof(found: Found, pair: int, nights: float, pace: float, planned: float) -> list[Missing]:
    threshold = float(found.last(found.processes.log_threshold)[pair])
    is_reached = {kind: bool(reaches(one.log_e[pair], threshold)) for kind, one in found.kinds.items()}
    if any(is_reached[kind] and one.is_met[pair] for kind, one in found.kinds.items()):
        return [Missing(Lack.DISCOVERY)] if found.gates.are_open[pair] else []
    if is_reached[Kind.COST]:
        if not found.cost.is_priced[pair]:
            return [Missing(Lack.UNPRICED)]
        if found.cost.challenger[pair] < CHEAPER * found.cost.incumbent[pair]:
            return [Missing(Lack.COST)]
    if np.isinf(nights):
        return [Missing(Lack.NO_ADVANTAGE)]
    items, days = int(np.ceil(nights * planned)), int(nights) if pace > 0 else None
    return [Missing(Lack.VOLUME if nights > plans.FAR_DAYS and pace > 0 else Lack.EVIDENCE, items, days)]


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
