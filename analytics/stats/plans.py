"""How far a proof still is: in graded items of the challenger, in days at today's rate, and at another share."""

from dataclasses import dataclass

import numpy as np

from analytics.stats.arrays import Bools, Floats
from analytics.stats.evalues import HINT_WEIGHT, LOWEST, NIGHTS_TO_AGREE, nearest

# What is hoped for while the data say nothing: a lead of ten points, worth proposing and quickly shown.
HOPED_LEAD = 0.10
# A learner pays for learning: simulated proofs take this much longer than a bet that knew both rates from the start.
LEARNING = 1.4
SHARES = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)  # exploration shares that a person might grant
SOON_DAYS = 90
FAR_DAYS = 365  # further away a comparison is undecidable at this volume


@dataclass(frozen=True, slots=True)
class Goal:
    """One hypothesis to reject, by pair."""

    remaining: Floats  # ln(threshold) − ln E
    rate: Floats  # the incumbent's
    lead: Floats  # the challenger's, as far as known
    m: Floats
    log_threshold: Floats


def expected_lead(lead: Floats, n_challenger: Floats, hoped: float) -> Floats:
    """The lead to plan with: the measured one, leaning on what is hoped for while items are few; NaN = none yet."""
    w = n_challenger / (n_challenger + HINT_WEIGHT)
    return np.where(np.isnan(lead), hoped, w * np.nan_to_num(lead) + (1 - w) * hoped)


def nights_to(goal: Goal, na: Floats, nb: Floats) -> Floats:
    """Nights until the goal at na and nb graded items a night; inf where the lead itself speaks against it.

    The last axis is that of the pairs; others may stand before it, to ask for many volumes at once.
    """
    ta = np.clip(goal.rate, np.maximum(LOWEST, goal.m + 0.01), 1 - LOWEST)
    tb = np.minimum(np.clip(ta + goal.lead, LOWEST, 1 - LOWEST), 1 - (1 - ta) / 2)
    possible: Bools = (tb > ta - goal.m + 1e-6) & (na > 0) & (nb > 0)
    nights = np.full(possible.shape, np.inf)

    def of_possible(values: Floats) -> Floats:
        return np.broadcast_to(values, possible.shape)[possible]

    na, nb, ta, tb, m = (of_possible(x) for x in (na, nb, ta, tb, goal.m))
    x, y = nearest(np.arange(na.size), na.size, na, nb, ta, tb, m)
    growth = (na * _kl(ta, x) + nb * _kl(tb, y)) / LEARNING
    a_night = np.minimum(growth, of_possible(goal.log_threshold) / NIGHTS_TO_AGREE)
    nights[possible] = np.ceil(np.maximum(of_possible(goal.remaining), 0.0) / np.maximum(a_night, 1e-12))
    return nights


def _kl(p: Floats, q: Floats) -> Floats:
    return p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))


def nights_to_all(goals: list[Goal], na: Floats, nb: Floats) -> Floats:
    """Nights until the furthest of several hypotheses, as nights_to."""
    furthest: Floats = np.max([nights_to(goal, na, nb) for goal in goals], axis=0)
    return furthest


def faster_share(kinds: list[list[Goal]], volume: Floats, nights: Floats) -> tuple[Floats, Floats]:
    """The smallest usual share that halves `nights` and decides within 90, and its nights; NaN where there is none.

    `kinds` are alternatives, each a list of hypotheses to reject together; `volume` is both arms' graded items a night.
    """
    candidates = np.array(SHARES)[:, None]
    na, nb = (1 - candidates) * volume, candidates * volume
    soonest = np.min([nights_to_all(goals, na, nb) for goals in kinds], axis=0)
    is_better = soonest <= np.minimum(SOON_DAYS, nights / 2)
    smallest = is_better.argmax(axis=0)
    found = is_better.any(axis=0)
    decides = np.take_along_axis(soonest, smallest[None, :], axis=0)[0]
    return np.where(found, np.array(SHARES)[smallest], np.nan), np.where(found, decides, np.nan)
