"""The weekly review: what it says, and that it says the same again."""

import datetime as dt
from collections.abc import Callable

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from analytics import proposals, queries, reviews, spend, weekly
from analytics.models import Proposal, Review
from routing.audit import Actor
from tests.analytics.conftest import DAY, summaries

MONDAY = dt.date(2026, 6, 8)  # 2026-W24; the rows begin on Wednesday the 10th


def test_a_review_names_winner_failures_and_spend(table: None) -> None:
    summaries(5, per_night=60, cost=("0.01", "0.02"))
    review = weekly.run("2026-W24")
    told = review.result
    [task] = told["tasks"]
    assert (task["task_type"], task["winner"], task["calls"]) == ("meeting_summary", "anthropic:sonnet", 300)
    by_model = {row["model"]: row for row in task["models"]}
    haiku, sonnet = by_model["anthropic:haiku"], by_model["anthropic:sonnet"]
    assert haiku["attempts"] + sonnet["attempts"] == 300
    cost = haiku["attempts"] * 0.01 + sonnet["attempts"] * 0.02
    assert float(told["totals"]["cost_usd"]) == pytest.approx(cost)
    assert float(told["spend"]["task_type"][0]["cost_usd"]) == pytest.approx(cost)
    failures = {one["model"]: one for one in task["failures"]}
    assert failures["anthropic:haiku"]["items"] == haiku["success"]["n"] - haiku["success"]["successes"]
    assert told["headlines"][0].startswith("300 calls for $")
    assert "Most failures: haiku at meeting summary" in told["headlines"][2]


def test_made_again_it_is_the_same(table: None) -> None:
    summaries(5, per_night=20)
    first = weekly.run("2026-W24")
    again = weekly.run("2026-W24")
    assert (again.pk, again.sha256, again.updated_at) == (first.pk, first.sha256, first.updated_at)
    assert Review.objects.count() == 1


def test_missed_weeks_are_made_up_and_done_ones_left_alone(table: None) -> None:
    summaries(12, per_night=6)
    assert [one.week for one in weekly.run_until(MONDAY + 14 * DAY)] == ["2026-W24", "2026-W25"]
    assert weekly.run_until(MONDAY + 14 * DAY) == []


def test_a_change_is_followed_by_how_it_turned_out(table: None, person: Callable[[str], Actor]) -> None:
    summaries(10, per_night=110)
    proposal = proposals.approve(Proposal.objects.get().pk, by=person("anna"))
    decided = proposal.decided_at
    assert decided is not None
    told = reviews.build(reviews.week_of(decided.date()))
    [change] = told["in_force"]
    assert (change["proposal"], change["from"], change["to"]) == (proposal.pk, "anthropic:haiku", "anthropic:sonnet")
    assert change["predicted"]["estimate"] == pytest.approx(0.93, abs=0.04)
    assert change["realised"] is None, "it has not served yet: unknown, not 0"
    assert [one["proposal_id"] for one in told["changes"] if one["source"] == "proposal"] == [proposal.pk]


@pytest.mark.parametrize("week", ["2026-W54", "2026-47", "W47", "2026-W00", "", "２０２６-W47"])
def test_a_week_that_is_none_is_refused(week: str) -> None:
    with pytest.raises(reviews.BadWeek):
        reviews.monday(week)


def test_pages_spend_and_review_add_up_to_the_same(table: None) -> None:
    summaries(4, per_night=30, cost=("0.01", "0.02"))
    end = MONDAY + 7 * DAY
    totals = queries.totals(MONDAY, end)
    assert totals.cost_usd == sum(row.cost_usd for row in queries.models(MONDAY, end))
    assert totals.cost_usd == sum(one.cost_usd for one in queries.days(MONDAY, end))
    for dimension in spend.DIMENSIONS:
        assert sum(line.cost_usd for line in spend.by(dimension, MONDAY, end)) == totals.cost_usd
    assert totals.calls == 120
    with pytest.raises(ValueError, match="weather"):
        spend.by("weather", MONDAY, end)


@pytest.mark.parametrize("arguments", [["--as-of", "2999-01-01"], ["--from", "2026-06-10", "--to", "2999-01-01"]])
def test_a_night_that_has_not_come_is_refused(arguments: list[str], db: None) -> None:
    with pytest.raises(CommandError, match="2999-01-01 has not come yet"):
        call_command("nightly", *arguments)


def test_the_commands_say_what_they_did(table: None, capsys: pytest.CaptureFixture[str]) -> None:
    summaries(3, per_night=10)
    call_command("nightly", "--from", "2026-06-10", "--to", "2026-06-11")
    call_command("nightly", "--as-of", "2026-06-12")
    call_command("weekly", "--week", "2026-W24")
    call_command("proposals", "list")
    said = capsys.readouterr().out
    assert "2026-06-10: 10 work items" in said
    assert "Nothing to do" in said
    assert "2026-W24" in said
    assert "No proposals." in said
    for wrong in (["nightly", "--from", "2026-06-10"], ["weekly", "--week", "x"], ["proposals", "show", "9"]):
        with pytest.raises(CommandError):
            call_command(*wrong)
