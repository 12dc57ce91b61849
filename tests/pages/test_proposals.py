"""Proposals: what is to be decided, on which evidence, and the decision itself."""

import re
from collections.abc import Callable

import pytest
from django.test import Client
from playwright.sync_api import Page, expect

from analytics.arms import current_routes
from analytics.models import Proposal
from routing import changes
from routing.audit import SYSTEM
from routing.models import Revision, TaskType
from routing.terms.words import Group
from tests.pages.conftest import NARROW, World
from tests.pages.evidence import DAY, TASK, proved, unproved

ClientOf = Callable[[Group], Client]
OLD = ["anthropic:sonnet", "anthropic:opus"]
NEW = ["anthropic:haiku", "anthropic:sonnet", "anthropic:opus"]


@pytest.fixture
def proposal(world: World) -> Proposal:
    return proved()


def text_of(client: Client, address: str) -> str:
    return " ".join(client.get(address).content.decode().split())


# ── the list ──


def test_a_card_says_what_would_change_and_how_strong_the_proof_is(proposal: Proposal, client_of: ClientOf) -> None:
    answer = client_of(Group.VIEWER).get("/proposals/")
    [card] = answer.context["cards"]
    assert card.one.explanation in answer.content.decode()
    assert card.strength.share > 0.5  # the threshold lies in the middle
    assert [row.word for row in card.differences][:2] == ["better", "better"]
    assert f"/proposals/{proposal.pk}/" in answer.content.decode()


def test_before_the_first_night_the_page_says_what_it_waits_for(client_of: ClientOf) -> None:
    assert "No night has run yet" in text_of(client_of(Group.VIEWER), "/proposals/")


def test_without_a_proposal_it_says_what_is_watched_and_what_is_missing(world: World, client_of: ClientOf) -> None:
    unproved()
    said = text_of(client_of(Group.VIEWER), "/proposals/")
    assert "Nothing to decide" in said
    assert "more graded calls of haiku" in said


@pytest.mark.parametrize(
    ("query", "shown"),
    [("", 1), ("?status=open", 1), ("?status=all", 1), ("?status=rejected", 0), (f"?task={TASK}", 1), ("?task=other", 0),
     ("?status=%00&task=%00&cursor=x", 1)],
)  # fmt: skip
def test_the_address_says_which_are_shown(proposal: Proposal, client_of: ClientOf, query: str, shown: int) -> None:
    answer = client_of(Group.VIEWER).get(f"/proposals/{query}")
    assert len(answer.context["cards"]) == shown
    assert ("No proposal matches" in answer.content.decode()) == (not shown)


# ── one of them ──


def test_its_page_shows_the_evidence_and_exactly_what_approving_changes(
    proposal: Proposal, client_of: ClientOf
) -> None:
    answer = client_of(Group.VIEWER).get(f"/proposals/{proposal.pk}/")
    [line] = answer.context["lines"]
    assert (line.before, line.after) == (" → ".join(OLD), " → ".join(NEW))
    assert [arm.n for arm in answer.context["arms"]] == [
        proposal.evidence["n_incumbent"],
        proposal.evidence["n_challenger"],
    ]
    assert len(answer.context["climb"].figure["data"][1]["x"]) == 8  # nights
    assert proposal.evidence_sha256 in answer.content.decode()


def test_a_viewer_sees_no_decision_to_take(proposal: Proposal, client_of: ClientOf) -> None:
    assert 'data-dialog="approve"' not in text_of(client_of(Group.OPERATOR), f"/proposals/{proposal.pk}/")
    assert 'data-dialog="approve"' in text_of(client_of(Group.APPROVER), f"/proposals/{proposal.pk}/")


def test_one_that_does_not_exist_is_not_found(client_of: ClientOf) -> None:
    client = client_of(Group.APPROVER)
    assert client.get("/proposals/99/").status_code == 404
    assert client.post("/proposals/99/approve").status_code == 404


def test_simulated_evidence_is_marked(proposal: Proposal, client_of: ClientOf) -> None:
    Proposal.objects.update(simulated=True)
    for address in ("/proposals/", f"/proposals/{proposal.pk}/"):
        assert 'chip-note">simulated' in text_of(client_of(Group.VIEWER), address)


# ── deciding ──


@pytest.mark.parametrize("decision", ["approve", "reject", "revert"])
@pytest.mark.parametrize("group", [Group.VIEWER, Group.OPERATOR])
def test_only_an_approver_decides(proposal: Proposal, client_of: ClientOf, group: Group, decision: str) -> None:
    client = client_of(group)
    assert client.post(f"/proposals/{proposal.pk}/{decision}", {"reason": "x"}).status_code == 403
    assert client.get(f"/proposals/{proposal.pk}/{decision}").status_code in (403, 405)
    assert current_routes()[TASK] == OLD


def test_a_decision_needs_the_token_of_the_page(proposal: Proposal, world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world[Group.APPROVER])
    assert client.post(f"/proposals/{proposal.pk}/approve").status_code == 403
    assert Proposal.objects.get().status == "open"


def test_who_comes_second_is_told_who_was_first(proposal: Proposal, client_of: ClientOf) -> None:
    client_of(Group.APPROVER).post(f"/proposals/{proposal.pk}/reject", {"reason": "Not now\x00"})
    answer = client_of(Group.ADMIN).post(f"/proposals/{proposal.pk}/approve", {"reason": "Yes"})
    assert answer.status_code == 409
    assert f"Proposal {proposal.pk} was rejected by approver" in answer.content.decode()
    assert Proposal.objects.get().comment == "Not now"


def test_a_route_that_moved_blocks_it_and_the_page_says_so_before(proposal: Proposal, client_of: ClientOf) -> None:
    changes.change_route(TASK, ["anthropic:opus"], by=SYSTEM, reason="meanwhile")
    client = client_of(Group.APPROVER)
    said = text_of(client, f"/proposals/{proposal.pk}/")
    assert "It cannot be approved now" in said
    assert "it is now opus" in said
    assert client.post(f"/proposals/{proposal.pk}/approve").status_code == 409


def test_a_rejection_without_a_reason_is_refused_in_words(proposal: Proposal, client_of: ClientOf) -> None:
    answer = client_of(Group.APPROVER).post(f"/proposals/{proposal.pk}/reject", {"reason": " "})
    assert answer.status_code == 422
    assert "say why it is rejected" in answer.content.decode()
    assert Proposal.objects.get().status == "open"


def test_four_eyes_are_told_in_words(proposal: Proposal, client_of: ClientOf, world: World) -> None:
    TaskType.objects.filter(slug=TASK).update(four_eyes=True)
    Revision.objects.update(by=world[Group.APPROVER], task_types=[TASK])
    answer = client_of(Group.APPROVER).post(f"/proposals/{proposal.pk}/approve")
    assert answer.status_code == 403
    assert "a second person must approve" in answer.content.decode()
    assert current_routes()[TASK] == OLD


def test_after_approval_it_shows_predicted_beside_realised(proposal: Proposal, client_of: ClientOf) -> None:
    client = client_of(Group.APPROVER)
    client.post(f"/proposals/{proposal.pk}/approve", {"reason": "Agreed"})
    answer = client.get(f"/proposals/{proposal.pk}/")
    assert answer.context["realised"].success is None
    assert "no graded work item since the change" in answer.content.decode()
    Proposal.objects.update(decided_at=proposal.created_at - 30 * DAY)
    assert client.get(f"/proposals/{proposal.pk}/").context["realised"].items == 0  # haiku was explored, not primary


# ── in a browser ──


def test_decide_a_proposal(sign_in: Callable[[Group], Page], accessible: Callable[[Page], None]) -> None:
    one = proved()
    page = sign_in(Group.APPROVER)
    page.goto("/proposals/")
    accessible(page)
    page.get_by_role("link", name="Look and decide").click()
    page.locator("#climb-title").scroll_into_view_if_needed()
    expect(page.locator("[data-figure=climb] .main-svg").first).to_be_visible()
    accessible(page)
    page.get_by_role("button", name="Approve").click()
    dialog = page.get_by_role("dialog", name="Approve this change")
    expect(dialog).to_contain_text(" → ".join(NEW))
    accessible(page)
    dialog.get_by_label("Reason").fill("Cheaper and better")
    dialog.get_by_role("button", name="Approve and publish").click()
    expect(page.get_by_text(re.compile("Approved: revision 2 is in force"))).to_be_visible()
    expect(page.get_by_role("heading", name="Predicted, and realised so far")).to_be_visible()
    assert current_routes()[TASK] == NEW
    accessible(page)
    page.get_by_role("button", name="Revert").click()
    page.get_by_role("dialog").get_by_role("button", name="Revert").click()
    expect(page.get_by_text(re.compile("Reverted: revision 3"))).to_be_visible()
    assert current_routes()[TASK] == OLD
    assert Proposal.objects.get(pk=one.pk).reverted_revision == 3


def test_a_proposal_can_be_rejected_without_javascript(proposal: Proposal, client_of: ClientOf) -> None:
    client = client_of(Group.APPROVER)
    said = client.get(f"/proposals/{proposal.pk}/").content.decode()
    assert f'<form method="post" action="/proposals/{proposal.pk}/reject"' in said
    answer = client.post(f"/proposals/{proposal.pk}/reject", {"reason": "Too early"}, follow=True)
    assert "Rejected. Nothing has changed" in answer.content.decode()
    assert "Too early" in answer.content.decode()


def test_it_is_readable_on_a_phone(sign_in: Callable[[Group], Page], accessible: Callable[[Page], None]) -> None:
    one = proved()
    page = sign_in(Group.APPROVER)
    page.set_viewport_size(NARROW)
    for address in ("/proposals/", f"/proposals/{one.pk}/"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
        accessible(page)
