"""A model that gets worse on its route is noticed, changed or not; one that does not is left in peace."""

import datetime as dt
from collections.abc import Callable

import pytest

from analytics import proposals
from analytics.arms import current_routes
from analytics.models import Guard, Proposal
from routing.audit import Actor
from routing.models import Alert
from tests.analytics.conftest import DAY, summaries
from tests.analytics.rows import NIGHT


def test_a_drop_on_an_unchanged_route_raises_one_alert(table: None) -> None:
    last = summaries(8, per_night=220, haiku=0.9, sonnet=0.9)
    assert Guard.objects.get().state == "watching"
    last = summaries(5, first=last + DAY, per_night=220, haiku=0.7, sonnet=0.9, seed=6)
    guard = Guard.objects.get()
    assert (guard.state, guard.model, guard.since, guard.as_of) == ("fired", "anthropic:haiku", NIGHT, last)
    assert guard.baseline["rate"] == pytest.approx(0.9, abs=0.03)
    summaries(1, first=last + DAY, per_night=220, haiku=0.7, seed=7)
    assert Alert.objects.filter(kind="guard").count() == 1


def test_a_model_that_stays_as_it_was_is_left_in_peace(table: None) -> None:
    last = summaries(8, per_night=220, haiku=0.9, sonnet=0.9)
    summaries(8, first=last + DAY, per_night=220, haiku=0.9, sonnet=0.9, seed=6)
    assert Guard.objects.get().state == "watching"
    assert not Alert.objects.exists()


def switched(first: dt.date, nights: int, good: float) -> None:
    """Nights on which sonnet, the new primary, serves all summaries."""
    summaries(
        nights,
        first=first,
        per_night=220,
        haiku=good,
        sonnet=good,
        models=("anthropic:sonnet", "anthropic:haiku"),
        seed=9,
    )


def test_an_approved_change_that_disappoints_is_proposed_to_go_back(
    table: None, person: Callable[[str], Actor]
) -> None:
    last = summaries(10, per_night=110)
    approved = proposals.approve(Proposal.objects.get().pk, by=person("anna"))
    switched(last + DAY, 5, good=0.7)
    rollback = Proposal.objects.get(kind="rollback")
    assert (rollback.from_model, rollback.to_model, rollback.status) == ("anthropic:sonnet", "anthropic:haiku", "open")
    assert rollback.details["undoes"] == approved.pk
    assert rollback.explanation.endswith("Proposed: sonnet → haiku.")
    proposals.approve(rollback.pk, by=person("ben"))
    assert current_routes()["meeting_summary"][0] == "anthropic:haiku"
