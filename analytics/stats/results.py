"""What a night's comparison says: frozen results, one a (task type, incumbent, challenger).

Differences are challenger − incumbent. Rates are shares between 0 and 1, money is USD a work item. None means
"cannot be said" and always comes with a reason in `lacks`.
"""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

ALPHA = 0.05  # chance of ever proposing a pair wrongly, shared over the challengers of an incumbent
DISCOVERY = 0.10  # false discovery rate among one night's proposals of a kind
MIN_GRADED = 100  # graded items of the challenger
MIN_NIGHTS = 7
CHEAPER = 0.8  # a cost proposal needs a mean below this share of the incumbent's
FIRES_AT = 7_300.0  # a guard's evidence at which it calls a drop: 365 nights at 5 %
DEARER = 1.10  # above this share of the incumbent's mean a challenger counts as dearer


class Kind(StrEnum):
    """What a proved comparison proposes."""

    QUALITY = "quality"
    COST = "cost"
    LATENCY = "latency"


class Lack(StrEnum):
    """Why a comparison is not a proposal yet."""

    GRADED = "graded"  # fewer than 100 graded items of the challenger
    NIGHTS = "nights"  # fewer than 7 nights
    LABELS = "labels"  # drawn items without a label: bounds only
    INCIDENT = "incident"  # an outage or a bad day of either model tonight
    EVIDENCE = "evidence"  # e-value below its threshold, still reachable
    DISCOVERY = "discovery"  # e-value high enough alone, not beside tonight's other comparisons
    COST = "cost"  # good enough, but ≥ 20 % cheaper is not shown
    UNPRICED = "unpriced"  # good enough, but more than 5 % of an arm's items have no price
    VOLUME = "volume"  # undecidable at this volume: more than a year away
    NO_ADVANTAGE = "no_advantage"  # enough data, and they speak against a change


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """What a task type asks of a proof."""

    margin: float = 0.03  # a cheaper or faster model may be this much worse, a dearer one must be better by more
    horizon_days: int = 0  # how long a label may take; so many first nights show only the quickest labels
    given_up: float = 0.0  # share of success that approved steps already gave up; shrinks the margin


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with what the data cannot rule out."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Proof:
    """One kind's proof: its e-value, and whether the kind's other conditions hold."""

    kind: Kind
    log_e: float  # natural logarithm; e-values outgrow a float
    e_value: float  # exp(log_e), at most 1e300
    is_eligible: bool  # the gates and the kind's other conditions hold
    is_discovery: bool  # in the night's e-BH list of the kind
    is_proved: bool  # eligible, a discovery, and log_e ≥ ln(threshold)


@dataclass(frozen=True, slots=True)
class Missing:
    """One reason why there is no verdict yet, with what it would take."""

    reason: Lack
    items: int | None = None  # more graded items of the challenger, about
    days: int | None = None  # at today's rate, about


@dataclass(frozen=True, slots=True)
class BucketRow:
    """Both arms within one prompt-size bucket, over all nights."""

    bucket: int  # 0 = before the edges were frozen, 1 (smallest prompts) to 4
    n_incumbent: int
    successes_incumbent: int
    n_challenger: int
    successes_challenger: int
    success: Interval | None  # difference, None when an arm is empty


@dataclass(frozen=True, slots=True)
class NightPoint:
    """The evidence as it stood after one night, for the chart."""

    night: dt.date
    n_incumbent: int  # graded items so far
    n_challenger: int
    log_better: float  # for "challenger is better" (by more than the margin if dearer)
    log_not_worse: float  # for "not worse than the margin"
    log_faster: float
    log_not_slower: float
    log_threshold: float  # ln(K / α) that night


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything known tonight about one challenger of one incumbent."""

    task_type: str
    incumbent: str
    challenger: str
    simulated: bool
    definition: int
    as_of: dt.date
    since: dt.date  # first night of the incumbent's unbroken run
    nights: int  # nights with graded items of both
    # success
    n_incumbent: int
    successes_incumbent: int
    n_challenger: int
    successes_challenger: int
    rate_incumbent: Interval  # Wilson, over all traffic; never compare these two, the mix may differ
    rate_challenger: Interval
    success: Interval | None  # stratified difference with its confidence sequence
    success_bounds: Interval | None  # if every missing label were bad, or good; set when labels lack
    # cost of a work item, USD
    cost_incumbent: float | None  # stratified means
    cost_challenger: float | None
    cost: Interval | None  # difference
    saving_bound: float | None  # upper bound of mean(challenger) − 0.8 · mean(incumbent); < 0 shows ≥ 20 % cheaper
    is_dearer: bool  # stratified mean > 1.10 × the incumbent's
    cost_cut: int  # rows of both arms cut at 100 × the incumbent's median
    unpriced: int  # items of both arms
    saving_per_day: float | None  # USD, at the task type's own pace of the last 28 nights
    # speed: relative differences of geometric means (−0.3 = 30 % faster), shown and not deciding
    ttft: Interval | None
    total: Interval | None
    # proof
    margin: float  # in force, after what was given up
    challengers: int  # K: challengers ever compared with this incumbent
    threshold: float  # K / α
    comparisons_tonight: int  # pairs that met the gates tonight, all task types
    proofs: tuple[Proof, ...]  # quality, cost, latency
    e_value: float  # of the verdict's kind, else of the kind nearest to a proof
    verdict: Kind | None
    lacks: tuple[Missing, ...]  # why there is no verdict; empty with one
    share: float | None  # the challenger's part of both arms' items, over the last 28 nights
    faster_share: float | None  # a larger part that would decide in half the time or less, and within 90 days
    faster_days: int | None  # … in about so many days
    buckets: tuple[BucketRow, ...]
    trail: tuple[NightPoint, ...]
