"""A night is run once whatever happens, again when its rows change, and the same rows give the same bytes."""

import datetime as dt
import random
import threading

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from analytics import nightly, queries
from analytics.models import Block, Comparison, Proposal, Rollup, Tally, YardstickState
from analytics.stats.buckets import bucket_of
from routing.models import JobRun, Label, WorkItem
from tests import threads
from tests.analytics.rows import NIGHT, World, at

DAY = dt.timedelta(days=1)
EVIDENCE = (Block, Comparison, Rollup, Tally, YardstickState)


def traffic(
    nights: int, per_night: int = 40, *, first: dt.date = NIGHT, seed: int = 1, world: World | None = None
) -> World:
    """Sonnet serves, haiku is explored at 30 %; each item is graded on its own night."""
    world, rng = world or World(), random.Random(seed)
    for days in range(nights):
        for number in range(per_night):
            explores = rng.random() < 0.3
            night = first + days * DAY
            item = world.call(
                night,
                seconds=rng.randrange(80_000),
                name=f"{seed} {night} {number}",
                model="anthropic:haiku" if explores else "anthropic:sonnet",
                role="explore" if explores else "primary",
                propensity=0.3 if explores else 0.7,
                shares="anthropic:haiku=0.3|anthropic:sonnet=0.7",
                cost="0.002" if explores else "0.01",
                total_ms=rng.randrange(200, 4000),
            )
            world.label(item, rng.random() < 0.9, at(night, 85_000))
    return world


def written() -> list[list[dict[str, object]]]:
    """Everything that nights write, without row ids."""
    rows = []
    for model in EVIDENCE:
        names = [field.name for field in model._meta.concrete_fields if not field.primary_key]
        rows.append(sorted(model.objects.values(*names), key=str))
    return rows


@pytest.mark.django_db
def test_a_night_that_is_done_is_left_alone_and_the_same_again_when_forced() -> None:
    traffic(3).save()
    last = NIGHT + 2 * DAY
    first = nightly.run_until(last)
    assert [night.night for night in first] == [NIGHT, NIGHT + DAY, last]
    before = written()
    assert nightly.run_until(last) == []
    again = nightly.run_between(NIGHT, last)
    assert [night.sha256 for night in again] == [night.sha256 for night in first]
    assert written() == before


@pytest.mark.django_db
def test_a_night_uses_no_row_later_than_itself() -> None:
    traffic(2).save()
    [first] = nightly.run_until(NIGHT)
    traffic(3, first=NIGHT + 2 * DAY, seed=2).save()
    [again] = nightly.run_between(NIGHT, NIGHT)
    assert again.sha256 == first.sha256


@pytest.mark.django_db
def test_a_dirty_night_is_run_again_with_all_that_stand_on_it() -> None:
    traffic(5).save()
    nightly.run_until(NIGHT + 4 * DAY)
    traffic(1, per_night=3, first=NIGHT + DAY, seed=9).save()
    JobRun.objects.filter(job="nightly", key=str(NIGHT + DAY)).update(dirty=True)
    again = nightly.run_until(NIGHT + 4 * DAY)
    assert [night.night for night in again] == [NIGHT + days * DAY for days in (1, 2, 3, 4)]
    late = written()
    for model in EVIDENCE:
        model.objects.all().delete()
    JobRun.objects.all().delete()
    nightly.run_until(NIGHT + 4 * DAY)
    assert written() == late


@pytest.mark.django_db
def test_what_the_newest_night_found_is_shown_while_it_waits_to_be_run_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    traffic(3).save()
    last = NIGHT + 2 * DAY
    nightly.run_until(last)
    traffic(1, 5, seed=2).save()
    call_command("nightly", "--from", str(NIGHT), "--to", str(NIGHT))
    assert JobRun.objects.get(key=last.isoformat()).status == "queued"
    assert queries.last_night() == last
    assert {one.night for one in queries.comparisons()} == {last}
    assert capsys.readouterr().out.endswith("to be run again: manage.py nightly\n")


@pytest.mark.django_db
def test_a_dirty_night_that_comes_out_the_same_disturbs_no_other() -> None:
    traffic(4).save()
    nightly.run_until(NIGHT + 3 * DAY)
    JobRun.objects.filter(job="nightly", key=str(NIGHT)).update(dirty=True)
    assert [night.night for night in nightly.run_until(NIGHT + 3 * DAY)] == [NIGHT]


@pytest.mark.django_db
def test_a_night_without_rows_between_others_is_run_too() -> None:
    traffic(1).save()
    traffic(1, first=NIGHT + 3 * DAY, seed=2).save()
    assert [night.items for night in nightly.run_until(NIGHT + 3 * DAY)] == [40, 0, 0, 40]


@pytest.mark.django_db(transaction=True)
def test_five_runs_at_once_make_one_result() -> None:
    traffic(4).save()
    last = NIGHT + 3 * DAY
    found: list[nightly.Night] = []

    threads.at_once(lambda: found.extend(nightly.run_until(last)), 5)
    assert sorted(night.night for night in found if night.was_run) == [NIGHT + days * DAY for days in range(4)]
    assert JobRun.objects.filter(job="nightly", status="done", dirty=False).count() == 4
    together = written()
    nightly.run_between(NIGHT, last)
    assert written() == together


@pytest.mark.django_db(transaction=True)
def test_a_writer_that_commits_while_the_night_waits_for_it_is_seen() -> None:
    traffic(1).save()
    opened, started = threading.Event(), threading.Event()

    def write_slowly() -> None:
        try:
            with transaction.atomic():
                traffic(1, per_night=5, seed=3).save()
                opened.set()
                started.wait(5)
        finally:
            connection.close()

    writer = threading.Thread(target=write_slowly)
    writer.start()
    opened.wait(5)
    threading.Timer(0.2, started.set).start()
    [night] = nightly.run_until(NIGHT)
    writer.join()
    assert night.items == 45


@pytest.mark.django_db
def test_rollups_count_attempts_by_the_hour_with_their_latencies() -> None:
    world = World()
    for number, (status, error, total_ms) in enumerate([("ok", "", 1000), ("ok", "", 2000), ("error", "server", 5)]):
        world.call(
            seconds=3_600 * 5 + number, status=status, error=error, total_ms=total_ms, cost="0.5" if number else None
        )
    world.call(seconds=3_600 * 6, ttft_ms=None)
    world.save()
    nightly.run_until(NIGHT)
    five, six = Rollup.objects.order_by("hour")
    assert five.hour == at(NIGHT, 5 * 3_600)
    assert (five.attempts, five.firsts, five.ok, five.error, five.faults, five.unpriced) == (3, 3, 2, 1, 1, 1)
    assert (float(five.cost_usd), five.input_tokens, five.output_tokens) == (1.0, 30, 60)
    assert (five.total_buckets, five.total_counts) == (bucket_of([1000, 2000]).tolist(), [1, 1])
    assert (five.ttft_buckets, five.ttft_counts) == (bucket_of([300]).tolist(), [3])
    assert (six.attempts, six.ttft_buckets, six.ttft_counts) == (1, [], [])


@pytest.mark.django_db
def test_tallies_count_the_items_of_every_role() -> None:
    world = World()
    good = world.call(role="override")
    world.label(good, True, at(NIGHT, 80_000))
    world.call(role="fallback", cost=None)
    world.save()
    nightly.run_until(NIGHT + 2 * DAY)
    rows = Tally.objects.order_by("role", "night").values_list(
        "night", "role", "opened", "priced", "drawn", "graded", "successes"
    )
    assert list(rows) == [
        (NIGHT, "fallback", 1, 0, 0, 0, 0),
        (NIGHT + 2 * DAY, "fallback", 0, 0, 1, 0, 0),
        (NIGHT, "override", 1, 1, 1, 1, 1),
    ]


@pytest.mark.django_db
def test_a_night_that_fails_says_so_and_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    traffic(1).save()
    with monkeypatch.context() as broken:
        broken.setattr(nightly, "compare", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            nightly.run_until(NIGHT)
    job = JobRun.objects.get(job="nightly")
    assert (job.status, job.error) == ("failed", "ZeroDivisionError: division by zero")
    assert not Block.objects.exists()
    assert [night.was_run for night in nightly.run_until(NIGHT)] == [True]
    assert Label.objects.count() == WorkItem.objects.count() == 40
    assert not Proposal.objects.exists()
