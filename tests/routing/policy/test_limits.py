"""Limits per minute over processes: what the pool gives away, what a process takes, and that together they never pass the limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.policy.limits import DEAD_S, Hold, Meter, Pool, Telling, Verdict, exchanged, frees_in, used

T = 1_000_000.0  # a second since 1970


@pytest.mark.parametrize(
    ("slots", "now", "counts"),
    [
        pytest.param({}, T, 0, id="nothing"),
        pytest.param({int(T): 3}, T, 3, id="now"),
        pytest.param({int(T): 3}, T + 60.9, 3, id="a use late in its second is not yet a minute old"),
        pytest.param({int(T): 3}, T + 61, 0, id="a minute old, whenever in its second it was"),
    ],
)
def test_a_use_counts_for_a_minute(slots, now, counts):
    assert used(slots, now) == counts


@pytest.mark.parametrize(
    ("slots", "wanted", "seconds"),
    [
        pytest.param({}, 1, 0, id="nothing is used"),
        pytest.param({int(T): 9}, 1, 0, id="one fits"),
        pytest.param({int(T): 10}, 1, 61, id="full since now"),
        pytest.param({int(T) - 30: 5, int(T): 5}, 1, 31, id="the older half ends first"),
        pytest.param({int(T) - 30: 5, int(T): 5}, 6, 61, id="more than the older half"),
        pytest.param({int(T) - 30: 5}, 99, 31, id="more than the limit fits when nothing counts"),
    ],
)
def test_when_room_comes(slots, wanted, seconds):
    assert frees_in(slots, 10, wanted, T) == seconds


def pool(**parts):
    """Units by process; a process with "!" is hungry."""
    return Pool({}, {name: Hold(units, T) for name, units in parts.items()})


def ask(known, process, wanted=1, spent=0, limit=100, *, keeps=0, is_idle=False, now=T):
    return exchanged(known, process, Telling({int(now): spent}, wanted, keeps, is_idle), limit=limit, now=now)


def test_the_first_gets_half_and_the_next_half_of_the_rest():
    one = ask(Pool(), "a")
    two = ask(one, "b")
    assert (one.holds["a"].units, two.holds["b"].units) == (50, 25)


def test_one_who_wants_more_than_half_gets_it_where_it_is_free():
    assert ask(Pool(), "a", wanted=80).holds["a"].units == 80
    assert ask(pool(b=30), "a", wanted=80).holds["a"].units == 70
    assert ask(pool(b=30), "a", wanted=80).holds["a"].is_hungry


def test_the_last_unit_is_given_away():
    assert ask(pool(b=99), "a").holds["a"].units == 1


def test_what_is_used_is_gone_for_all():
    told = ask(Pool(), "a", spent=40)
    assert told.holds["a"].units == 30
    assert ask(told, "b", spent=30).holds["b"].units == 0


def test_an_idle_process_keeps_its_part_until_another_is_hungry():
    known = pool(a=50)
    assert ask(known, "a", 0, is_idle=True).holds["a"].units == 50
    hungry = ask(known, "b", wanted=70)
    assert hungry.holds["b"].is_hungry
    assert ask(hungry, "a", 0, is_idle=True).holds["a"].units == 0


def test_the_part_of_a_dead_process_is_free_again():
    assert ask(pool(dead=100), "a", now=T + 9).holds["a"].units == 0
    assert ask(pool(dead=100), "a", now=T + 11).holds["a"].units == 50


def test_more_used_than_was_thought_leaves_nothing_to_give():
    told = ask(Pool(), "a", spent=130)
    assert (told.holds["a"].units, used(told.slots, T)) == (0, 130)


class World:
    """Processes that share a pool, and when each unit was really used."""

    def __init__(self, limit, names):
        self.limit, self.pool, self.now = limit, Pool(), T
        self.meters = {name: Meter(limit) for name in names}
        self.uses = []

    def exchange(self, name, calls=0):
        """While PostgreSQL writes, so many calls come to the process."""
        meter = self.meters[name]
        telling = meter.tell(self.now)
        for _ in range(calls):
            if meter.take(1, self.now, asks=True) is Verdict.TAKEN:
                self.uses.append((self.now, 1))
        self.pool = exchanged(self.pool, name, telling, limit=self.limit, now=self.now)
        meter.told(self.pool, name, telling, self.now)

    def take(self, name, units=1):
        """As a call does: ask the pool twice at most, then be refused."""
        for _ in range(3):
            verdict = self.meters[name].take(units, self.now, asks=True)
            if verdict is not Verdict.ASK:
                break
            self.exchange(name)
        if verdict is Verdict.TAKEN:
            self.uses.append((self.now, min(units, self.limit)))
        return verdict is Verdict.TAKEN

    def wait(self, seconds):
        """Who lives says something before it is thought dead."""
        for name, hold in self.pool.holds.items():
            if hold.told_at + DEAD_S <= self.now + seconds:
                self.exchange(name)
        self.now += seconds

    def most_in_a_minute(self):
        return max((sum(n for at, n in self.uses if start <= at < start + 60) for start, _ in self.uses), default=0)


def test_a_lone_process_gets_the_whole_limit_and_no_more():
    world = World(60, "a")
    assert [world.take("a") for _ in range(80)] == [True] * 60 + [False] * 20
    assert world.meters["a"].frees_in(1, world.now) == 61
    world.now += 61
    assert world.take("a")


def test_a_process_that_is_alone_in_using_it_gets_the_whole_beside_idle_ones():
    world = World(60, "ab")
    assert world.take("b")
    world.now += 2
    given = sum(world.take("a") for _ in range(80))
    world.exchange("b")  # its next round: it is idle, and "a" is hungry
    given += sum(world.take("a") for _ in range(80))
    assert given == 59


def test_two_busy_processes_share_the_limit_and_together_do_not_pass_it():
    world = World(100, "ab")
    given = {"a": 0, "b": 0}
    for _ in range(120):
        for name in "ab":
            given[name] += world.take(name)
    assert sum(given.values()) == 100
    assert min(given.values()) >= 30


def test_a_call_larger_than_the_limit_needs_all_of_it():
    world = World(1000, "a")
    assert world.take("a", 5000)
    assert not world.take("a", 1)
    world.now += 61
    assert world.take("a", 1)
    assert not world.take("a", 5000)


def test_what_was_thought_too_much_may_be_used():
    world = World(1000, "a")
    assert world.take("a", 900)
    assert not world.take("a", 900)
    world.meters["a"].correct(int(world.now), -850)
    assert world.take("a", 900)


def test_without_a_pool_each_goes_by_an_even_share_of_what_it_knows():
    world = World(100, "ab")
    for name in "ab":
        assert world.take(name)
        world.exchange(name)
    world.exchange("a")
    meter = world.meters["a"]
    taken = [meter.take(1, world.now, asks=False) for _ in range(100)]
    assert taken.count(Verdict.TAKEN) == 49  # half of 100, less the one before


def test_a_process_that_never_heard_of_the_pool_goes_by_the_workers_there_are():
    meter = Meter(100, processes=4)
    assert [meter.take(1, T, asks=False) for _ in range(100)].count(Verdict.TAKEN) == 25


def test_what_is_used_while_the_pool_is_told_comes_off_the_new_part():
    world = World(100, "a")
    assert world.take("a")
    world.exchange("a", calls=3)
    meter = world.meters["a"]
    assert (world.pool.holds["a"].units, meter.part, meter.untold) == (50, 47, {int(T): 3})


def test_a_process_that_has_no_answer_yet_does_not_go_by_a_share_while_the_pool_can_be_asked():
    meter = Meter(60, processes=2)
    assert meter.take(1, T, asks=True, waited=True) is Verdict.ASK
    pool = ask(Pool({int(T): 60}), "a", limit=60)
    meter.told(pool, "a", meter.tell(T), T)
    assert meter.take(1, T, asks=True, waited=True) is Verdict.FULL


def test_while_the_pool_is_told_only_what_is_kept_for_certain_may_be_used():
    """It has 60 and will have half of the 89 that "b" left: were more than that used meanwhile, both would have the rest."""
    world = World(120, "ab")
    assert world.take("a")
    assert world.take("b")
    world.exchange("a", calls=100)
    for name in "ba":
        while world.take(name):
            pass
    assert sum(units for _, units in world.uses) == 120


def test_a_part_that_is_being_told_is_kept_by_half():
    known = ask(pool(a=50), "b", wanted=70)
    assert ask(known, "a", 0, keeps=25).holds["a"].units == 25


def test_alone_from_the_beginning_the_whole_limit_is_ones_own():
    meter = Meter(10)
    assert [meter.take(1, T, asks=False) for _ in range(12)].count(Verdict.TAKEN) == 10


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["take", "exchange", "wait"]),
        st.sampled_from("abc"),
        st.integers(1, 40),
    ),
    max_size=120,
)


@given(STEPS, st.integers(1, 60))
def test_in_no_minute_do_they_pass_the_limit_however_they_take_turns(steps, limit):
    world = World(limit, "abc")
    for act, name, number in steps:
        if act == "take":
            world.take(name, number if number < 4 else 1)
        elif act == "exchange":
            world.exchange(name, calls=number)
        else:
            world.wait(number / 5)
    assert world.most_in_a_minute() <= limit


@given(STEPS)
def test_what_a_pool_holds_and_has_used_never_passes_the_limit(steps):
    world = World(50, "abc")
    for act, name, number in steps:
        if act == "take":
            world.take(name)
        elif act == "exchange":
            world.exchange(name, calls=number)
        else:
            world.wait(number / 10)
        assert used(world.pool.slots, world.now) + world.pool.held() <= 50
