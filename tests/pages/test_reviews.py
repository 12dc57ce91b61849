"""The weekly review: read, printed, taken away."""

import csv
import io
from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.html import escape
from playwright.sync_api import Page, expect

from analytics import proposals, reports, reviews, weekly
from analytics.models import Proposal, Review
from routing.audit import SYSTEM
from routing.terms.words import Group
from tests.pages.conftest import NARROW, World
from tests.pages.evidence import DAY, TASK, proved
from tests.remembered import remembered

ClientOf = Callable[[Group], Client]


def written() -> Review:
    """Last week's review, and a change that was approved since."""
    one = proved(16)
    return remembered("a week's review", lambda: _written(one))


def _written(one: Proposal) -> Review:
    proposals.approve(one.pk, by=SYSTEM, comment="Agreed")
    return weekly.run(reviews.week_of(timezone.now().date() - 7 * DAY))


@pytest.fixture
def review(world: World) -> Review:
    return written()


def test_without_a_week_it_says_when_the_first_comes(client_of: ClientOf) -> None:
    assert "No week is over yet" in client_of(Group.VIEWER).get("/reviews/").content.decode()


def test_the_list_tells_each_week_in_its_headlines(review: Review, client_of: ClientOf) -> None:
    answer = client_of(Group.VIEWER).get("/reviews/")
    assert [one.week for one in answer.context["reviews"]] == [review.week]
    assert review.result["headlines"][0] in answer.content.decode()
    assert list(client_of(Group.VIEWER).get(f"/reviews/?cursor={review.week}").context["reviews"]) == []


def test_the_page_tells_winners_failures_and_spend(review: Review, client_of: ClientOf) -> None:
    answer = client_of(Group.VIEWER).get(f"/reviews/{review.week}/")
    said = answer.content.decode()
    for line in review.result["headlines"]:
        assert escape(line) in said
    [task] = review.result["tasks"]
    assert (task["task_type"], task["winner"]) == (TASK, "anthropic:haiku")
    assert sum(float(row[-1].removeprefix("$")) for row in answer.context["spent"].rows) == pytest.approx(
        float(review.result["totals"]["cost_usd"]), abs=0.05
    )


@pytest.mark.parametrize("week", ["2020-W01", "2026-W60", "last", "%00"])
def test_a_week_without_review_is_not_found(client_of: ClientOf, week: str) -> None:
    assert client_of(Group.VIEWER).get(f"/reviews/{week}/").status_code == 404


def test_the_markdown_says_what_the_page_says(review: Review, client_of: ClientOf) -> None:
    answer = client_of(Group.VIEWER).get(f"/reviews/{review.week}/markdown")
    assert answer["Content-Disposition"] == f'attachment; filename="cortex-review-{review.week}.md"'
    said = answer.content.decode()
    assert said.startswith(f"# Review of {review.week}\n")
    for line in review.result["headlines"]:
        assert f"- {line}" in said
    assert "| meeting\\_summary | anthropic:haiku (winner) |" in said


def test_the_csv_has_a_row_a_task_type_and_model(review: Review, client_of: ClientOf) -> None:
    answer = client_of(Group.VIEWER).get(f"/reviews/{review.week}/csv")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    told = {row["model"]: row for row in review.result["tasks"][0]["models"]}
    assert {row["model"]: int(row["attempts"]) for row in rows} == {
        model: row["attempts"] for model, row in told.items()
    }
    assert [float(row["cost_usd"]) for row in rows] == [float(told[row["model"]]["cost_usd"]) for row in rows]
    assert client_of(Group.VIEWER).get(f"/reviews/{review.week}/pdf").status_code == 404


def test_what_a_person_typed_stays_text_in_both_files(review: Review) -> None:
    told = review.result
    told["tasks"][0]["task_type"] = "=cmd|' /C calc'!A0"
    told["changes"] = [{"number": 9, "at": "2026-11-20T00:00:00", "by_name": "x", "reason": "a | b\n# <script>"}]
    assert "'=cmd" in reports.as_csv(told)
    said = reports.markdown(told)
    assert "a \\| b \\# \\<script\\>" in said
    assert "<script>" not in said


def test_read_the_review(sign_in: Callable[[Group], Page], accessible: Callable[[Page], None]) -> None:
    review = written()
    page = sign_in(Group.VIEWER)
    page.goto("/reviews/")
    accessible(page)
    page.get_by_role("link", name=review.week).click()
    expect(page.get_by_role("heading", name=f"Week {review.week}")).to_be_visible()
    page.locator("#spent-title").scroll_into_view_if_needed()
    expect(page.locator("[data-figure=spent] .main-svg").first).to_be_visible()
    accessible(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Markdown").click()
    assert download.value.suggested_filename == f"cortex-review-{review.week}.md"
    page.set_viewport_size(NARROW)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    accessible(page)
    page.emulate_media(media="print")
    expect(page.get_by_role("link", name="Markdown")).to_be_hidden()
