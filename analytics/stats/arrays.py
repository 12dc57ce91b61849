"""Arrays as the statistics use them, and the one operation they share: a sum by group."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def sums(group: Ints, values: npt.NDArray[np.generic], n_groups: int = 0) -> Floats:
    """Σ values by group number 0 … n_groups − 1 (or the largest that occurs); 0 for a group without rows."""
    return np.bincount(group, weights=values, minlength=n_groups).astype(np.float64)
