"""Verdicts become labels on work items, once each."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from routing import drain, feedback, records
from routing.audit import Actor
from routing.feedback import Match, NotFound, Refused, Said, Saying
from routing.models import Call, JobRun, Label, TaskType, WorkItem
from routing.recorder import Spool
from routing.terms.words import LabelSource, Verdict
from tests import threads
from tests.routing.files import imported, row
from tests.routing.spooled import intent, outcome

pytestmark = pytest.mark.django_db
ANNA = Actor("anna")
GOOD = Said(Verdict.GOOD, LabelSource.PERSON)
OPENED = datetime(2026, 11, 20, 10, tzinfo=UTC)


def judged(match: Match, said: Said = GOOD) -> list[feedback.Given]:
    return feedback.give(feedback.targets(match), said, by=ANNA)


@pytest.fixture(autouse=True)
def _nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback, "WAIT_S", 0.0)


def test_a_verdict_on_a_call_is_a_label_on_its_item() -> None:
    imported(row(request_id="r", success="", session="s"))
    (given,) = judged(Match(request_id="r"))
    label = Label.objects.get()
    assert (label.item_id, label.call_id) == (WorkItem.objects.get().id, Call.objects.get().id)
    assert (label.source, label.verdict, label.by) == ("person", "good", "anna")
    assert (given.is_new, given.call_id) == (True, label.call_id)


def test_saying_it_again_changes_nothing_and_saying_otherwise_is_kept_beside_it() -> None:
    imported(row(request_id="r", success=""))
    assert judged(Match(request_id="r"))[0].is_new is True
    assert judged(Match(request_id="r"))[0].is_new is False
    assert judged(Match(request_id="r"), Said(Verdict.BAD, LabelSource.PERSON))[0].is_new is True
    assert judged(Match(request_id="r"), Said(Verdict.BAD, LabelSource.CI))[0].is_new is True
    said = list(Label.objects.order_by("id").values_list("source", "verdict"))
    assert said == [("person", "good"), ("person", "bad"), ("ci", "bad")]


def test_a_verdict_of_a_given_time_is_the_same_whenever_it_is_sent() -> None:
    imported(row(request_id="r", success=""))
    first = Said(Verdict.GOOD, LabelSource.CI, observed_at=OPENED + timedelta(hours=1))
    later = Said(Verdict.BAD, LabelSource.CI, observed_at=OPENED + timedelta(hours=2))
    assert [judged(Match(request_id="r"), said)[0].is_new for said in (first, later, first)] == [True, True, False]


@pytest.mark.parametrize(
    ("match", "items"),
    [
        (Match(session="s", client="ci"), 2),
        (Match(session="s", client="ci", task_type="triage"), 1),
        (Match(session="s"), 3),
        (Match(session="s", client="else"), 1),
    ],
    ids=["client", "task", "everyone", "other client"],
)
def test_a_session_stands_for_all_its_items(match: Match, items: int) -> None:
    imported(
        row(session="s", client="ci", success=""),
        row(session="s", client="ci", success=""),
        row(session="s", client="ci", task_type="other", success=""),
        row(session="s", client="else", success=""),
        row(session="t", client="ci", success=""),
    )
    given = judged(match)
    assert len(given) == items
    assert {label.call_id for label in Label.objects.all()} == {None}


def test_metadata_finds_the_items_of_a_pull_request(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "host")
    calls = [intent(metadata={"pr": "41", "job": "a"}), intent(metadata={"pr": "41"}), intent(metadata={"pr": "42"})]
    for call in calls:
        spool.start(call)
        spool.finish(outcome(call.id))
    with drain.held_lock(tmp_path / "host"):
        drain.drain_folder(tmp_path / "host")
    given = judged(Match(metadata=(("pr", "41"),), client="ci"))
    assert {one.item_id for one in given} == {calls[0].item, calls[1].item}
    with pytest.raises(NotFound):
        judged(Match(metadata=(("pr", "41"),), client="else"))


def test_a_client_judges_its_own_calls_alone() -> None:
    imported(row(request_id="r", client="ci"))
    with pytest.raises(NotFound):
        judged(Match(request_id="r", client="else"))
    with pytest.raises(NotFound):
        judged(Match(request_id="nobody"))


@pytest.mark.parametrize("match", [Match(), Match(request_id="r", session="s")], ids=["nothing", "two"])
def test_a_match_names_one_thing(match: Match) -> None:
    with pytest.raises(Refused, match="exactly one"):
        judged(match)


@pytest.mark.parametrize(
    ("observed_at", "reason"),
    [(OPENED - timedelta(days=1), "before the call"), (datetime(2999, 1, 1, tzinfo=UTC), "in the future")],
    ids=["before", "future"],
)
def test_a_verdict_has_a_time_that_can_be(observed_at: datetime, reason: str) -> None:
    imported(row(request_id="r"))
    with pytest.raises(Refused, match=reason):
        judged(Match(request_id="r"), Said(Verdict.GOOD, LabelSource.CI, observed_at=observed_at))
    assert Label.objects.count() == 1


@pytest.mark.parametrize(
    ("days", "is_late"), [(0, False), (2, False), (3, True)], ids=["same day", "last day", "day after"]
)
def test_a_verdict_after_the_horizon_is_kept_and_marked(days: int, is_late: bool) -> None:
    imported(row(request_id="r", success="", ts="2026-10-01T10:00:00Z"))
    TaskType.objects.update(label_horizon_days=2)
    observed_at = datetime(2026, 10, 1 + days, 23, tzinfo=UTC)
    (given,) = judged(Match(request_id="r"), Said(Verdict.BAD, LabelSource.CI, observed_at=observed_at))
    assert given.is_late is is_late
    call = Call.objects.get()
    assert [verdict.is_late for verdict in records.told(call).verdicts] == [is_late]


def test_a_verdict_moves_its_own_night_and_those_on_which_its_item_would_have_closed() -> None:
    imported(row(request_id="r", success="", ts="2026-10-01T10:00:00Z"))
    for night in range(1, 6):
        JobRun.objects.create(job="nightly", key=f"2026-10-0{night}")
    judged(Match(request_id="r"), Said(Verdict.GOOD, LabelSource.CI, observed_at=datetime(2026, 10, 2, 8, tzinfo=UTC)))
    assert set(JobRun.objects.filter(dirty=True).values_list("key", flat=True)) == {"2026-10-02", "2026-10-03"}


def test_many_verdicts_are_kept_whole_or_not_at_all() -> None:
    imported(row(request_id="r1", success=""), row(request_id="r2", success=""))
    many = [Saying(line, Match(request_id=name), GOOD) for line, name in ((1, "r1"), (2, "nobody"), (3, "r2"))]
    done = feedback.give_many(many, by=ANNA)
    assert done.bad == [(2, "There is no call that matches.")]
    assert not Label.objects.exists()

    done = feedback.give_many(many, by=ANNA, skip_bad=True)
    assert (done.new, Label.objects.count()) == (2, 2)


@pytest.mark.django_db(transaction=True)
def test_the_same_verdict_from_many_at_once_is_one_label() -> None:
    imported(row(request_id="r", success=""))
    found = feedback.targets(Match(request_id="r"))

    threads.at_once(lambda: feedback.give(found, GOOD, by=ANNA), 5)
    assert Label.objects.count() == 1
