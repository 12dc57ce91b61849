"""A task type's page: its models, what is compared, who judges."""

from collections.abc import Callable

import pytest
from django.test import Client
from playwright.sync_api import Page, expect

from analytics import explorations, queries
from routing.audit import SYSTEM
from routing.terms.words import Group
from tests.pages.conftest import NARROW, World
from tests.pages.evidence import DAY, TASK, proved, unproved

ClientOf = Callable[[Group], Client]
ADDRESS = f"/tasks/{TASK}/"


def test_its_numbers_are_those_of_the_queries(world: World, client_of: ClientOf) -> None:
    proved()
    answer = client_of(Group.VIEWER).get(f"{ADDRESS}?days=90")
    since = answer.context["since"]
    assert answer.context["rows"] == queries.models(since, since + 90 * DAY, TASK)
    sonnet, haiku = answer.context["rows"]
    assert (sonnet.model, haiku.model) == ("anthropic:sonnet", "anthropic:haiku")
    assert (
        sum(row.items for row in answer.context["sizes"]) == sonnet.attempts + haiku.attempts == 880
    )  # 8 nights of 110
    points = answer.context["over_time"].rows
    assert sum(int(row[-1]) for row in points) == sonnet.success.n + haiku.success.n


def test_every_rate_stands_with_its_n(world: World, client_of: ClientOf) -> None:
    proved()
    said = client_of(Group.VIEWER).get(ADDRESS).content.decode()
    assert said.count('class="rate-value"') == said.count("<span>n ") > 6


def test_what_is_not_proved_says_why_not(world: World, client_of: ClientOf) -> None:
    unproved()
    said = client_of(Group.VIEWER).get(ADDRESS).content.decode()
    assert "Not yet:" in said
    assert "more graded calls of haiku" in said


def test_an_open_proposal_is_told_on_top(world: World, client_of: ClientOf) -> None:
    one = proved()
    assert f'<a href="/proposals/{one.pk}/">' in client_of(Group.VIEWER).get(ADDRESS).content.decode()


def test_verdicts_are_counted_by_source_in_the_order_of_the_definition(world: World, client_of: ClientOf) -> None:
    proved()
    sources = client_of(Group.VIEWER).get(ADDRESS).context["sources"]
    assert [source.rank for source in sources[:4]] == [1, 2, 3, 4]
    assert sum(source.good + source.bad for source in sources) == 880


def test_a_running_exploration_is_shown_with_what_is_left_of_it(world: World, client_of: ClientOf) -> None:
    until = proved().as_of + 30 * DAY
    explorations.start(TASK, share=0.1, challengers=["anthropic:haiku"], usd_cap=3, until=until, by=SYSTEM, reason="t")  # type: ignore[arg-type]
    said = client_of(Group.VIEWER).get(ADDRESS).content.decode()
    assert "10.0 % of the work items to" in said
    assert "of $3.00 spent" in said


@pytest.mark.parametrize("query", ["", "?days=7", "?days=1000", "?days=%00"])
def test_without_calls_it_says_what_to_do(client_of: ClientOf, query: str) -> None:
    said = client_of(Group.VIEWER).get(f"{ADDRESS}{query}").content.decode()
    assert "No calls in this period" in said
    assert "Nothing is compared" in said


@pytest.mark.parametrize("address", ["/tasks/none_such/", "/tasks/%00/"])
def test_a_task_type_that_does_not_exist_is_not_found(client_of: ClientOf, address: str) -> None:
    assert client_of(Group.VIEWER).get(address).status_code == 404


def test_only_who_may_edit_is_offered_the_edit(world: World, client_of: ClientOf) -> None:
    assert "Edit the route" not in client_of(Group.VIEWER).get(ADDRESS).content.decode()
    assert "Edit the route" in client_of(Group.OPERATOR).get(ADDRESS).content.decode()


def test_its_plots_are_drawn_and_its_tables_readable(
    sign_in: Callable[[Group], Page], accessible: Callable[[Page], None]
) -> None:
    proved()
    page = sign_in(Group.VIEWER)
    page.goto(ADDRESS)
    page.locator("#pareto-title").scroll_into_view_if_needed()
    for figure in ("over-time", "pareto"):
        expect(page.locator(f"[data-figure={figure}] .main-svg").first).to_be_visible()
    accessible(page)
    page.set_viewport_size(NARROW)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    accessible(page)
