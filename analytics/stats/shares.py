"""The share vector in force as text: within one of them (and one night, one size bucket) chance alone chose the arm."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from analytics.columns import EXPLORE, PRIMARY

SEPARATOR = "|"


def share_key(shares: Mapping[str, float]) -> str:
    """The canonical text of a share vector: "a:x=0.95|b:y=0.05", by model name, zero shares left out.

    Equal shares give equal text whatever their order or their last float digits.
    Raises ValueError for a share outside [0, 1] or a name that contains the separators.
    """
    for model, share in shares.items():
        if not 0 <= share <= 1:
            raise ValueError(f"Share {share!r} of {model!r} is not between 0 and 1")
        if SEPARATOR in model:
            raise ValueError(f"Model name {model!r} contains {SEPARATOR!r}")
    return SEPARATOR.join(f"{model}={share:.6g}" for model, share in sorted(shares.items()) if share > 0)


def read_shares(key: str) -> dict[str, float]:
    """The shares that share_key wrote; {} for "" and for the key of an imported night."""
    pairs = (part.rpartition("=") for part in key.split(SEPARATOR) if part)
    return {model: float(share) for model, _, share in pairs if model not in ("", IMPORTED)}


IMPORTED = "imported"


def imported_shares(frame: pd.DataFrame) -> pd.Series:
    """Share keys for rows that came with their own propensity only ("imported=0.9"; "" = no evidence).

    `frame` has task_type, night, role, model, propensity. A primary row's key is its own propensity, its level. An
    explore row of propensity p belongs to that night's primary level nearest 1 − K·p, K = challengers seen that night
    in that task type; it gets "" when no primary row was drawn by chance that night. The lower level wins a tie.
    """
    keys = pd.Series("", index=frame.index, dtype="str")
    drawn = frame["propensity"].between(0, 1, inclusive="right") & frame["role"].isin((PRIMARY, EXPLORE))
    for _, rows in frame[drawn].groupby(["task_type", "night"], sort=False):
        primary = rows["role"] == PRIMARY
        keys.loc[rows.index[primary]] = rows.loc[primary, "propensity"].map(_level)
        explored = rows[~primary]
        levels = np.unique(rows.loc[primary & (rows["propensity"] < 1), "propensity"].to_numpy())
        if levels.size and len(explored):
            aim = 1 - explored["model"].nunique() * explored["propensity"].to_numpy()
            nearest = levels[np.abs(levels[None, :] - aim[:, None]).argmin(axis=1)]
            keys.loc[explored.index] = pd.Series(nearest, index=explored.index).map(_level)
    return keys


def _level(propensity: float) -> str:
    return f"{IMPORTED}={propensity:.6g}"
