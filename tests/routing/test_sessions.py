"""A session keeps the model that it began with, whatever becomes of the route and the shares, in every process.

Over 300 lines: one session and each change of the table that may meet it.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from routing import changes, circuits, drain, queries, recorder, sessions, snapshot
from routing.audit import SYSTEM
from routing.dispatch import Refused, Result, dispatch
from routing.dispatch.call import Facts
from routing.models import Attempt, Call, Exploration, Model, TaskType, WorkItem
from routing.policy.draw import uniform
from routing.policy.pins import IDLE
from routing.providers.registry import close_all
from routing.rows import SEEN_EVERY
from routing.terms.ids import item_of
from routing.terms.request import Ask
from routing.terms.words import Role
from tests.doubles.script import answer, error, rate_limited
from tests.routing.two_providers import CALLER, REQUEST, two_providers

pytestmark = pytest.mark.django_db
SESSION = "a-piece-of-work"


@pytest.fixture
def world(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    recorder.close()
    with two_providers() as made:
        snapshot.load_now()
        yield made
    recorder.close()


def call(session: str = SESSION, **ask: Any) -> Result:
    """One call of the session in this process, its rows written."""

    async def made() -> Result:
        try:
            return await dispatch(Ask(**{"task_type": "talk"} | ask), REQUEST, CALLER, Facts(session=session))
        finally:
            await close_all()

    result = asyncio.run(made())
    circuits.write_pending()
    assert drain.flush()
    return result


def another_worker() -> None:
    """From here on this process knows what one that has just begun knows."""
    snapshot.forget()
    snapshot.load_now()


def route(*steps: str) -> None:
    changes.change_route("talk", list(steps), by=SYSTEM, reason="another order", source="console")
    snapshot.load_now()


def explore(share: float) -> None:
    """Today's share of "second:two", which is the route's fallback too."""
    today = datetime.now(UTC).date()
    Exploration.objects.update(ended_at=datetime.now(UTC))
    if share:
        made = Exploration.objects.create(
            task_type=TaskType.objects.get(slug="talk"), share=share, usd_cap=9, starts_on=today, until=today
        )
        made.challengers.add(Model.objects.get(slug="two"))
    snapshot.load_now()


def in_stretch(low: float, high: float) -> str:
    """A session whose number lies there."""
    key = snapshot.current().draw_key
    names = (f"session-{n}" for n in range(10_000))
    return next(each for each in names if low <= uniform(item_of("talk", CALLER.client, each), key) < high)


def test_a_session_keeps_its_model_when_the_route_changes_and_a_new_one_goes_by_the_new_route(world):
    assert call().model == "one"
    route("second:two", "first:one")
    kept = call()
    assert (kept.model, kept.used_fallback, kept.reason) == ("one", False, "session began with one")
    assert call("another").model == "two"
    assert call("").model == "two"


def test_another_worker_reads_with_which_model_the_session_began(world):
    assert call().model == "one"
    route("second:two", "first:one")
    another_worker()
    assert call().model == "one"
    assert call("another").model == "two"


def test_a_worker_that_learns_of_the_change_first_is_told_by_the_row_of_the_other(world):
    """The session began under the old route at a worker whose row is still in the spool when this one reads."""
    route("second:two", "first:one")
    assert call().model == "two"
    began = datetime.now(UTC) - timedelta(seconds=1)
    WorkItem.objects.update(model="first:one", opened_at=began)
    sessions.read(snapshot.current().table, datetime.now(UTC) + timedelta(seconds=1))
    sessions._sessions._read_at = 0.0  # a second later
    sessions.read(snapshot.current().table, datetime.now(UTC))
    assert call().model == "one"


def test_new_shares_move_no_session(world):
    low, high = in_stretch(0.0, 0.3), in_stretch(0.6, 0.9)
    explore(0.5)
    assert [call(each).model for each in (low, high)] == ["two", "one"]
    for share in (0.1, 0.95, 0.0):
        explore(share)
        for _ in range(2):
            assert [call(each).model for each in (low, high)] == ["two", "one"], share
            another_worker()
    first = Attempt.objects.filter(call_id=Call.objects.filter(session=low).latest("id").id).get()
    assert (first.role, first.propensity) == (Role.EXPLORE, None)


def test_failover_leaves_the_sessions_model_and_comes_back_to_it(world):
    assert call().model == "one"
    route("second:two", "first:one")
    world.primary.will(rate_limited("3000"), then=answer())
    left = call()
    assert (left.model, left.used_fallback) == ("two", True)
    resting = call()
    assert (resting.model, resting.used_fallback) == ("two", True)
    assert "one: cooling down" in resting.reason
    circuits.reset(by=SYSTEM)
    snapshot.load_now()
    assert call().model == "one"


def test_a_session_that_began_while_its_primary_rested_goes_to_the_primary_when_it_is_back(world):
    world.primary.will(rate_limited("3000"), then=answer())
    assert call("who learns it").model == "two"
    assert call().model == "two"
    circuits.reset(by=SYSTEM)
    snapshot.load_now()
    assert call().model == "one"
    another_worker()
    assert call().model == "one"


def test_an_override_pins_nothing(world):
    assert call(override="two").model == "two"
    assert call().model == "one"
    route("second:two", "first:one")
    assert call().model == "two"
    another_worker()
    assert call().model == "two"


def test_an_override_within_a_session_leaves_it_its_model(world):
    assert call().model == "one"
    route("second:two", "first:one")
    assert call(override="two").model == "two"
    assert call().model == "one"


def test_a_model_that_was_switched_off_holds_its_sessions_no_longer(world):
    assert call().model == "one"
    route("second:two", "first:one")
    changes.publish(
        {"models": [{"provider": "first", "slug": "one", "enabled": False}]}, by=SYSTEM, reason="off", source="console"
    )
    snapshot.load_now()
    served = call()
    assert (served.model, served.used_fallback) == ("two", False)


def test_explain_tells_with_what_the_session_began(world):
    call()
    route("second:two", "first:one")
    ask = Ask("talk", client=CALLER.client)
    for _ in range(2):
        told = queries.explain(ask, SESSION)
        assert told["reason"] == "session began with one"
        assert [each["model"] for each in told["candidates"]] == ["one", "two"]
        assert told["shares"] == {}
        another_worker()
    assert queries.explain(ask)["candidates"][0]["model"] == "two"
    assert queries.explain(ask, "another")["candidates"][0]["model"] == "two"


def test_explaining_begins_no_session(world):
    queries.explain(Ask("talk", client=CALLER.client), SESSION)
    route("second:two", "first:one")
    assert call().model == "two"


def test_the_evidence_of_an_item_is_its_first_calls_whatever_comes_later(world):
    explore(0.5)
    session = in_stretch(0.0, 0.4)
    call(session)
    before = WorkItem.objects.values().get(session=session)
    assert (before["model"], before["role"], before["propensity"]) == ("second:two", "explore", 0.5)
    explore(0.0)
    route("first:one")
    call(session)
    WorkItem.objects.update(seen_at=None)  # the one column that later calls write
    after = WorkItem.objects.values().get(session=session)
    assert after == before | {"seen_at": None}
    first, later = Call.objects.filter(session=session).order_by("id")
    assert first.shares
    assert not later.shares
    assert (later.role, later.propensity, later.draw) == ("explore", None, None)


def test_a_session_that_was_idle_for_hours_goes_by_the_new_route(world):
    call()
    WorkItem.objects.update(seen_at=datetime.now(UTC) - IDLE - timedelta(minutes=1))
    changes.change_route("talk", ["second:two", "first:one"], by=SYSTEM, reason="another order", source="console")
    another_worker()
    assert call().model == "two"
    another_worker()
    assert call().model == "two"  # its row stays idle: it holds nobody


def test_a_process_forgets_what_was_idle_as_the_rows_do(world):
    known, now = sessions.Sessions(), datetime.now(UTC)
    item, pin = item_of("talk", "ci", SESSION), snapshot.current()
    known.begin(item, "", pin, now)
    assert known.begun(item, "", now + IDLE) is pin
    assert known.begun(item, "", now + 2 * IDLE) is pin  # it was seen in between
    assert known.begun(item, "", now + 3 * IDLE + timedelta(seconds=1)) is None
    assert known.begun(item, "", now) is None


def test_the_longest_unused_session_is_forgotten_first(world, monkeypatch):
    monkeypatch.setattr(sessions, "MOST", 2)
    known, now = sessions.Sessions(), datetime.now(UTC)
    a, b, c = (item_of("talk", "ci", each) for each in "abc")
    for each in (a, b):
        known.begin(each, "", each, now)
    assert known.begun(a, "", now) is a
    known.begin(c, "", c, now)
    assert [known.begun(each, "", now) is not None for each in (a, b, c)] == [True, False, True]


def test_the_drain_notes_a_sessions_last_call_every_few_minutes_and_that_of_lone_calls_never(world):
    call()
    call("")
    assert set(WorkItem.objects.filter(session="").values_list("seen_at", flat=True)) == {None}
    item = WorkItem.objects.get(session=SESSION)
    assert item.seen_at == item.opened_at
    call()
    assert WorkItem.objects.get(session=SESSION).seen_at == item.opened_at
    WorkItem.objects.filter(session=SESSION).update(seen_at=item.seen_at - SEEN_EVERY)
    call()
    assert WorkItem.objects.get(session=SESSION).seen_at == Call.objects.filter(session=SESSION).latest("id").started_at


def test_sessions_that_began_as_they_would_begin_now_are_not_read(world):
    explore(0.5)
    for session in (in_stretch(0.0, 0.4), in_stretch(0.6, 0.9)):
        call(session)
    another_worker()
    assert len(sessions._sessions._known) == 0
    explore(0.1)
    assert len(sessions._sessions._known) == 2


def test_a_call_with_a_session_makes_no_query(world, django_assert_num_queries):
    route("second:two", "first:one")

    async def made() -> None:
        await dispatch(Ask("talk"), REQUEST, CALLER, Facts(session=SESSION))
        await close_all()

    with django_assert_num_queries(0):
        asyncio.run(made())


def test_conditions_and_projects_of_one_session_keep_their_own_routes(world):
    changes.publish(
        {"routes": [{"task_type": "talk", "project": None, "condition": "batch", "steps": ["second:two"]}]},
        by=SYSTEM,
        reason="batches elsewhere",
        source="console",
    )
    snapshot.load_now()
    assert call(context=("batch",)).model == "two"
    assert call().model == "one"
    another_worker()
    assert call().model == "one"
    assert call(context=("batch",)).model == "two"
    assert WorkItem.objects.get().scope == "?batch"


def test_a_failed_first_attempt_still_was_the_sessions_model(world):
    world.primary.will(error(500), then=answer())
    assert call().model == "two"
    route("second:two", "first:one")
    another_worker()
    assert call().model == "one"


def test_nobody_able_is_told_as_without_a_session(world):
    call()
    route("second:two", "first:one")
    for double in (world.primary, world.fallback):
        double.will(then=error(500))
    with pytest.raises(Refused) as refused:
        call()
    assert refused.value.status == 502
