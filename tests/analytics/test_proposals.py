"""From evidence to an open proposal, and from there to a revision or a refusal."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal

import pytest

from analytics import nightly, proposals
from analytics.arms import current_routes
from analytics.models import Comparison, Proposal
from routing import audit, changes
from routing.audit import SYSTEM, Actor
from routing.models import AuditEvent, Model, Revision
from tests import threads
from tests.analytics.conftest import DAY, TABLE, summaries
from tests.analytics.rows import NIGHT

Person = Callable[[str], Actor]


@pytest.fixture
def proposal(table: None) -> Proposal:
    """Sonnet instead of haiku, proved."""
    summaries(10, per_night=110)
    return Proposal.objects.get()


def test_a_weak_primary_is_proposed_to_give_way(proposal: Proposal) -> None:
    assert (proposal.kind, proposal.from_model, proposal.to_model) == ("quality", "anthropic:haiku", "anthropic:sonnet")
    assert proposal.status == "open"
    evidence = proposal.evidence
    failed = evidence["n_incumbent"] - evidence["successes_incumbent"]
    assert proposal.explanation.startswith(
        f"Haiku fails on meeting summary {100 * failed / evidence['n_incumbent']:.0f} % ({failed:,} of "
    )
    assert proposal.explanation.endswith("Proposed: haiku → sonnet.")
    assert evidence["e_value"] >= evidence["threshold"] * (1 - 1e-9)
    assert evidence["success"]["low"] > 0
    assert len(proposal.evidence_sha256) == 64
    assert set(evidence) >= {
        "as_of", "nights", "n_incumbent", "n_challenger", "success", "cost", "ttft", "total", "e_value", "threshold", "margin",
        "comparisons_tonight",
    }  # fmt: skip


def test_it_keeps_its_id_while_nights_go_on_supporting_it(proposal: Proposal) -> None:
    last = summaries(2, first=proposal.as_of + DAY, seed=6)
    again = Proposal.objects.get()
    assert (again.pk, again.as_of, again.status) == (proposal.pk, last, "open")
    assert again.evidence["n_incumbent"] > proposal.evidence["n_incumbent"]


def test_a_night_run_again_changes_no_proposal(proposal: Proposal) -> None:
    before = Proposal.objects.values().get()
    nightly.run_between(NIGHT, proposal.as_of)
    assert Proposal.objects.values().get() == before


def test_too_few_calls_are_no_proposal_and_say_what_is_missing(table: None) -> None:
    summaries(3, per_night=10)
    assert not Proposal.objects.exists()
    said = Comparison.objects.order_by("-night")[0].result["sentence"]
    assert "more graded calls of sonnet" in said
    assert "at today's rate" in said


def test_it_expires_after_fourteen_nights_without_support(proposal: Proposal) -> None:
    supported = proposal.supported_on
    Comparison.objects.all().delete()
    for days in range(1, 15):
        assert Proposal.objects.get().status == "open"
        proposals.open_from([], supported + days * DAY)
    assert Proposal.objects.get().status == "expired"


def test_approval_is_one_revision_that_the_table_follows(proposal: Proposal, person: Person) -> None:
    anna = person("anna")
    done = proposals.approve(proposal.pk, by=anna, comment="Agreed")
    assert current_routes()["meeting_summary"] == ["anthropic:sonnet", "anthropic:haiku", "anthropic:opus"]
    revision = Revision.objects.get(number=done.applied_revision)
    assert (revision.by_id, revision.source, revision.proposal_id) == (anna.user_id, "proposal", proposal.pk)
    assert (done.status, done.decided_by_name, done.comment) == ("approved", "anna", "Agreed")
    assert AuditEvent.objects.filter(action="proposal.approve", actor_name="anna").count() == 1
    assert audit.verify().ok


def test_a_route_without_fallback_stays_without(table: None, person: Person) -> None:
    changes.change_route("meeting_summary", ["anthropic:haiku"], by=SYSTEM, reason="test")
    summaries(10, per_night=110)
    proposals.approve(Proposal.objects.get().pk, by=person("anna"))
    assert current_routes()["meeting_summary"] == ["anthropic:sonnet"]


def test_a_decided_proposal_is_not_decided_again(proposal: Proposal, person: Person) -> None:
    proposals.reject(proposal.pk, by=person("anna"), comment="Not now")
    for decide in (proposals.approve, proposals.reject):
        with pytest.raises(proposals.Conflict, match="was rejected by anna") as refused:
            decide(proposal.pk, by=person(f"ben {decide.__name__}"))
        assert refused.value.code == "already_decided"


def test_a_rejected_change_is_not_brought_again_the_next_night(proposal: Proposal, person: Person) -> None:
    proposals.reject(proposal.pk, by=person("anna"), comment="Not now")
    summaries(2, first=proposal.as_of + DAY, seed=6)
    assert [one.status for one in Proposal.objects.all()] == ["rejected"]


MOVED = {
    "the route got another fallback": (
        lambda: changes.change_route("meeting_summary", ["anthropic:haiku", "anthropic:sonnet"], by=SYSTEM, reason="x"), "route_moved",
    ),
    "the model became another": (lambda: Model.objects.filter(slug="sonnet").update(version=2), "model_moved"),
    "the price was changed": (
        lambda: Model.objects.get(slug="sonnet").prices.create(
            input=Decimal(3), output=Decimal(15), valid_from=dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
        ), "price_moved",
    ),
    "the challenger cannot dispatch": (lambda: Model.objects.filter(slug="sonnet").update(enabled=False), "cannot_dispatch"),
    "the pair is compared no more": (lambda: Comparison.objects.filter(night__gt=NIGHT).delete(), "evidence_moved"),
}  # fmt: skip


@pytest.mark.parametrize(("move", "code"), MOVED.values(), ids=MOVED.keys())
def test_approval_is_refused_when_what_it_stood_on_has_moved(
    proposal: Proposal, person: Person, move: Callable[[], object], code: str
) -> None:
    if code == "evidence_moved":
        newest = Comparison.objects.order_by("-night")[0]
        Comparison.objects.filter(pk=newest.pk).update(challenger="anthropic:opus")
    else:
        move()
    revisions = Revision.objects.count()
    with pytest.raises(proposals.Conflict) as refused:
        proposals.approve(proposal.pk, by=person("anna"))
    assert refused.value.code == code
    assert (Proposal.objects.get().status, Revision.objects.count()) == ("open", revisions)


def test_approval_is_refused_when_the_data_since_took_the_evidence_back(proposal: Proposal, person: Person) -> None:
    newest = Comparison.objects.order_by("-night")[0]
    for proof in newest.result["proofs"]:
        proof["log_e"], proof["e_value"] = -0.1, 0.9
    newest.save()
    with pytest.raises(proposals.Conflict, match=r"E = 0\.9") as refused:
        proposals.approve(proposal.pk, by=person("anna"))
    assert refused.value.code == "evidence_moved"


def test_a_challenger_that_cannot_dispatch_may_follow_one_that_cannot_either(
    proposal: Proposal, person: Person
) -> None:
    Model.objects.filter(slug__in=["sonnet", "haiku"]).update(enabled=False)
    assert proposals.approve(proposal.pk, by=person("anna")).status == "approved"


def test_a_route_that_moved_closes_the_proposal_at_the_next_night(proposal: Proposal) -> None:
    changes.change_route("meeting_summary", ["anthropic:opus"], by=SYSTEM, reason="test")
    summaries(1, first=proposal.as_of + DAY, seed=6)
    assert Proposal.objects.get().status == "superseded"


def test_four_eyes_keep_the_maker_of_a_route_from_approving(table: None, person: Person) -> None:
    anna, ben = person("anna"), person("ben")
    changes.publish(
        {"task_types": [{"slug": "meeting_summary", "four_eyes": True}]}, by=SYSTEM, reason="strict", source="console"
    )
    changes.change_route(
        "meeting_summary", ["anthropic:haiku", "anthropic:opus"], by=anna, reason="mine", note="by anna"
    )
    summaries(10, per_night=110)
    number = Proposal.objects.get().pk
    with pytest.raises(proposals.Forbidden, match="anna made the present route"):
        proposals.approve(number, by=anna)
    with pytest.raises(proposals.Forbidden, match="no person"):
        proposals.approve(number, by=SYSTEM)
    key_of_anna = Actor("key ck_ab12 of ci", anna.user_id)
    with pytest.raises(proposals.Forbidden):
        proposals.approve(number, by=key_of_anna)
    assert proposals.approve(number, by=ben).status == "approved"


def test_an_approval_is_reverted_in_one_step_and_only_once(proposal: Proposal, person: Person) -> None:
    anna = person("anna")
    proposals.approve(proposal.pk, by=anna)
    done = proposals.revert(proposal.pk, by=anna, comment="It was worse")
    assert current_routes()["meeting_summary"] == ["anthropic:haiku", "anthropic:opus"]
    assert done.reverted_revision == Revision.objects.order_by("-number")[0].number
    with pytest.raises(proposals.Conflict) as refused:
        proposals.revert(proposal.pk, by=anna)
    assert refused.value.code == "not_applied"


def test_a_route_edited_after_its_approval_is_not_reverted_over(proposal: Proposal, person: Person) -> None:
    proposals.approve(proposal.pk, by=person("anna"))
    changes.change_route("meeting_summary", ["anthropic:opus"], by=SYSTEM, reason="test")
    with pytest.raises(proposals.Conflict) as refused:
        proposals.revert(proposal.pk, by=person("ben"))
    assert refused.value.code == "route_moved"


@pytest.mark.django_db(transaction=True)
def test_of_eight_approvals_at_once_one_counts(person: Person) -> None:
    changes.publish(TABLE, by=SYSTEM, reason="test", source="load")
    summaries(10, per_night=110)
    number, anna, told = Proposal.objects.get().pk, person("anna"), []

    def decide() -> None:
        try:
            told.append(proposals.approve(number, by=anna).status)
        except proposals.Conflict as conflict:
            told.append(conflict.code)

    threads.at_once(decide, 8)
    assert sorted(told) == ["already_decided"] * 7 + ["approved"]
    assert Revision.objects.filter(source="proposal").count() == 1
