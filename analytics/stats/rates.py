"""The interval of a success rate, in plain Python: a page shows it, and a process that shows pages needs no numpy for that."""

import math

Z95 = 1.959963984540054  # 97.5 % quantile of the standard normal


def wilson_interval(successes: int, n: int, z: float = Z95) -> tuple[float, float]:
    """Score interval for a success rate, as (low, high) shares between 0 and 1; 95 % by default.

    Honest for small n, where the textbook interval is not. n == 0 gives (0.0, 1.0): nothing is known yet.
    Raises ValueError unless 0 ≤ successes ≤ n. Source: Wilson 1927. Checked against statsmodels.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n} items")
    if n == 0:
        return 0.0, 1.0
    rate, spread = successes / n, z * z / n
    centre = (rate + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(rate * (1 - rate) / n + spread / (4 * n))
    # At the ends rounding would leave 1e-17 instead of the 0 and 1 that the formula gives.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return low, high
