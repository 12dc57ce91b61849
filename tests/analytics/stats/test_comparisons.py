"""One night's comparisons: whose evidence counts, what is said, and what is missing."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from analytics.columns import BLOCKS, empty
from analytics.stats.blocks import nights_of
from analytics.stats.comparisons import compare
from analytics.stats.evalues import Rows, night_log_e
from analytics.stats.results import Comparison, Kind, Lack, TaskSettings
from analytics.stats.switches import best_switches
from benchmarks.worlds import CHALLENGER, INCUMBENT, Route, counts, last_night, unequal
from tests.analytics.stats.looking import only

BETTER = counts(Route(lead=0.1, share=0.1, cost=(1.0, 0.5)), 1, 40, seed=30)
TONIGHT = last_night(40)


def reasons(one: Comparison) -> list[Lack]:
    return [lack.reason for lack in one.lacks]


def test_a_better_model_is_a_quality_proposal_with_all_its_figures() -> None:
    one = only(compare(BETTER, TONIGHT, {}))
    assert (one.verdict, one.lacks, one.challengers, one.threshold) == (Kind.QUALITY, (), 1, 20.0)
    assert (one.incumbent, one.challenger, one.nights, one.since) == (INCUMBENT, CHALLENGER, 40, last_night(1))
    arm = BETTER[BETTER["model"] == CHALLENGER]
    assert (one.n_challenger, one.successes_challenger) == (arm["graded"].sum(), arm["successes"].sum())
    assert one.success is not None
    assert one.success.low < 0.1 < one.success.high
    assert one.cost is not None
    assert one.cost.low < -0.5 < one.cost.high
    assert one.e_value == one.proofs[0].e_value >= one.threshold
    assert one.saving_per_day == pytest.approx(0.5 * 450, rel=0.1)
    assert sum(row.n_challenger for row in one.buckets) == one.n_challenger
    assert len(one.trail) == 40
    assert one.trail[-1].log_better == one.proofs[0].log_e


def test_the_order_of_the_rows_and_later_nights_change_nothing() -> None:
    there = compare(BETTER[BETTER["night"] <= pd.Timestamp(last_night(20))], last_night(20), {})
    back = compare(BETTER.sample(frac=1, random_state=1), last_night(20), {})
    assert there == back


def test_nothing_to_compare_is_no_comparison() -> None:
    assert compare(empty(BLOCKS), TONIGHT, {}) == []
    assert compare(BETTER[BETTER["model"] == INCUMBENT], TONIGHT, {}) == []
    assert compare(BETTER[BETTER["model"] == CHALLENGER], TONIGHT, {}) == []


def test_a_night_without_a_primary_row_belongs_to_the_run_it_falls_into() -> None:
    alone = BETTER[(BETTER["night"] != pd.Timestamp(last_night(40))) | (BETTER["model"] == CHALLENGER)]
    late = alone[(alone["model"] == INCUMBENT) | (alone["night"] == pd.Timestamp(last_night(40)))]
    assert only(compare(alone, TONIGHT, {})).nights == 39
    assert only(compare(late, TONIGHT, {})).challengers == 1


def shifted(days: int, **values: object) -> pd.DataFrame:
    """The better world again, so many days later, with other values in some columns."""
    return BETTER.assign(night=BETTER["night"] + pd.Timedelta(days=days), **values)


@pytest.mark.parametrize("column", ["version", "definition", "simulated"])
def test_a_new_version_definition_or_reality_starts_the_evidence_anew(column: str) -> None:
    value = {"version": "v2", "definition": 2, "simulated": True}[column]
    both = pd.concat([BETTER, shifted(40, **{column: value})])
    one = only(compare(both, last_night(45), {}))
    assert (one.since, one.nights, len(one.trail)) == (last_night(41), 5, 5)


def test_a_new_version_of_the_challenger_starts_its_evidence_anew() -> None:
    later = shifted(40)
    later["version"] = later["version"].where(later["model"] == INCUMBENT, "v2")
    one = only(compare(pd.concat([BETTER, later]), last_night(45), {}))
    assert (one.nights, one.since) == (5, last_night(1))


def test_a_change_of_incumbent_starts_the_evidence_anew_and_remembers_the_challengers() -> None:
    swapped = {INCUMBENT: CHALLENGER, CHALLENGER: INCUMBENT}
    away = shifted(40, model=BETTER["model"].map(swapped))
    third = shifted(80, model=BETTER["model"].replace(CHALLENGER, "c:third"))
    third["shares"] = "other"
    one = only(compare(pd.concat([BETTER, away, third]), last_night(85), {}))
    assert (one.incumbent, one.challenger, one.since, one.challengers) == (INCUMBENT, "c:third", last_night(81), 2)
    assert one.threshold == 40.0


def test_a_few_items_say_how_many_more_and_how_long() -> None:
    """Capability 36: three items of the challenger, about two a night."""
    world = counts(Route(rate=0.7, share=0.1, per_night=20), 1, 2, seed=31, buckets=1)
    one = only(compare(world, last_night(2), {}))
    lacks = {lack.reason: lack for lack in one.lacks}
    assert lacks[Lack.GRADED].items == 100 - one.n_challenger
    assert lacks[Lack.NIGHTS].days == 7 - one.nights
    assert 100 <= (lacks[Lack.EVIDENCE].items or 0) <= 400
    assert one.faster_share is not None
    assert one.faster_days is not None
    assert one.faster_days <= (lacks[Lack.EVIDENCE].days or 0) / 2


def test_enough_data_against_a_change_say_so() -> None:
    world = counts(Route(lead=-0.05, share=0.1), 1, 60, seed=32)
    assert reasons(only(compare(world, last_night(60), {}))) == [Lack.NO_ADVANTAGE]


def test_a_small_lead_on_little_traffic_is_undecidable_at_this_volume() -> None:
    world = counts(Route(lead=0.02, share=0.05, per_night=20), 1, 300, seed=33, buckets=1)
    one = only(compare(world, last_night(300), {}))
    assert reasons(one) in ([Lack.VOLUME], [Lack.NO_ADVANTAGE])


def test_as_good_but_not_twenty_percent_cheaper_is_no_proposal() -> None:
    world = counts(Route(cost=(1.0, 0.85), share=0.2), 1, 90, seed=34)
    one = only(compare(world, last_night(90), {}))
    assert one.proofs[1].log_e > 3
    assert one.verdict is None


def test_an_incident_is_all_that_a_proved_saving_lacks_that_night() -> None:
    world = counts(Route(cost=(1.0, 0.3), share=0.2), 1, 90, seed=34)
    assert only(compare(world, last_night(90), {})).verdict is Kind.COST
    assert reasons(only(compare(world, last_night(90), {}, outages=[CHALLENGER]))) == [Lack.INCIDENT]


def test_as_good_and_unpriced_says_that_the_price_is_missing() -> None:
    world = counts(Route(cost=(1.0, 0.5), share=0.2), 1, 90, seed=34)
    world["priced"] = world["priced"].where(world["model"] == INCUMBENT, 0)
    one = only(compare(world, last_night(90), {}))
    assert (one.verdict, one.cost, reasons(one)) == (None, None, [Lack.UNPRICED])
    assert one.is_dearer


def test_a_dearer_model_must_be_better_by_more_than_the_margin() -> None:
    dearer, equal = (counts(Route(lead=0.04, cost=(1.0, cost), share=0.3), 1, 60, seed=35) for cost in (2.0, 1.0))
    assert only(compare(equal, last_night(60), {})).verdict is Kind.QUALITY
    assert only(compare(dearer, last_night(60), {})).verdict is None
    assert only(compare(dearer, last_night(60), {"r0000": TaskSettings(margin=0.005)})).verdict is Kind.QUALITY


def test_a_faster_model_is_a_latency_proposal_unless_it_is_dearer() -> None:
    fast = Route(slow=(0.5, 0.3), very_slow=(0.05, 0.02), share=0.2)
    world = counts(fast, 1, 90, seed=36)
    assert only(compare(world, last_night(90), {})).verdict is Kind.LATENCY
    world.loc[world["model"] == CHALLENGER, "cost_sum"] *= 2
    assert only(compare(world, last_night(90), {})).verdict is None


def test_a_lead_in_some_blocks_that_is_lost_in_others_is_no_proof() -> None:
    """Found on the BFCL replay: bets placed block by block reject "no block favours it", which is not what was asked.

    A dearer model needs more than 3 points; it has (0 + 10 − 20 + 21)/4 = 2.75. Where the incumbent never fails no bet
    on a lead of 3 points can be made, so block by block the 20 points lost there are not held against it.
    """
    world = counts(Route(share=0.05, per_night=2000, cost=(1.0, 2.0)), 1, 60, seed=37)
    world = unequal(world, (1, 0.8, 1, 0.45), (1, 0.9, 0.8, 0.66), seed=1)
    one = only(compare(world, last_night(60), {}))
    assert one.verdict is None
    assert one.proofs[0].log_e < 1
    keys = ["night", "bucket"]
    a, b = (world[world["model"] == m].sort_values(keys, ignore_index=True) for m in (INCUMBENT, CHALLENGER))
    night, bucket = nights_of(a) - nights_of(a).min(), a["bucket"].to_numpy()
    n = [arm[name].to_numpy(dtype=float) for arm in (a, b) for name in ("graded", "successes")]
    rows, m = Rows(np.zeros_like(night), night, bucket, *n), np.full(len(a), -0.03)
    together = night_log_e(rows, m, night, 60)
    apart = night_log_e(rows, m, np.arange(len(a)), len(a)).reshape(60, 4).sum(axis=1)
    assert np.minimum(together, np.log(20) / 5).sum() == pytest.approx(one.proofs[0].log_e)
    assert np.minimum(apart, np.log(20) / 5).sum() > np.log(20)


def test_of_several_proved_challengers_the_greatest_saving_is_proposed() -> None:
    key = "a:incumbent=0.8|b:challenger=0.1|c:cheaper=0.1"
    first = counts(Route(lead=0.1, share=0.1, cost=(1.0, 0.6)), 1, 40, seed=38).assign(shares=key)
    cheaper = counts(Route(lead=0.1, share=0.1, cost=(1.0, 0.3)), 1, 40, seed=39).assign(shares=key)
    cheaper = cheaper[cheaper["model"] == CHALLENGER].assign(model="c:cheaper")
    found = compare(pd.concat([first, cheaper]), TONIGHT, {})
    assert [one.verdict for one in found] == [Kind.QUALITY, Kind.QUALITY]
    assert best_switches(found)["r0000"].challenger == "c:cheaper"
    assert best_switches([]) == {}


def test_two_hundred_pairs_are_compared_at_once() -> None:
    world = counts(Route(), 200, 60, seed=40, buckets=1)
    assert len(compare(world, dt.date(2026, 3, 1), {})) == 200
