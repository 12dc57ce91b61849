"""Lines of the spool become rows, once.

Over 300 lines: every form that a line may have come to, and the one drain that meets it.
"""

import dataclasses
import json
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import OperationalError

from routing import drain
from routing.drain import background, folders
from routing.models import Attempt, Call, JobRun, Model, Provider, TaskType, WorkItem
from routing.recorder import Spool
from routing.segments import line_of, listed
from routing.terms.ids import uuid7
from routing.terms.words import ErrorKind, Role, Status
from tests.routing.spooled import T0, attempt, failed, intent, outcome

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool" / "host"


@pytest.fixture
def spool(folder: Path) -> Spool:
    return Spool(folder)


def drained(folder: Path) -> drain.Drained:
    with drain.held_lock(folder) as lock:
        assert lock is not None
        return drain.drain_folder(folder)


def test_a_finished_call_becomes_one_call_one_attempt_and_one_work_item(spool: Spool, folder: Path) -> None:
    call = intent(session="s1")
    spool.start(call)
    spool.finish(outcome(call.id, at=T0 + timedelta(milliseconds=500)))
    assert drained(folder).calls == 1

    row = Call.objects.get(id=call.id)
    assert (row.status, row.task_type, row.client, row.session, row.role) == (
        "ok",
        "code_generation",
        "ci",
        "s1",
        "primary",
    )
    assert (row.served_model, row.total_ms, row.input_tokens, row.cost_usd) == (
        "anthropic:sonnet",
        500,
        1000,
        Decimal("0.00345"),
    )
    assert (row.candidates, row.metadata, row.shares) == (list(call.candidates), {"pr": "41"}, "anthropic:haiku=0.1")
    tried = Attempt.objects.get(call_id=call.id)
    assert (tried.cache_read_tokens, tried.propensity, tried.price) == (900, 0.9, "genai-prices 0.2.3")
    item = WorkItem.objects.get()
    assert (item.id, item.first_call_id, item.model, item.first_total_ms) == (
        call.item,
        call.id,
        "anthropic:sonnet",
        500,
    )


def test_a_fallback_keeps_both_attempts_and_sums_what_they_cost(spool: Spool, folder: Path) -> None:
    call = intent()
    spool.start(call)
    first = failed(1, ErrorKind.TRUNCATED, cost_usd=Decimal("0.001"))
    spool.finish(outcome(call.id, first, attempt(2), used_fallback=True))
    drained(folder)

    row = Call.objects.get()
    assert (row.used_fallback, row.attempts_count, row.served_model) == (True, 2, "openai:codex")
    assert row.cost_usd == Decimal("0.00445")  # 0.001 + 0.00345
    item = WorkItem.objects.get()
    assert (item.model, item.first_status, item.first_error) == ("anthropic:sonnet", "error", "truncated")


def test_a_call_without_a_priced_attempt_costs_nothing_known(spool: Spool, folder: Path) -> None:
    call = intent()
    spool.start(call)
    spool.finish(outcome(call.id, attempt(cost_usd=None)))
    drained(folder)
    assert Call.objects.get().cost_usd is None


def test_draining_again_from_the_start_writes_nothing_twice(spool: Spool, folder: Path) -> None:
    for number in range(5):
        call = intent(T0 + timedelta(seconds=number))
        spool.start(call)
        spool.finish(outcome(call.id))
    assert drained(folder).calls == 5
    for offset in folder.glob("*.at"):
        offset.unlink()  # as if the drain had died before it noted how far it was
    assert drained(folder).calls == 0
    assert (Call.objects.count(), Attempt.objects.count(), WorkItem.objects.count()) == (5, 5, 5)


def test_an_intent_is_unknown_only_when_its_process_is_gone(spool: Spool, folder: Path) -> None:
    call = intent()
    spool.start(call)
    drained(folder)
    assert not Call.objects.exists()

    spool.close()
    assert drained(folder).unknown == 1
    assert (Call.objects.get().status, Attempt.objects.get().status) == ("unknown", "unknown")
    assert Attempt.objects.get().model == "sonnet"
    assert listed(folder) == []


def test_a_process_that_dies_in_its_second_attempt_leaves_both(spool: Spool, folder: Path) -> None:
    call = intent()
    spool.start(call)
    spool.fall_back(call.id, failed(1), then="openai:codex")
    spool.close()
    drained(folder)
    tried = [(row.attempt, row.model, row.status, row.role) for row in Attempt.objects.order_by("attempt")]
    assert tried == [(1, "sonnet", "error", "primary"), (2, "codex", "unknown", "fallback")]


def test_what_is_known_replaces_unknown_and_never_the_reverse(spool: Spool, folder: Path) -> None:
    call = intent()
    spool.start(call)
    spool.close()
    drained(folder)
    spool.start(call)
    spool.finish(outcome(call.id))
    spool.close()
    drained(folder)
    assert (Call.objects.get().status, Attempt.objects.get().status) == ("ok", "ok")
    assert WorkItem.objects.get().first_status == "ok"

    spool.start(call)
    spool.close()
    drained(folder)
    assert (Call.objects.get().status, Attempt.objects.get().status) == ("ok", "ok")


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["in order", "late"])
def test_the_earliest_call_of_a_session_sets_up_its_item(spool: Spool, folder: Path, order: tuple[int, int]) -> None:
    item = uuid7(T0)
    calls = [
        intent(T0, item=item, session="s"),
        intent(T0 + timedelta(minutes=1), item=item, session="s", role=Role.EXPLORE, routed_model="openai:codex"),
    ]
    ends = [attempt(), attempt(provider="openai", model="codex", role=Role.EXPLORE)]
    for index in order:
        spool.start(calls[index])
        spool.finish(outcome(calls[index].id, ends[index]))
        drained(folder)
    row = WorkItem.objects.get()
    assert (row.first_call_id, row.model, row.role) == (calls[0].id, "anthropic:sonnet", "primary")


def test_a_second_opinion_opens_no_item(spool: Spool, folder: Path) -> None:
    call = intent(role=Role.SECOND_OPINION)
    spool.start(call)
    spool.finish(outcome(call.id, attempt(role=Role.SECOND_OPINION)))
    drained(folder)
    assert Call.objects.count() == 1
    assert not WorkItem.objects.exists()


def test_a_refused_call_is_a_row_without_attempts(spool: Spool, folder: Path) -> None:
    call = intent(routed_model="", candidates=())
    spool.start(call)
    blocked = dataclasses.replace(outcome(call.id), attempts=(), status=Status.BLOCKED, error_code="budget_spent")
    spool.finish(blocked)
    drained(folder)
    assert (Call.objects.get().status, Call.objects.get().error_code) == ("blocked", "budget_spent")
    assert not Attempt.objects.exists()


def test_an_item_remembers_the_versions_it_was_made_under(spool: Spool, folder: Path) -> None:
    TaskType.objects.create(slug="code_generation", name="Code", definition_version=4)
    provider = Provider.objects.create(slug="anthropic", kind="anthropic")
    Model.objects.create(provider=provider, slug="sonnet", upstream_id="claude-sonnet-5", version=7)
    call = intent()
    spool.start(call)
    spool.finish(outcome(call.id))
    drained(folder)
    assert (WorkItem.objects.get().definition_version, WorkItem.objects.get().model_version) == (4, 7)


def test_text_that_postgresql_refuses_is_cleaned_and_cut(spool: Spool, folder: Path) -> None:
    call = intent(reason="a\x00b\ud800c", session="tab\there\\", metadata={"k": "nul\x00 \udfff"})
    spool.start(call)
    spool.finish(outcome(call.id, failed(error_message="x" * 900)))
    drained(folder)
    row = Call.objects.get()
    assert (row.reason, row.session, row.metadata) == ("ab?c", "tab\there\\", {"k": "nul ?"})
    assert len(Attempt.objects.get().error_message) == 500


def test_torn_and_corrupt_lines_are_kept_aside_and_cost_no_good_line(spool: Spool, folder: Path) -> None:
    calls = [intent(T0 + timedelta(seconds=n)) for n in range(3)]
    for call in calls:
        spool.start(call)
        spool.finish(outcome(call.id))
    spool.close()
    (segment,) = listed(folder)
    raw = segment.read_bytes().split(b"\n")
    raw[2] = raw[2][:40] + b"\xff\r" + raw[2][42:]  # the second call's intent: its outcome repeats it
    raw[5] = raw[5][:-30]  # the third call's outcome, torn at the end of the file
    segment.write_bytes(b"\n".join(raw[:6]))
    done = drained(folder)
    assert (done.bad, done.calls, done.unknown) == (2, 2, 1)
    assert dict(Call.objects.values_list("id", "status")) == {
        calls[0].id: "ok",
        calls[1].id: "ok",
        calls[2].id: "unknown",
    }
    assert folders.status(folder).bad_lines == 2


def test_a_line_whose_values_are_refused_is_kept_aside_alone(spool: Spool, folder: Path) -> None:
    good, bad = intent(), intent(T0 + timedelta(seconds=1))
    for call in (good, bad):
        spool.start(call)
        spool.finish(outcome(call.id))
    spool.close()
    (segment,) = listed(folder)
    raw = segment.read_bytes().splitlines()
    record = json.loads(raw[3][9:])
    record["intent"]["item"] = "not a uuid"
    raw[3] = line_of(json.dumps(record).encode()).rstrip()
    segment.write_bytes(b"\n".join(raw) + b"\n")
    done = drained(folder)
    assert (done.bad, done.calls) == (1, 1)
    assert Call.objects.get().id == good.id


def test_late_rows_make_the_nights_dirty_on_which_their_items_may_close(spool: Spool, folder: Path) -> None:
    TaskType.objects.create(slug="code_generation", name="Code", label_horizon_days=1)
    for night in ("2026-11-17", "2026-11-18", "2026-11-19", "2026-11-20"):
        JobRun.objects.create(job="nightly", key=night)
    call = intent(datetime(2026, 11, 18, 23, 59, tzinfo=UTC))
    spool.start(call)
    spool.finish(outcome(call.id))
    drained(folder)
    assert set(JobRun.objects.filter(dirty=True).values_list("key", flat=True)) == {"2026-11-18", "2026-11-19"}


def test_a_month_gets_its_partition_with_its_first_row(spool: Spool, folder: Path) -> None:
    call = intent(datetime(2031, 2, 1, tzinfo=UTC))
    spool.start(call)
    spool.finish(outcome(call.id))
    assert drained(folder).calls == 1


def test_one_process_at_a_time_drains_a_folder(folder: Path) -> None:
    with drain.held_lock(folder) as first, drain.held_lock(folder) as second:
        assert first is not None
        assert second is None
        assert folders.status(folder).holder == os.getpid()
    assert folders.status(folder).holder is None


def test_the_lines_stay_when_postgresql_is_away(spool: Spool, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call = intent()
    spool.start(call)
    spool.finish(outcome(call.id))

    def away(*_: object) -> int:
        raise OperationalError("connection refused")

    with monkeypatch.context() as patched:
        patched.setattr(folders, "_write", away)
        with pytest.raises(OperationalError):
            drained(folder)
    assert folders.status(folder).pending_bytes > 0
    assert drained(folder).calls == 1
    assert folders.status(folder).pending_bytes == 0


def test_nobody_waits_for_a_name_that_no_call_can_have() -> None:
    assert drain.wait_for(uuid7(T0 - timedelta(days=400))) is False


def until(is_so: Callable[[], bool]) -> None:
    """Polls, within what a busy machine may need."""
    end = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_who_stands_in_leaves_the_spool_to_a_keeper_and_takes_it_back(folder: Path) -> None:
    """No line is written here, so that no thread asks the database."""
    drain.start_background(folder)
    stand_in, stop = background._background, threading.Event()
    assert stand_in is not None
    keeper = threading.Thread(target=drain.keep, args=(stop, folder))
    try:
        until(lambda: stand_in.drainer.is_draining)
        keeper.start()
        until(lambda: not stand_in.drainer.is_draining and folders.status(folder).holder is not None)
        stop.set()
        keeper.join(20)
        until(lambda: stand_in.drainer.is_draining)
    finally:
        stop.set()
        drain.stop_background(flush=False)
