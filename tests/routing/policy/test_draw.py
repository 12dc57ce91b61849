"""The draw: the same for the same work item everywhere, uniform over items, and in proportion to the shares."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.stats.shares import read_shares, share_key
from routing.policy.draw import canonical, draw, drawn, uniform
from routing.policy.table import Exploration
from routing.terms.words import Role
from tests.routing.policy.worlds import KEYS, NOW, made, order, steps, table

KEY = b"k" * 32
ITEM = UUID("0192f0c1-2345-7abc-8def-0123456789ab")


def test_one_item_has_one_number_an_other_key_or_purpose_another():
    assert uniform(ITEM, KEY) == uniform(UUID(str(ITEM)), KEY)
    assert len({uniform(ITEM, KEY), uniform(ITEM, b"other"), uniform(ITEM, KEY, b"grading")}) == 3


def test_the_numbers_of_many_items_fill_the_unit_interval_evenly():
    n = 20_000
    numbers = [uniform(uuid4(), KEY) for _ in range(n)]
    assert all(0 <= u < 1 for u in numbers)
    for tenth in range(10):
        share = sum(tenth / 10 <= u < (tenth + 1) / 10 for u in numbers) / n
        assert abs(share - 0.1) < 0.015  # 7 standard errors of sqrt(.1·.9/20000) = .0021


def test_the_canonical_vector_is_sorted_and_empty_for_one_model():
    assert canonical([("b:y", 0.95), ("a:x", 0.05)]) == "a:x=0.05|b:y=0.95"
    assert canonical([("b:y", 1.0)]) == ""


def test_analytics_reads_the_vector_that_dispatch_writes():
    third = 0.1 / 3
    shares = [("b:y", 1 - third), ("a:x", third)]
    assert canonical(shares) == share_key(dict(shares))
    assert read_shares(canonical(shares)) == pytest.approx(dict(shares), abs=1e-6)


def test_each_model_is_drawn_in_its_stretch():
    shares = [("a:x", 0.05), ("b:y", 0.05), ("c:z", 0.9)]
    assert [draw(shares, u)[0] for u in (0.0, 0.0499, 0.05, 0.0999, 0.1, 0.999999)] == ["a:x"] * 2 + ["b:y"] * 2 + [
        "c:z"
    ] * 2
    assert draw(shares, 0.07) == ("b:y", 0.05)


@pytest.mark.parametrize(("shares", "u"), [([], 0.5), ([("a:x", 1.0)], 1.0), ([("a:x", 1.0)], -0.1)])
def test_what_cannot_be_drawn_is_refused(shares, u):
    with pytest.raises(ValueError, match="nothing to draw"):
        draw(shares, u)


@given(st.floats(0, 1, exclude_max=True), st.lists(st.floats(0.001, 0.1), min_size=1, max_size=9))
def test_somebody_is_always_drawn(u, challengers):
    shares = [(f"p:{n}", share) for n, share in enumerate(challengers)]
    shares.append(("p:primary", 1 - sum(challengers)))
    assert draw(shares, u) in shares


def _exploring():
    trial = Exploration(1, "code_generation", 0.1, steps("haiku codex"), NOW.date(), NOW.date())
    return made("code_generation", in_table=table(explorations={"code_generation": trial}))


def test_a_drawn_challenger_goes_first_and_the_rest_are_there_for_its_failure():
    candidates, propensity = drawn(_exploring(), 0.01)
    assert [each.model for each in candidates] == ["haiku", "sonnet", "codex"]
    assert [each.role for each in candidates] == [Role.EXPLORE, Role.FALLBACK, Role.FALLBACK]
    assert propensity == pytest.approx(0.05)


def test_a_challenger_that_is_a_step_too_is_not_tried_twice():
    candidates, _ = drawn(_exploring(), 0.06)
    assert [each.key for each in candidates] == [KEYS["codex"], KEYS["sonnet"]]


def test_the_primary_keeps_its_plan_and_logs_its_probability():
    plan = _exploring()
    candidates, propensity = drawn(plan, 0.5)
    assert [each.model for each in candidates] == order(plan)
    assert propensity == pytest.approx(0.9)
    assert drawn(made("code_generation"), 0.5)[1] == 1.0
