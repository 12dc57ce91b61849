"""Column names and dtypes of the frames that the pure floor works on.

Three frames follow one another: CALLS (one row a call) → ITEMS (one row a work item, the unit of evidence) →
BLOCKS (counts a task type, night, size bucket, share vector and model). Pages and nightly statistics need only
BLOCKS, so raw rows may go; blocks are sums, so rows of equal keys merge by adding.

Nights are UTC dates held as midnight timestamps; a model is "provider:model"; money is USD as float here, because
only means and sums of squares are taken of it (bills are Decimal, elsewhere).
"""

from typing import Final

import pandas as pd

NIGHT_DTYPE: Final = "datetime64[s]"

# ── one row a call: its first attempt, the cost of all its attempts, and the label that decides, if one arrived ──
CALLS: Final[dict[str, str]] = {
    "task_type": "str",
    "client": "str",
    "session": "str",  # "" = the call is its own work item
    "request_id": "str",
    "ts": "datetime64[us]",  # UTC, start of the call
    "definition": "int64",  # version of the task type's success definition
    "size": "float64",  # request bytes / 4, estimated before the draw
    "shares": "str",  # stats.shares.share_key of the exploration shares in force
    "role": "str",  # role of the first attempt
    "propensity": "float64",  # probability, before the draw, of the row's own model
    "model": "str",
    "version": "str",  # the model's version (upstream id); a change restarts its evidence
    "simulated": "bool",
    "failed": "bool",  # the first attempt was the provider's fault: connect, timeout, 5xx, malformed, truncated
    "missing": "bool",  # another 4xx, a cancel, a configuration error: no outcome, whatever a label says
    "drawn": "bool",  # for grading, before routing
    "label": "float64",  # 1, 0 or NaN: of the source that decides, by the success definition
    "labelled_at": "datetime64[us]",  # UTC; NaT without a label
    "cost_usd": "float64",  # all attempts, failed ones too; NaN = unpriced
    "ttft_ms": "float64",  # NaN when not streamed
    "total_ms": "float64",
}

# ── one row a work item ──
ITEMS: Final[dict[str, str]] = {
    "task_type": "str",
    "definition": "int64",
    "simulated": "bool",
    "night": NIGHT_DTYPE,  # of the first call: cost and latency enter here
    "closed": NIGHT_DTYPE,  # of the first decisive label, else of the horizon's end; NaT = still open
    "size": "float64",
    "shares": "str",
    "model": "str",
    "version": "str",
    "role": "str",
    "propensity": "float64",
    "drawn": "bool",  # counts towards success: drawn for grading and not missing
    "failed": "bool",
    "success": "float64",  # 1, 0 or NaN (drawn but never labelled; not drawn; still open)
    "cost_usd": "float64",  # all calls and attempts of the item; NaN = one of them unpriced
    "ttft_ms": "float64",  # of the first call
    "total_ms": "float64",  # of the first call
}

# ── one row a block and arm; the keys first ──
BLOCK_KEYS: Final[dict[str, str]] = {
    "task_type": "str",
    "night": NIGHT_DTYPE,
    "definition": "int64",
    "simulated": "bool",
    "bucket": "int64",  # 0 until the size edges are frozen, then 1 (smallest) to 4
    "shares": "str",
    "model": "str",
    "version": "str",
}
BLOCK_COUNTS: Final[dict[str, str]] = {
    # of the items whose first call was this night
    "opened": "int64",
    "as_primary": "int64",  # role primary among them: they say who the incumbent was
    "priced": "int64",
    "cost_sum": "float64",
    "cost_sq": "float64",
    "cost_cut": "int64",  # rows cut at 100 × the incumbent's median
    "timed": "int64",  # compared with the frozen thresholds below; 0 until they exist
    "slower_p50": "int64",
    "slower_p95": "int64",
    "ttft_n": "int64",  # natural logarithms of ttft_ms and total_ms, shown and not deciding
    "ttft_log_sum": "float64",
    "ttft_log_sq": "float64",
    "total_n": "int64",
    "total_log_sum": "float64",
    "total_log_sq": "float64",
    # of the items that closed this night
    "drawn": "int64",
    "graded": "int64",
    "successes": "int64",
}
BLOCKS: Final[dict[str, str]] = BLOCK_KEYS | BLOCK_COUNTS

PRIMARY: Final = "primary"
EXPLORE: Final = "explore"


def empty(columns: dict[str, str]) -> pd.DataFrame:
    """A frame of these columns without rows."""
    return pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in columns.items()})


def typed(frame: pd.DataFrame, columns: dict[str, str]) -> pd.DataFrame:
    """The frame with exactly these columns in their order and dtypes.

    Raises KeyError naming the columns that are missing; extra columns are dropped.
    """
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise KeyError(f"The frame lacks {', '.join(missing)}")
    return frame[list(columns)].astype(columns)
