"""A batch's run: side by side, each item once, whoever else runs it, dies, cancels or is away."""

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, connections
from django.utils import timezone

from routing import batches, changes, clients, drain, jobs
from routing.audit import SYSTEM
from routing.batches import claims, messages, running, stopping
from routing.models import Attempt, Batch, BatchItem, Call
from tests.cortex.processes import until
from tests.doubles.script import answer, disconnects, error, rate_limited, stalls
from tests.routing.batches.conftest import ITEM, Sender
from tests.routing.batches.conftest import messages as sent


def in_thread(work: Callable[[], object]) -> threading.Thread:
    """`work` as another process would do it: with a connection of its own."""

    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_twenty_items_four_at_a_time_are_twenty_calls_and_never_more_than_four_at_once(committed: Sender) -> None:
    committed.double.will(then=answer("Done.", delay_s=0.03))
    number = committed.send(20, concurrency=4)
    assert batches.run(number)
    told = committed.get(number)
    assert (told["status"], told["progress"], told["counts"]["done"]) == ("done", 1.0, 20)
    assert len(committed.double.requests) == 20
    assert committed.double.busiest <= 4, "that it is four, and not fewer, test_worker shows without a clock"
    assert committed.prompts() == sorted(f"Say it {n}." for n in range(20))
    assert [each["answer"]["output"] for each in told["items"]] == ["Done."] * 20
    assert drain.flush()
    calls = set(Call.objects.filter(status="ok").values_list("id", flat=True))
    assert {UUID(each["request_id"]) for each in told["items"]} == calls, "an item names the call that its row tells of"
    one = Call.objects.values_list("cost_usd", flat=True)[0]
    assert one is not None
    assert told["cost_usd"] == format((one * 20).normalize(), "f")
    assert told["usage"] == {"input_tokens": 20 * 100, "output_tokens": 20 * 20}
    assert BatchItem.objects.exclude(body=None).count() == 0, "a prompt is forgotten with its call's end"


def test_a_run_that_comes_twice_or_in_parallel_makes_no_call_twice(committed: Sender) -> None:
    committed.double.will(then=answer(delay_s=0.05))
    number = committed.send(12, concurrency=2)
    threads = [in_thread(lambda: batches.run(number)) for _ in range(3)]
    for thread in threads:
        thread.join(60)
    batches.run(number)
    assert committed.statuses(number) == ["done"] * 12
    assert len(committed.double.requests) == 12
    assert committed.double.busiest <= 2


def test_two_claimants_never_get_the_same_item(committed: Sender) -> None:
    number = committed.send(30)
    found: list[int] = []

    def take() -> None:
        while (claimed := claims.claim(number)) is not None:
            found.append(claimed.item)

    threads = [in_thread(take) for _ in range(4)]
    for thread in threads:
        thread.join(60)
    assert len(found) == len(set(found)) == 30


def test_one_bad_call_is_that_items_own_and_says_what_a_dispatch_would(sender: Sender) -> None:
    sender.double.will(error(400, "invalid_request_error", message="the model takes no poems"))
    number = sender.send(3, concurrency=1)
    batches.run(number)
    told = sender.get(number)
    assert (told["status"], told["counts"]["failed"], told["counts"]["done"]) == ("done", 1, 2)
    first = told["items"][0]
    assert (first["status"], first["error"]["code"], first["answer"]) == ("failed", "provider_refused", None)
    assert "the model takes no poems" in first["error"]["message"]
    assert first["error"]["details"]["attempts"][0]["http_status"] == 400


def test_a_route_may_name_the_condition_batch(sender: Sender) -> None:
    route = {"task_type": "talk", "project": None, "condition": "batch", "steps": ["second:two"]}
    changes.publish({"routes": [route]}, by=SYSTEM, reason="batches go second", source="load")
    number = sender.send(1)
    batches.run(number)
    assert sender.get(number)["items"][0]["answer"]["model"] == "two"


def test_what_no_provider_could_take_waits_and_is_tried_again(sender: Sender) -> None:
    for double in (sender.world.primary, sender.world.fallback):
        double.will(rate_limited("1"))
    number = sender.send(3, concurrency=1)
    batches.run(number)
    told = sender.get(number)
    assert (told["counts"]["done"], told["items"][0]["tries"] >= 2) == (3, True)
    assert drain.flush()
    assert Attempt.objects.filter(status="ok").count() == 3


def test_a_call_that_may_have_been_paid_for_is_never_tried_again(sender: Sender) -> None:
    for double in (sender.world.primary, sender.world.fallback):
        double.will(disconnects(before_headers=True))
    number = sender.send(1)
    batches.run(number)
    told = sender.get(number)["items"][0]
    assert (told["status"], told["error"]["code"], told["tries"]) == ("failed", "all_candidates_failed", 1)
    assert len(sender.double.requests) == 1


def test_a_long_pause_ends_the_run_and_the_watch_goes_on_when_it_is_over(sender: Sender) -> None:
    for double in (sender.world.primary, sender.world.fallback):
        double.will(rate_limited("120"))
    number = sender.send(2, concurrency=1)
    batches.run(number)
    batch = Batch.objects.get(pk=number)
    assert batch.not_before is not None
    assert timedelta(seconds=90) < batch.not_before - timezone.now() < timedelta(seconds=121)
    assert (batch.finished_at, sender.statuses(number)) == (None, ["queued", "queued"])
    assert batches.wake(timezone.now()) == []
    assert batches.wake(timezone.now() + timedelta(seconds=125)) == [number]


def test_a_batch_that_takes_long_lets_other_jobs_have_their_turn(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "SLICE_S", 0.0)
    number = sender.send(2)
    before = len(sent())
    batches.run(number)
    assert (sender.statuses(number), len(sent())) == (["queued", "queued"], before + 1), "the rest was sent again"


def test_a_worker_that_stops_lets_its_calls_end_and_begins_no_other(
    committed: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed.double.will(then=answer(delay_s=0.6))
    number = committed.send(6, concurrency=2)
    thread = in_thread(lambda: batches.run(number))
    until(lambda: len(committed.double.requests) == 2)
    monkeypatch.setattr(stopping, "_told", bytearray(b"\1"))
    thread.join(60)
    assert committed.statuses(number) == ["done", "done", "queued", "queued", "queued", "queued"]
    monkeypatch.undo()
    batches.run(number)
    assert (committed.statuses(number), len(committed.double.requests)) == (["done"] * 6, 6)


def test_a_call_that_outlasts_the_stop_of_its_worker_is_unknown_and_not_made_again(
    committed: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "STOP_S", 0.1)
    committed.double.will(stalls(before_headers=True))
    number = committed.send(2, concurrency=1)
    thread = in_thread(lambda: batches.run(number))
    until(lambda: committed.double.requests)
    monkeypatch.setattr(stopping, "_told", bytearray(b"\1"))
    thread.join(60)
    assert committed.statuses(number) == ["unknown", "queued"]
    monkeypatch.undo()
    batches.run(number)
    assert (committed.statuses(number), len(committed.double.requests)) == (["unknown", "done"], 2)
    assert committed.get(number)["items"][0]["error"]["code"] == "outcome_unknown"


def test_a_cancel_ends_the_calls_on_their_way_and_what_waits_never_starts(committed: Sender) -> None:
    committed.double.will(answer(), then=stalls(before_headers=True))
    number = committed.send(8, concurrency=2)
    thread = in_thread(lambda: batches.run(number))
    until(lambda: len(committed.double.requests) == 3)
    assert committed.call("POST", f"/batches/{number}/cancel").json()["status"] == "cancelled"
    thread.join(30)
    told = committed.get(number)
    assert committed.statuses(number) == ["done", *["cancelled"] * 7]
    assert (told["status"], told["progress"], len(committed.double.requests)) == ("cancelled", 1.0, 3)
    assert told["finished_at"]
    assert drain.flush()
    assert Call.objects.filter(status="cancelled").count() == 2, "their calls say so too"
    assert [each["request_id"] is None for each in told["items"]] == [False] * 3 + [True] * 5


def test_a_cancel_may_let_the_calls_on_their_way_come_to_their_end(committed: Sender) -> None:
    committed.double.will(then=answer(delay_s=0.7))
    number = committed.send(6, concurrency=2)
    thread = in_thread(lambda: batches.run(number))
    until(lambda: len(committed.double.requests) == 2)
    committed.call("POST", f"/batches/{number}/cancel?running=finish")
    thread.join(30)
    assert committed.statuses(number) == ["done", "done", *["cancelled"] * 4]
    assert len(committed.double.requests) == 2


def test_what_a_dead_worker_was_calling_is_unknown_and_the_rest_is_made(sender: Sender) -> None:
    number = sender.send(5, concurrency=2)
    lost = [claims.claim(number) for _ in range(2)]  # and then the worker is gone
    assert batches.wake(timezone.now() + messages.LOST_AFTER + timedelta(seconds=1)) == [number]
    batches.run(number)
    told = sender.get(number)
    assert [each["status"] for each in told["items"]] == ["unknown", "unknown", "done", "done", "done"]
    assert [each["request_id"] for each in told["items"][:2]] == [str(each.call) for each in lost if each]
    assert (told["status"], told["counts"]["unknown"], len(sender.double.requests)) == ("done", 2, 3)


def test_a_worker_that_was_taken_for_dead_still_tells_what_it_knows(sender: Sender) -> None:
    number = sender.send(1)
    claimed = claims.claim(number)
    assert claimed is not None
    batches.run(number)
    assert sender.statuses(number) == ["unknown"]
    ended = claims.Ended(claims.ItemStatus.DONE, answer=json.dumps({"output": "late"}))
    assert claims.settle(claimed, ended)
    assert not claims.settle(claimed, ended), "once"
    assert sender.get(number)["items"][0]["answer"] == {"output": "late"}


def test_a_revoked_key_pays_for_nothing_more(sender: Sender) -> None:
    number = sender.send(2)
    clients.revoke_key(sender.key[:7], by=SYSTEM)
    batches.run(number)
    assert list(BatchItem.objects.values_list("status", "error_code")) == [("failed", "key_revoked")] * 2
    assert sender.double.requests == []


def test_a_batch_that_another_runs_is_left_alone(committed: Sender) -> None:
    number = committed.send(1)
    ready, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with jobs.lock(messages.JOB, str(number)):
            ready.set()
            leave.wait(30)

    thread = in_thread(hold)
    ready.wait(10)
    assert batches.run(number) is False
    assert batches.wake(timezone.now() + timedelta(hours=1)) == []
    leave.set()
    thread.join()
    assert batches.run(number) is True


def test_an_answer_waits_for_a_database_that_is_away_and_no_other_call_begins(committed: Sender) -> None:
    committed.double.will(then=answer(delay_s=0.5))
    number = committed.send(3, concurrency=1)
    running_one = in_thread(lambda: batches.run(number))
    until(lambda: committed.double.requests)
    with connection.cursor() as cursor:  # every other connection dies, and with the run's its lock
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    running_one.join(60)
    assert committed.statuses(number) == ["done", "queued", "queued"]
    batches.run(number)
    assert (committed.statuses(number), len(committed.double.requests)) == (["done"] * 3, 3)


def test_an_unreadable_item_is_told_and_does_not_stop_the_others(sender: Sender) -> None:
    number = sender.send(2)
    BatchItem.objects.filter(batch=number, position=0).update(body=b"nobody's")
    batches.run(number)
    assert sender.statuses(number) == ["failed", "done"]
    assert sender.get(number)["items"][0]["error"]["code"] == "internal"


def test_items_ask_for_all_that_a_dispatch_may(sender: Sender) -> None:
    item: dict[str, Any] = ITEM | {
        "system": "Be short.",
        "override": "two",
        "fallback": "none",
        "metadata": {"ticket": "7"},
        "session": "s1",
        "tools": [{"name": "look", "description": "looks", "schema": {"type": "object"}}],
    }
    number = sender.send([item])
    batches.run(number)
    assert sender.get(number)["items"][0]["answer"]["model"] == "two"
    (body,) = sender.world.fallback.bodies
    assert body["tools"][0]["function"]["name"] == "look"
    assert drain.flush()
    call = Call.objects.get()
    assert (call.session, call.metadata, call.role) == ("s1", {"ticket": "7"}, "override")
