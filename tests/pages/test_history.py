"""The timeline of revisions: what changed, compared, restored."""

from collections.abc import Callable

import pytest
from django.test import Client
from playwright.sync_api import Page, expect

from routing import changes
from routing.audit import SYSTEM
from routing.terms.words import Group
from tests.pages.conftest import World

ClientOf = Callable[[Group], Client]


def publish(*steps: str, reason: str = "A better summary") -> int:
    return changes.change_route("meeting_summary", steps, by=SYSTEM, reason=reason).number


def test_the_timeline_tells_who_changed_what_and_why(client_of: ClientOf) -> None:
    publish("anthropic:opus", "openai:gpt-4o")
    said = client_of(Group.VIEWER).get("/history/").content.decode()
    assert "Revision 2" in said
    assert "A better summary" in said
    assert "Route meeting_summary: steps" in said
    assert "anthropic:sonnet → anthropic:opus" in said


def test_the_timeline_of_a_task_leaves_other_tasks_out(client_of: ClientOf) -> None:
    publish("anthropic:opus")
    said = client_of(Group.VIEWER).get("/history/?task=bulk_ops").content.decode()
    assert "A better summary" not in said


def test_two_revisions_are_compared_the_older_one_left(client_of: ClientOf) -> None:
    publish("anthropic:opus")
    answer = client_of(Group.VIEWER).get("/history/compare?from=2&to=1")
    assert (answer.context["before"], answer.context["after"]) == (1, 2)
    assert [(line.before, line.after) for line in answer.context["lines"]] == [
        ("anthropic:sonnet → anthropic:opus", "anthropic:opus")
    ]


def test_a_curve_and_a_quota_are_compared_in_words(client_of: ClientOf) -> None:
    steps = [{"from": 0, "allowed": ["opus", "local"]}, {"from": 87.5, "allowed": ["local"], "note": "tight"}]
    windows = [{"name": "5h", "limit": 1500, "unit": "calls", "hours": 5}]
    edit = {"curves": [{"name": "default", "steps": steps}], "quotas": [{"slug": "codex-cli", "windows": windows}]}
    changes.publish(edit, by=SYSTEM, reason="", source="console")
    lines = client_of(Group.VIEWER).get("/history/2/").context["lines"]
    assert [(line.field, line.after) for line in lines] == [
        ("Quota codex-cli: windows", "5h: 1,500 calls in 5 h"),
        ("Curve default: steps", "0 %: opus, local; 87.5 %: local (tight)"),
    ]


@pytest.mark.browser
def test_two_marked_revisions_are_compared(sign_in: Callable[[Group], Page]) -> None:
    publish("anthropic:opus")
    publish("anthropic:haiku")
    page = sign_in(Group.VIEWER)
    page.goto("/history/")
    page.get_by_label("from revision 1", exact=True).check()
    page.get_by_role("button", name="Compare the two marked").click()
    expect(page.get_by_role("heading", name="Revisions 1 and 3")).to_be_visible()
    expect(page.locator("ins")).to_have_text("anthropic:haiku")


@pytest.mark.parametrize("address", ["/history/99/", "/history/compare?from=1&to=99"])
def test_a_revision_that_does_not_exist_is_not_found(client_of: ClientOf, address: str) -> None:
    assert client_of(Group.VIEWER).get(address).status_code == 404


def test_restoring_makes_a_new_revision_of_the_old_table(client_of: ClientOf) -> None:
    publish("anthropic:opus")
    answer = client_of(Group.OPERATOR).post("/history/1/restore", {"reason": "It was better", "revision": "2"})
    assert answer.status_code == 302
    new = changes.revision(3)
    assert (new.restores, new.reason, new.by_name) == (1, "It was better", "operator")
    assert changes.compare(1, 3) == ()


def test_who_read_an_older_table_restores_nothing(client_of: ClientOf) -> None:
    publish("anthropic:opus")
    publish("anthropic:haiku")
    answer = client_of(Group.OPERATOR).post("/history/1/restore", {"reason": "", "revision": "2"}, follow=True)
    assert "Nothing was restored" in answer.content.decode()
    with pytest.raises(changes.Unknown):
        changes.revision(4)


def test_a_viewer_does_not_restore(client_of: ClientOf) -> None:
    publish("anthropic:opus")
    assert client_of(Group.VIEWER).post("/history/1/restore", {"revision": "2"}).status_code == 403


@pytest.mark.browser
def test_a_table_is_restored_with_a_reason(
    sign_in: Callable[[Group], Page], live: World, accessible: Callable[[Page], None]
) -> None:
    publish("anthropic:opus")
    page = sign_in(Group.OPERATOR)
    page.goto("/history/")
    accessible(page)
    page.get_by_role("link", name="Revision 1", exact=True).click()
    expect(page.get_by_role("heading", name="What restoring it would change now")).to_be_visible()
    page.get_by_role("button", name="Restore this table").click()
    page.get_by_label("Why").fill("The summaries were better")
    accessible(page)
    page.get_by_role("button", name="Restore", exact=True).click()
    expect(page.get_by_text("Revision 3 is in force")).to_be_visible()
    expect(page.get_by_text("The summaries were better")).to_be_visible()
