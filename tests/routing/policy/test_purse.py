"""The arithmetic of budgets that hold: in whatever order processes reserve, settle, return and die, no limit is passed and the end is exact."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from routing.policy.purse import NONE, Purse, Spending, forecast, grant, may_come

LIMIT = Decimal("1.00")
USD = st.integers(1, 30).map(lambda cents: Decimal(cents) / 100)
NOVEMBER, DECEMBER = date(2026, 11, 1), date(2026, 12, 1)


@pytest.mark.parametrize(
    ("spent", "leased", "need", "granted"),
    [
        pytest.param("0", "0", "0.01", "0.1", id="a tenth of the rest"),
        pytest.param("0.5", "0.3", "0.01", "0.02", id="of the rest, not of the limit"),
        pytest.param("0.5", "0.3", "0.05", "0.05", id="near the end just one reserve"),
        pytest.param("0.5", "0.45", "0.05", "0.05", id="the last cent"),
        pytest.param("0.5", "0.46", "0.05", None, id="not there"),
        pytest.param("1.2", "0", "0.05", None, id="passed long ago"),
        pytest.param("0", "0.99999", "0.000001", "0.000001", id="a tenth of a rest is cut to ten places"),
    ],
)
def test_a_lease_is_a_tenth_of_the_rest_and_near_the_end_just_what_is_needed(
    spent: str, leased: str, need: str, granted: str | None
) -> None:
    assert grant(LIMIT, Decimal(spent), Decimal(leased), Decimal(need)) == (granted and Decimal(granted))


def test_what_is_out_on_leases_may_come_back_and_what_is_spent_does_not() -> None:
    assert may_come(LIMIT, Decimal("0.95"), Decimal("0.05"))
    assert not may_come(LIMIT, Decimal("0.96"), Decimal("0.05"))


def test_what_an_attempt_cost_beyond_its_estimate_comes_from_what_is_free_as_far_as_that_goes() -> None:
    purse = Purse[int](free=Decimal("0.10"))
    assert purse.take(Decimal("0.08"))
    purse.settle(1, Decimal("0.08"), Decimal("0.50"))
    assert (purse.free, purse.held, purse.owed) == (0, 0, {1: Decimal("0.10")})


@pytest.mark.parametrize(
    ("steps", "spent"),
    [
        pytest.param([(NOVEMBER, "0", "3"), (NOVEMBER, "0", "4")], (NOVEMBER, "7", True), id="simulated money counts"),
        pytest.param([(NOVEMBER, "0", "3"), (NOVEMBER, "2", "4")], (NOVEMBER, "2", False), id="until there is real money"),
        pytest.param([(NOVEMBER, "2", "0"), (NOVEMBER, "0", "4")], (NOVEMBER, "2", False), id="and not after it"),
        pytest.param([(NOVEMBER, "2", "0"), (DECEMBER, "1", "0")], (DECEMBER, "1", False), id="a month begins anew"),
        pytest.param([(DECEMBER, "2", "0"), (NOVEMBER, "9", "0")], (DECEMBER, "2", False), id="late rows of the last month"),
    ],
)  # fmt: skip
def test_spending_adds_up(steps: list[tuple[date, str, str]], spent: tuple[date, str, bool]) -> None:
    sum_ = Spending(NOVEMBER)
    for month, real, simulated in steps:
        sum_ = sum_.plus(month, Decimal(real), Decimal(simulated))
    assert sum_ == Spending(spent[0], Decimal(spent[1]), spent[2])


def test_a_forecast_goes_on_at_the_pace_so_far() -> None:
    assert forecast(Decimal(10), 0.25) == 40
    assert forecast(Decimal(0), 0.0) == 0


class Processes(RuleBasedStateMachine):
    """Three processes on one budget of $1.00, and the database's two sums of it: what the rows say, and what is out on leases."""

    attempts = Bundle("attempts")

    def __init__(self) -> None:
        super().__init__()
        self.purses = [Purse[int]() for _ in range(3)]
        self.spent = NONE  # by the rows
        self.cost: dict[int, Decimal] = {}  # of calls that have ended, rows or not
        self.calls = 0

    @property
    def leased(self) -> Decimal:
        return sum((purse.total for purse in self.purses), NONE)

    @rule(target=attempts, process=st.integers(0, 2), usd=USD)
    def reserve(self, process: int, usd: Decimal) -> tuple[int, Purse[int], int, Decimal] | None:
        purse, before = self.purses[process], self.leased
        if usd > purse.free:
            more = grant(LIMIT, self.spent, before, usd - purse.free)
            rest = LIMIT - self.spent - before
            assert (more is None) == (usd - purse.free > rest)
            if more is None:
                return None
            assert more <= max(rest / 10, usd - purse.free)
            purse.put_in(more)
        assert purse.take(usd)
        self.calls += 1
        return process, purse, self.calls, usd

    @rule(attempt=consumes(attempts), share=st.sampled_from(["0", "0.4", "1"]))
    def settle(self, attempt: tuple[int, Purse[int], int, Decimal] | None, share: str) -> None:
        if attempt is None or attempt[1] is not self.purses[attempt[0]]:  # its process has died
            return
        _, purse, call, usd = attempt
        cost = usd * Decimal(share)
        purse.settle(call, usd, cost)
        self.cost[call] = cost

    @rule(process=st.integers(0, 2))
    def drain(self, process: int) -> None:
        """The rows of all that it has ended are written, and counted; then its lease gets to know."""
        purse = self.purses[process]
        self.spent += sum(purse.owed.values(), NONE)
        for call in tuple(purse.owed):
            purse.booked(call)

    @rule(process=st.integers(0, 2))
    def return_idle(self, process: int) -> None:
        self.purses[process].empty()

    @rule(process=st.integers(0, 2))
    def die(self, process: int) -> None:
        """What it had ended is drained first; what was on its way becomes `unknown` and costs nothing that anybody knows of."""
        self.drain(process)
        self.purses[process] = Purse()

    @invariant()
    def holds(self) -> None:
        assert self.spent + self.leased <= LIMIT
        assert all(min(purse.free, purse.held, purse.total) >= 0 for purse in self.purses)

    def teardown(self) -> None:
        for process, purse in enumerate(self.purses):
            assert purse.total == purse.free + purse.held + sum(purse.owed.values(), NONE)
            self.drain(process)
        assert self.spent == sum(self.cost.values(), NONE)


TestProcesses = Processes.TestCase
TestProcesses.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
