"""The replay: the same rows by seed, in the columns of an import, with honest probabilities."""

import pandas as pd
import pytest

from analytics.stats.shares import imported_shares
from benchmarks import replay

BANKS = replay.load()


def rows(seed: int = 1) -> pd.DataFrame:
    return replay.import_rows(BANKS, nights=2, per_night=300, share=0.1, seed=seed)


def test_the_same_seed_gives_the_same_rows() -> None:
    pd.testing.assert_frame_equal(rows(), rows())
    assert not rows(1)["success"].equals(rows(2)["success"])


def test_a_row_is_a_real_result_of_its_model() -> None:
    found = rows()
    real = pd.read_csv(replay.DATA)
    real["total_ms"] = (real["latency_s"] * 1000).round(1)
    keys = ["task_type", "provider", "model", "success", "total_ms"]
    assert found[keys].merge(real[keys].drop_duplicates(), on=keys).shape[0] == len(found)


def test_the_logged_probabilities_are_the_drawn_ones() -> None:
    found = rows()
    explored = found[found["role"] == "explore"]
    assert len(explored) / len(found) == pytest.approx(0.1, abs=0.01)
    assert explored["propensity"].tolist() == [pytest.approx(0.1 / 3)] * len(explored)
    night = pd.to_datetime(found["ts"]).dt.floor("D")
    keys = imported_shares(found.assign(night=night, model=found["provider"] + ":" + found["model"]))
    assert set(keys) == {"imported=0.9"}


def test_the_columns_are_those_of_an_import() -> None:
    found = rows()
    assert list(found.columns) == replay.IMPORT_COLUMNS
    assert not found.duplicated(["request_id", "attempt"]).any()
    assert found["ts"].is_monotonic_increasing


def test_the_size_does_not_depend_on_who_answered() -> None:
    bank = BANKS["rest"]
    items = replay.night_items({"rest": bank}, {"rest": bank.models[0]}, replay.START, 500, 0.5, seed=1)
    assert set(items["size"]) <= set(bank.input_tokens[:, 0])
