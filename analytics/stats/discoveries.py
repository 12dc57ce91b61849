"""The night's list: which of many e-values may be announced together."""

import numpy as np
import numpy.typing as npt

from analytics.stats.arrays import Bools
from analytics.stats.evalues import TOLERANCE


def e_bh(log_e: npt.ArrayLike, rate: float) -> Bools:
    """Which e-values (as natural logarithms) are discoveries at this false discovery rate, over all of them.

    The k largest with e(k) ≥ n / (rate·k), for the largest such k: valid under any dependence.
    Source: Wang & Ramdas 2022, "False discovery rate control with e-values".
    """
    logs = np.asarray(log_e, dtype=float)
    if logs.size == 0:
        return np.zeros(0, dtype=bool)
    descending = np.sort(logs)[::-1]
    needed = np.log(logs.size / (rate * np.arange(1, logs.size + 1)))
    passing = np.flatnonzero(descending >= needed - TOLERANCE)
    if passing.size == 0:
        return np.zeros(logs.size, dtype=bool)
    # Equal values stand or fall together.
    found: Bools = logs >= descending[passing[-1]]
    return found
