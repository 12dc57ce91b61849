"""The retry budget: failed fallbacks are bounded by the calls, and what answers is never counted."""

from hypothesis import given
from hypothesis import strategies as st

from routing.policy.retries import FLOOR, SHARE, Retries


def test_a_quiet_process_may_fail_a_few():
    retries = Retries()
    for _ in range(FLOOR):
        assert retries.allows(0.0)
        retries.failed(0.0)
    assert not retries.allows(0.0)


def test_of_a_hundred_calls_thirty_fallbacks_may_fail_and_ten_seconds_later_others():
    retries = Retries()
    for place in range(100):
        retries.called(place / 100)
    spent = 0
    while retries.allows(1.0):
        retries.failed(1.0)
        spent += 1
    assert spent == 30  # 10 and a fifth of 100
    assert not retries.allows(9.9)
    assert retries.allows(11.0)


@given(st.lists(st.tuples(st.sampled_from(["call", "wait"]), st.integers(1, 30)), max_size=200))
def test_when_every_fallback_fails_the_upstream_calls_are_bounded_by_the_calls(steps):
    """Each call tries its primary, and one fallback where it may: in the first 10 s at most 1.2 times the calls, and the floor."""
    retries, now, calls, upstream = Retries(), 0.0, 0, 0
    for act, number in steps:
        if act == "wait":
            now = min(now + number / 100, 9.9)
            continue
        calls, upstream = calls + 1, upstream + 1
        retries.called(now)
        if retries.allows(now):
            upstream += 1
            retries.failed(now)
    assert upstream <= calls * (1 + SHARE) + FLOOR
