"""A night's findings told pair by pair: arrays in, one Comparison out."""

import datetime as dt

import numpy as np

from analytics.stats.found import N_BUCKETS, Found
from analytics.stats.lacks import Lacks
from analytics.stats.measures import Gap
from analytics.stats.rates import wilson_interval
from analytics.stats.results import ALPHA, BucketRow, Comparison, Interval, Kind, NightPoint, Proof
from analytics.stats.sequences import SUCCESS_STAR, two_sided

LOG_STAR = 0.05  # speed intervals are tightest about where they are 5 % wide
LARGEST = 1e300
PREFERRED = (Kind.QUALITY, Kind.COST, Kind.LATENCY)  # the name of a proof that is several kinds at once
EPOCH = dt.date(1970, 1, 1)


def comparison(found: Found, pair: int, lacks: Lacks) -> Comparison:
    """Everything known tonight about one pair."""
    pairs, cost = found.pairs, found.cost
    run, challenger = pairs.of[pair]
    proofs = tuple(_proof(found, kind, pair) for kind in Kind)
    verdict = next((kind for kind in PREFERRED for proof in proofs if proof.kind is kind and proof.is_proved), None)
    shown = max(proofs, key=lambda proof: (proof.kind is verdict, proof.log_e))
    n, s = _counts(found, "graded", pair), _counts(found, "successes", pair)
    k = int(found.processes.challengers[pairs.span(pair)][-1])
    return Comparison(
        task_type=run.task_type,
        incumbent=run.served.model,
        challenger=challenger.model,
        simulated=run.served.simulated,
        definition=run.definition,
        as_of=_date(found.today),
        since=_date(run.since),
        nights=int(found.gates.nights[pair]),
        n_incumbent=n[0],
        successes_incumbent=s[0],
        n_challenger=n[1],
        successes_challenger=s[1],
        rate_incumbent=_rate(s[0], n[0]),
        rate_challenger=_rate(s[1], n[1]),
        success=_success(found.success, pair),
        success_bounds=None if found.gates.has_labels[pair] else _bounds(found, pair),
        cost_incumbent=_number(cost.incumbent[pair]),
        cost_challenger=_number(cost.challenger[pair]),
        cost=_interval(cost.gap, pair, float(cost.star[pair])) if cost.is_priced[pair] else None,
        saving_bound=_number(cost.saving_bound[pair]),
        is_dearer=bool(cost.is_dearer[pair]),
        cost_cut=sum(_counts(found, "cost_cut", pair)),
        unpriced=sum(_counts(found, "opened", pair)) - sum(_counts(found, "priced", pair)),
        saving_per_day=_number((cost.incumbent[pair] - cost.challenger[pair]) * found.opened_pace[0][pair]),
        ttft=_ratio(found.ttft, pair),
        total=_ratio(found.total, pair),
        margin=float(found.needed_lead[pair] if verdict is Kind.QUALITY else found.allowed_loss[pair]),
        challengers=k,
        threshold=k / ALPHA,
        comparisons_tonight=int(found.gates.are_open.sum()),
        proofs=proofs,
        e_value=shown.e_value,
        verdict=verdict,
        lacks=lacks.missing,
        share=lacks.share,
        faster_share=lacks.faster_share,
        faster_days=lacks.faster_days,
        buckets=_buckets(found, pair),
        trail=_trail(found, pair),
    )


def _counts(found: Found, column: str, pair: int) -> tuple[int, int]:
    a, b = found.pairs.totals[column]
    return int(a[pair]), int(b[pair])


def _proof(found: Found, kind: Kind, pair: int) -> Proof:
    tonight = found.kinds[kind]
    log_e = float(tonight.log_e[pair])
    return Proof(
        kind=kind,
        log_e=log_e,
        e_value=float(min(np.exp(min(log_e, 700.0)), LARGEST)),
        is_eligible=bool(tonight.is_eligible[pair]),
        is_discovery=bool(tonight.is_discovery[pair]),
        is_proved=bool(tonight.is_proved[pair]),
    )


def _rate(successes: int, n: int) -> Interval:
    low, high = wilson_interval(successes, n)
    return Interval(successes / n if n else float("nan"), low, high)


def _interval(gap: Gap, index: int, star: float) -> Interval | None:
    """The difference with its 95 % confidence sequence; None where nothing can be compared."""
    estimate, se = float(gap.estimate[index]), float(gap.se[index])
    return None if np.isnan(estimate) or np.isnan(se) or np.isnan(star) else two_sided(estimate, se, star)


def _success(gap: Gap, index: int) -> Interval | None:
    """A difference of rates, which cannot leave −1 to 1 however little is known."""
    found = _interval(gap, index, SUCCESS_STAR)
    return found and Interval(found.estimate, max(found.low, -1.0), min(found.high, 1.0))


def _ratio(gap: Gap, pair: int) -> Interval | None:
    """A difference of mean logarithms as the relative difference of geometric means."""
    logs = _interval(gap, pair, LOG_STAR)
    return logs and Interval(*(float(np.expm1(x)) for x in (logs.estimate, logs.low, logs.high)))


def _bounds(found: Found, pair: int) -> Interval | None:
    """The plain difference of rates if every missing label spoke against the challenger, or for it."""
    (drawn_a, drawn_b), (n_a, n_b), (s_a, s_b) = (_counts(found, c, pair) for c in ("drawn", "graded", "successes"))
    if not (n_a and n_b):
        return None
    low = s_b / drawn_b - (s_a + drawn_a - n_a) / drawn_a
    high = (s_b + drawn_b - n_b) / drawn_b - s_a / drawn_a
    return Interval(s_b / n_b - s_a / n_a, low, high)


def _buckets(found: Found, pair: int) -> tuple[BucketRow, ...]:
    rows = []
    for bucket in range(N_BUCKETS):
        group = N_BUCKETS * pair + bucket
        n_a, s_a, n_b, s_b = (int(counts[group]) for counts in found.bucket_counts)
        if n_a or n_b:
            rows.append(BucketRow(bucket, n_a, s_a, n_b, s_b, _success(found.by_bucket, group)))
    return tuple(rows)


def _trail(found: Found, pair: int) -> tuple[NightPoint, ...]:
    span, processes = found.pairs.span(pair), found.processes
    n_a, n_b = (np.cumsum(by_night[span]).astype(int).tolist() for by_night in found.graded_by_night)
    logs = (processes.better, processes.not_worse, processes.faster, processes.not_slower, processes.log_threshold)
    nights = map(_date, found.pairs.nights[span].tolist())
    return tuple(map(NightPoint, nights, n_a, n_b, *(log[span].tolist() for log in logs)))


def _date(days: int) -> dt.date:
    return EPOCH + dt.timedelta(days=days)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
