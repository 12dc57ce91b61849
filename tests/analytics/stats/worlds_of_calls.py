"""The smallest frames of calls and items."""

import numpy as np
import pandas as pd

from analytics.columns import CALLS, ITEMS, typed

KEY = "a:x=0.9|b:y=0.1"


def calls(*rows: dict[str, object]) -> pd.DataFrame:
    """CALLS rows: a good primary call of 1 January at ten, but for what each row says."""
    usual = {
        "task_type": "t", "client": "c", "session": "", "ts": pd.Timestamp("2026-01-01 10:00"), "definition": 1,
        "size": 100.0, "shares": KEY, "role": "primary", "propensity": 0.9, "model": "a:x", "version": "",
        "simulated": False, "failed": False, "missing": False, "drawn": True, "label": np.nan, "labelled_at": pd.NaT,
        "cost_usd": 0.1, "ttft_ms": np.nan, "total_ms": 500.0,
    }  # fmt: skip
    frame = pd.DataFrame([usual | {"request_id": f"r{i:03d}"} | row for i, row in enumerate(rows)])
    return typed(frame, CALLS)


def items(*rows: dict[str, object]) -> pd.DataFrame:
    """ITEMS rows: a good primary item of 1 January, closed the same night, but for what each row says."""
    night = pd.Timestamp("2026-01-01")
    usual = {
        "task_type": "t", "definition": 1, "simulated": False, "night": night, "closed": night, "size": 100.0,
        "shares": KEY, "model": "a:x", "version": "", "role": "primary", "propensity": 0.9, "drawn": True,
        "failed": False, "success": 1.0, "cost_usd": 0.1, "ttft_ms": np.nan, "total_ms": 500.0,
    }  # fmt: skip
    return typed(pd.DataFrame([usual | row for row in rows]), ITEMS)
