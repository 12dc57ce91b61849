"""The evidence in words that a person understands. PURE: results in, sentences out."""

from collections.abc import Mapping

from analytics.stats.results import CHEAPER, Comparison, Interval, Kind, Lack, Missing


def model_name(key: str) -> str:
    """ "anthropic:haiku" as the start of a sentence: "Haiku"."""
    slug = slug_of(key)
    return slug[:1].upper() + slug[1:]


def slug_of(key: str) -> str:
    return key.partition(":")[2] or key


def task_name(task_type: str) -> str:
    return task_type.replace("_", " ").replace("-", " ")


def percent(share: float, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f} %".replace("-", "−")


def points(interval: Interval) -> str:
    """ "+2.1 points (95 % interval +0.4 to +3.8)"."""
    estimate, low, high = (
        f"{100 * x:+.1f}".replace("-", "−") for x in (interval.estimate, interval.low, interval.high)
    )
    return f"{estimate} points (95 % interval {low} to {high})"


def usd(amount: float) -> str:
    """Dollars with three significant digits, at least two decimals: "$0.00123", "$12.30"."""
    if amount == 0:
        return "$0"
    decimals = 2
    while abs(amount) < 10 ** (2 - decimals) and decimals < 8:
        decimals += 1
    return f"{'−' if amount < 0 else ''}${abs(amount):,.{decimals}f}"


def failures(key: str, n: int, successes: int, rate: Interval) -> str:
    """ "30 % (21 of 70, 95 % interval 20–42 %)"."""
    low, high = 100 * (1 - rate.high), 100 * (1 - rate.low)
    return f"{percent(1 - rate.estimate)} ({n - successes:,} of {n:,}, 95 % interval {low:.0f}–{high:.0f} %)"


def explain(one: Comparison) -> str:
    """Why the change is proposed, with its counts: the sentence on a proposal's card."""
    old, new = model_name(one.incumbent), model_name(one.challenger)
    work = task_name(one.task_type)
    proposed = f"Proposed: {slug_of(one.incumbent)} → {slug_of(one.challenger)}"
    fails = (
        f"{old} fails on {work} {failures(one.incumbent, one.n_incumbent, one.successes_incumbent, one.rate_incumbent)}. "
        f"{new} fails {failures(one.challenger, one.n_challenger, one.successes_challenger, one.rate_challenger)}."
    )
    if one.verdict is Kind.COST:
        return f"{_price(one)} {_not_worse(one)} {fails} {proposed}{_saving(one)}."
    if one.verdict is Kind.LATENCY:
        return f"{new} answers {work} {_speed(one)}, and is not slower at the 95th percentile. {_not_worse(one)} {proposed}."
    lead = f" Like for like the difference is {points(one.success)}." if one.success else ""
    return f"{fails}{lead}{_dearer(one)} {proposed}{_saving(one)}."


def _price(one: Comparison) -> str:
    old, new = model_name(one.incumbent), model_name(one.challenger)
    if one.cost_incumbent is None or one.cost_challenger is None:
        return f"{new} costs less than {old} on {task_name(one.task_type)}."
    less = 1 - one.cost_challenger / one.cost_incumbent
    return (
        f"{new} does {task_name(one.task_type)} for {usd(one.cost_challenger)} a work item where {old} "
        f"costs {usd(one.cost_incumbent)} ({percent(less)} less; at least {percent(1 - CHEAPER)} is shown)."
    )


def _not_worse(one: Comparison) -> str:
    gap = f": {points(one.success)}" if one.success else ""
    return f"Its success is not more than {100 * one.margin:.0f} points lower{gap}."


def _dearer(one: Comparison) -> str:
    if not one.is_dearer or one.cost_incumbent is None or one.cost_challenger is None:
        return ""
    return f" It costs {usd(one.cost_challenger)} a work item instead of {usd(one.cost_incumbent)}."


def _saving(one: Comparison) -> str:
    if one.saving_per_day is None or abs(one.saving_per_day) * 30 < 0.005:
        return ""
    month = 30 * one.saving_per_day
    return f", {'saving' if month > 0 else 'for'} about {usd(abs(month))} a month{'' if month > 0 else ' more'}"


def _speed(one: Comparison) -> str:
    return f"{percent(-one.total.estimate)} faster" if one.total else "faster"


def not_yet(one: Comparison) -> str:
    """Why there is no proposal, with what is missing: "needs about 170 graded calls of the challenger; at today's rate 12 days"."""
    if one.verdict is not None:
        return ""
    said = [_missing(one, missing) for missing in one.lacks]
    text = "; ".join(part for part in said if part)
    if one.faster_share is not None and one.faster_days is not None and _waits_for_calls(one):
        text += f", or {one.faster_days} days with {percent(one.faster_share)} of the items explored"
    return text[:1].upper() + text[1:] + "." if text else "Nothing to say yet."


def _waits_for_calls(one: Comparison) -> bool:
    """More of the challenger's calls are what is missing, so that exploring more would bring the answer sooner."""
    return any(missing.reason in (Lack.GRADED, Lack.EVIDENCE, Lack.VOLUME) for missing in one.lacks)


def _missing(one: Comparison, missing: Missing) -> str:
    amount = f"needs about {missing.items:,} more graded calls of {slug_of(one.challenger)}" if missing.items else ""
    days = f"at today's rate {missing.days:,} {'day' if missing.days == 1 else 'days'}" if missing.days else ""
    told = "; ".join(part for part in (amount, days) if part)
    return {
        Lack.GRADED: told or "needs graded calls of the challenger",
        Lack.EVIDENCE: told or "the evidence is not strong enough yet",
        Lack.NIGHTS: "needs more nights on which both models were graded" + (f" ({days})" if days else ""),
        Lack.LABELS: "too many of the items to be graded have no label, so only bounds can be given",
        Lack.INCIDENT: "one of the two models had an incident tonight",
        Lack.DISCOVERY: "strong enough alone, but not beside tonight's other comparisons",
        Lack.COST: "good enough, but at least 20 % cheaper is not shown",
        Lack.UNPRICED: "good enough, but too many of its calls have no price",
        Lack.VOLUME: "undecidable at this volume" + (f": it {told}" if amount else ""),
        Lack.NO_ADVANTAGE: "enough data, and they speak against a change",
    }.get(missing.reason, str(missing.reason))


def exploration(shares: Mapping[str, float]) -> str:
    """ "haiku 5 %, gemini 5 %"."""
    return ", ".join(f"{slug_of(key)} {percent(share)}" for key, share in sorted(shares.items()))
