"""Each way in which traffic that is no experiment fools a comparison, and the rule that stops it.

Every trap is shown twice: with the rules as they are the claim holds, and with the one rule taken out it does not.
A trap whose second half does not fail would prove nothing.

Over 300 lines: all traps stand in one place, so that a rule without one is seen.
"""

import numpy as np
import pandas as pd
import pytest

from analytics.columns import CALLS, typed
from analytics.stats import evalues, incidents, yardsticks
from analytics.stats.comparisons import compare
from analytics.stats.items import from_calls
from analytics.stats.results import Kind, Lack, TaskSettings
from benchmarks.worlds import CHALLENGER, INCUMBENT, START, Route, counts, items, last_night
from tests.analytics.stats.looking import first_nights, folded, only, share_ever, verdicts

NIGHTS = 40


def flat(size: np.ndarray, is_challenger: np.ndarray) -> np.ndarray:
    """Equal models, equal on every size."""
    return np.full(size.shape, 0.85)


def easier_when_small(size: np.ndarray, is_challenger: np.ndarray) -> np.ndarray:
    """Equal models; small prompts are easy and large ones are hard."""
    return np.clip(0.95 - 0.15 * np.log(size / 300), 0.2, 0.98)


# ── better only through selection ──


def with_easy_rows(role: str) -> pd.DataFrame:
    """Equal models, and 60 rows a night of the challenger that were chosen because they were easy."""
    drawn = items(NIGHTS, 500, seed=1, rate=flat)
    picked = items(NIGHTS, 60, seed=2, rate=lambda size, _: np.full(size.shape, 0.97))
    return pd.concat([drawn, picked.assign(model=CHALLENGER, role=role)], ignore_index=True)


@pytest.mark.parametrize("role", ["fallback", "override", "observed", "shadow"])
def test_rows_that_chance_did_not_choose_make_no_model_better(role: str) -> None:
    assert verdicts(folded(with_easy_rows(role), NIGHTS), NIGHTS) == []


def test_rows_that_chance_did_not_choose_would_make_a_model_better_if_admitted() -> None:
    assert Kind.QUALITY in verdicts(folded(with_easy_rows("explore"), NIGHTS), NIGHTS)


def test_a_call_without_an_alternative_is_no_evidence() -> None:
    """Where policy skipped every challenger the primary served with probability 1: hard prompts, no comparison."""
    drawn = items(NIGHTS, 500, seed=1, rate=flat)
    alone = items(NIGHTS, 300, seed=2, rate=lambda size, _: np.full(size.shape, 0.5), explored=lambda s: 0 * s)
    world = pd.concat([drawn, alone], ignore_index=True)
    assert verdicts(folded(world, NIGHTS), NIGHTS) == []
    fooled = world.assign(propensity=world["propensity"].clip(upper=0.95), shares=drawn["shares"].iloc[0])
    assert Kind.QUALITY in verdicts(folded(fooled, NIGHTS), NIGHTS)


# ── prompt-size mix, both ways ──


def mostly_small(size: np.ndarray) -> np.ndarray:
    return np.where(size < 1000, 0.2, 0.02)


def mostly_large(size: np.ndarray) -> np.ndarray:
    return np.where(size < 1000, 0.02, 0.2)


def mixed(world: pd.DataFrame) -> pd.DataFrame:
    """The same world with the rule out: one block a night, whatever the size and the shares in force."""
    return world.assign(size=1.0, shares=world["shares"].iloc[0])


def test_a_prompt_size_mix_makes_no_equal_model_better() -> None:
    world = items(NIGHTS, 500, seed=3, rate=easier_when_small, explored=mostly_small)
    assert verdicts(folded(world, NIGHTS), NIGHTS) == []
    assert Kind.QUALITY in verdicts(folded(mixed(world), NIGHTS), NIGHTS)


def test_a_prompt_size_mix_does_not_hide_a_better_model() -> None:
    def better(size: np.ndarray, is_challenger: np.ndarray) -> np.ndarray:
        return np.clip(easier_when_small(size, is_challenger) + 0.08 * is_challenger, 0, 0.99)

    world = items(NIGHTS, 500, seed=4, rate=better, explored=mostly_large)
    assert Kind.QUALITY in verdicts(folded(world, NIGHTS), NIGHTS)
    assert Kind.QUALITY not in verdicts(folded(mixed(world), NIGHTS), NIGHTS)


def test_a_tokenizer_that_counts_more_makes_no_model_better() -> None:
    """Sizes by each model's own tokens put the challenger's easier prompts into the bucket of the harder ones."""

    def steep(size: np.ndarray, is_challenger: np.ndarray) -> np.ndarray:
        return np.clip(0.95 - 0.25 * np.log(size / 300), 0.05, 0.98)

    world = items(NIGHTS, 500, seed=5, rate=steep, explored=lambda s: np.full(s.shape, 0.15))
    assert verdicts(folded(world, NIGHTS), NIGHTS) == []
    billed = world["size"] * np.where(world["model"] == CHALLENGER, 1.35, 1.0)
    assert Kind.QUALITY in verdicts(folded(world.assign(size=billed), NIGHTS), NIGHTS)


# ── sessions ──


def test_calls_of_a_session_are_one_item_with_one_label() -> None:
    ts = pd.Timestamp("2026-01-01 23:50") + pd.to_timedelta(np.arange(20), unit="min")
    session = _calls(20).assign(ts=ts, session="s1", cost_usd=0.5, label=1.0, labelled_at=ts)
    (item,) = from_calls(session, horizon_days=2, until=pd.Timestamp("2026-01-02")).to_dict("records")
    assert (item["night"], item["success"], item["cost_usd"]) == (pd.Timestamp("2026-01-01"), 1.0, 10.0)


def test_copied_labels_would_propose_what_items_do_not() -> None:
    """25 sessions of 20 calls a night, equal models: counted by session, and with every outcome copied to its calls."""
    route, nights = Route(rate=0.9, per_night=25, share=0.05), 120
    assert share_ever(first_nights(counts(route, 100, nights, seed=6, buckets=1), nights)) <= 0.05
    copied = Route(rate=0.9, per_night=25, share=0.05, copies=20)
    assert share_ever(first_nights(counts(copied, 100, nights, seed=6, buckets=1), nights)) > 0.05


# ── labels ──


def _late(world: pd.DataFrame, nights_late: dict[str, int]) -> pd.DataFrame:
    """Good outcomes are labelled so many nights late, by model; a bad one is known at once."""
    late = world["model"].map(nights_late).to_numpy() * (world["success"].to_numpy() == 1)
    return world.assign(closed=world["night"] + pd.to_timedelta(late, unit="D").astype("timedelta64[s]"))


def test_labels_that_come_later_for_one_model_do_not_make_it_worse(monkeypatch: pytest.MonkeyPatch) -> None:
    world = _late(items(NIGHTS, 500, seed=7, rate=flat), {INCUMBENT: 9, CHALLENGER: 2})
    assert verdicts(folded(world, NIGHTS), NIGHTS, TaskSettings(horizon_days=9)) == []
    # Without the rule: an item enters on the night it opened, with what is known by the last one. Days without a good
    # label would pass for incidents and stop the worst of it, so that rule is out as well.
    monkeypatch.setattr(incidents, "POINTS_UNDER", 2.0)
    for nights in range(10, NIGHTS, 10):
        known = world.assign(success=world["success"].where(world["closed"] <= pd.Timestamp(last_night(nights)), 0.0))
        if Kind.QUALITY in verdicts(folded(known.assign(closed=known["night"]), nights), nights):
            return
    pytest.fail("Counting unlabelled items as failures should have fooled the comparison")


def test_nights_that_only_quick_labels_reached_do_not_hide_a_better_model() -> None:
    def better(size: np.ndarray, is_challenger: np.ndarray) -> np.ndarray:
        return 0.8 + 0.1 * is_challenger

    world = _late(items(NIGHTS, 500, seed=8, rate=better), {INCUMBENT: 4, CHALLENGER: 2})
    assert Kind.QUALITY in verdicts(folded(world, NIGHTS), NIGHTS, TaskSettings(horizon_days=4))
    assert verdicts(folded(world, NIGHTS), NIGHTS, TaskSettings(horizon_days=0)) == []


def test_unlabelled_items_of_one_arm_stop_the_verdict() -> None:
    """The challenger's failures are not reported: it looks perfect, and one in seven of its labels is missing."""
    world = items(NIGHTS, 500, seed=9, rate=flat)
    hidden = (world["model"] == CHALLENGER) & (world["success"] == 0)
    flattered = world.assign(success=world["success"].mask(hidden))
    assert verdicts(folded(flattered, NIGHTS), NIGHTS) == []
    one = only(compare(folded(flattered, NIGHTS), last_night(NIGHTS), {}))
    assert Lack.LABELS in [lack.reason for lack in one.lacks]
    rates = world.groupby("model")["success"].mean()
    assert one.success_bounds is not None
    assert one.success_bounds.low == pytest.approx(rates[CHALLENGER] - rates[INCUMBENT])
    # Without the gate: an item without a label passes for one that was never drawn.
    undrawn = flattered.assign(drawn=flattered["success"].notna())
    assert Kind.QUALITY in verdicts(folded(undrawn, NIGHTS), NIGHTS)


def test_self_reports_on_items_that_were_not_drawn_flatter_nobody() -> None:
    world = items(NIGHTS, 1000, seed=10, rate=flat)
    drawn = np.random.default_rng(0).random(len(world)) < 0.5
    praised = ~drawn & (world["model"] == CHALLENGER).to_numpy()
    flattered = world.assign(drawn=drawn, success=world["success"].where(drawn | praised).mask(praised, 1.0))
    assert verdicts(folded(flattered, NIGHTS), NIGHTS) == []
    believed = flattered.assign(drawn=flattered["success"].notna())
    assert Kind.QUALITY in verdicts(folded(believed, NIGHTS), NIGHTS)


def test_half_the_calls_not_drawn_for_grading_still_prove_a_better_model() -> None:
    def better(size: np.ndarray, is_challenger: np.ndarray) -> np.ndarray:
        return 0.8 + 0.1 * is_challenger

    world = items(NIGHTS, 500, seed=11, rate=better)
    drawn = np.random.default_rng(0).random(len(world)) < 0.5
    world = world.assign(drawn=drawn, success=world["success"].where(drawn))
    assert Kind.QUALITY in verdicts(folded(world, NIGHTS), NIGHTS)


# ── one day, one streak ──


def log_better_around(world: pd.DataFrame, night: int) -> tuple[np.ndarray, np.ndarray]:
    """ln E for "better" of every route before and after this night, from 1."""
    trails = [one.trail for one in compare(world, last_night(NIGHTS), {})]
    before, after = (np.array([trail[at].log_better for trail in trails]) for at in (night - 2, night - 1))
    return before, after


def test_one_incident_day_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The incumbent loses 70 points for one night; after it the models are as equal as before."""
    world = counts(Route(incident=(9, 0.7, 0)), 30, NIGHTS, seed=12)
    before, after = log_better_around(world, 10)
    assert (after <= before).all()
    assert share_ever(first_nights(world, NIGHTS)) == 0
    # A day that is not bad enough to be called an incident is still no more than one of five.
    monkeypatch.setattr(incidents, "POINTS_UNDER", 2.0)
    before, after = log_better_around(world, 10)
    assert (after - before).max() == pytest.approx(np.log(20) / 5)
    assert share_ever(first_nights(world, NIGHTS)) == 0
    # Without the cap one night counts for as much as its likelihood ratio says.
    monkeypatch.setattr(evalues, "NIGHTS_TO_AGREE", 1e-6)
    assert share_ever(first_nights(world, NIGHTS)) > 0.2


def test_no_verdict_on_the_night_of_an_incident() -> None:
    world = counts(Route(lead=0.1, share=0.2, incident=(29, 0.6, 0)), 1, 30, seed=13)
    assert only(compare(world, last_night(29), {})).verdict is Kind.QUALITY
    night_of = only(compare(world, last_night(30), {}))
    assert night_of.verdict is None
    assert [lack.reason for lack in night_of.lacks] == [Lack.INCIDENT]


def test_an_outage_of_either_model_stops_the_nights_verdict() -> None:
    world = counts(Route(lead=0.1), 1, 30, seed=13)
    assert only(compare(world, last_night(30), {})).verdict is Kind.QUALITY
    for model in (INCUMBENT, CHALLENGER):
        assert only(compare(world, last_night(30), {}, outages=[model])).verdict is None


def test_a_lucky_streak_of_twelve_calls_is_no_proof() -> None:
    """12 of 12 beside 60 of 120. A plain test calls that proved: Fisher's exact p is 0.0007 (scipy)."""
    from scipy.stats import fisher_exact

    world = counts(Route(rate=0.5, per_night=120, share=0.1), 1, 1, seed=14, buckets=1)
    world["graded"], world["successes"] = [120, 12], [60, 12]
    assert fisher_exact([[12, 0], [60, 60]]).pvalue < 0.001
    one = only(compare(world, START, {}))
    assert one.verdict is None
    assert {lack.reason for lack in one.lacks} >= {Lack.GRADED, Lack.NIGHTS}
    assert one.proofs[0].e_value < one.threshold


# ── heavy tails ──


def test_one_wrong_price_does_not_hide_a_saving(monkeypatch: pytest.MonkeyPatch) -> None:
    """A challenger at a third of the cost, and one row of it at $9,990, as in the Aider log."""

    def cheap() -> pd.DataFrame:
        world = items(NIGHTS, 2000, seed=15, rate=flat, explored=lambda s: np.full(s.shape, 0.2))
        ours = (world["model"] == CHALLENGER).to_numpy()
        spent = world["cost_usd"].to_numpy() * np.where(ours, 0.33, 1.0)
        spent[np.flatnonzero(ours & (world["night"] == pd.Timestamp(last_night(10))))[0]] = 9990.0
        return folded(world.assign(cost_usd=spent), NIGHTS)

    assert Kind.COST in verdicts(cheap(), NIGHTS)
    assert only(compare(cheap(), last_night(NIGHTS), {})).cost_cut == 1
    monkeypatch.setattr(yardsticks, "CUT", 1e12)
    assert verdicts(cheap(), NIGHTS) == []


def test_heavy_tailed_latency_of_equal_models_is_never_faster() -> None:
    """Pareto latencies with infinite variance: means differ by luck (a plain test agrees on some night), ranks do not."""
    from scipy.stats import ttest_ind

    rng = np.random.default_rng(16)
    world = items(60, 500, seed=16, rate=flat, explored=lambda s: np.full(s.shape, 0.2))
    slow = 300 * (1 + rng.pareto(1.05, len(world)))
    world = world.assign(total_ms=slow)
    assert Kind.LATENCY not in verdicts(folded(world, 60), 60)
    ours = (world["model"] == CHALLENGER).to_numpy()
    looks = [world["night"].to_numpy() <= np.datetime64(last_night(n)) for n in range(7, 61)]
    p = [ttest_ind(np.log(slow[seen & ours]), np.log(slow[seen & ~ours])).pvalue for seen in looks]
    assert min(p) > 0  # shown for the record; the claim above is the test


# ── trade-offs that are none ──


@pytest.mark.parametrize(
    ("route", "kind"),
    [
        pytest.param(
            Route(lead=-0.05, cost=(1.0, 0.2), share=0.1), Kind.COST, id="worse-by-5-points-but-80-percent-cheaper"
        ),
        pytest.param(
            Route(lead=-0.05, slow=(0.5, 0.2), very_slow=(0.05, 0.01), share=0.1), Kind.LATENCY, id="faster-but-worse"
        ),
        pytest.param(
            Route(slow=(0.5, 0.3), very_slow=(0.05, 0.10), share=0.1), Kind.LATENCY, id="faster-but-slower-at-p95"
        ),
    ],
)
def test_a_model_that_is_worse_in_what_matters_is_never_proposed(route: Route, kind: Kind) -> None:
    found = first_nights(counts(route, 50, 120, seed=17), 120, kind)
    assert share_ever(found) == 0


def _calls(n: int) -> pd.DataFrame:
    frame = pd.DataFrame({"request_id": [f"r{i:03d}" for i in range(n)], "ts": pd.Timestamp("2026-01-01 10:00")})
    defaults = {
        "task_type": "t", "client": "c", "session": "", "definition": 1, "size": 100.0, "shares": "a=0.9|b=0.1",
        "role": "primary", "propensity": 0.9, "model": "a", "version": "", "simulated": False, "failed": False,
        "missing": False, "drawn": True, "label": np.nan, "labelled_at": pd.NaT, "cost_usd": 0.1, "ttft_ms": np.nan,
        "total_ms": 500.0,
    }  # fmt: skip
    return typed(frame.assign(**defaults), CALLS)


def test_a_world_without_a_trap_proves_nothing() -> None:
    """The guard of this file: the worlds above are fair without their trap."""
    assert verdicts(folded(items(NIGHTS, 500, seed=18, rate=flat), NIGHTS), NIGHTS) == []
