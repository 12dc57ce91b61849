"""Spend: every cut adds up to the same, and what has no price is listed."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect

from analytics import spend
from analytics.models import Rollup
from cortex.templatetags.cortex_ui import pct
from routing import budgets
from routing.models import Budget
from routing.terms.words import Group
from tests.pages.conftest import NARROW, World
from tests.pages.evidence import proved

ClientOf = Callable[[Group], Client]


def test_every_cut_adds_up_to_the_total(world: World, client_of: ClientOf) -> None:
    proved()
    context = client_of(Group.VIEWER).get("/spend/").context
    assert [table.name for table in context["tables"]] == list(spend.DIMENSIONS)
    assert {sum(line.cost_usd for line in table.lines) for table in context["tables"]} == {context["total"]}
    assert context["attempts"] == 880  # 8 nights of 110
    assert Decimal("8.80") < context["total"] < Decimal("17.60")  # each at $0.01 or $0.02
    assert context["change"] is None


def test_what_has_no_price_is_listed_and_not_counted_as_free(world: World, client_of: ClientOf) -> None:
    proved()
    Rollup.objects.filter(model="haiku").update(unpriced=3, cost_usd=0)
    answer = client_of(Group.VIEWER).get("/spend/")
    assert [row.model for row in answer.context["free"]] == ["anthropic:haiku"]
    assert answer.context["unpriced"] == 3 * Rollup.objects.filter(model="haiku").count()
    assert "model=anthropic%3Ahaiku" in answer.content.decode()


@pytest.mark.parametrize(
    ("query", "shown"), [("?kind=real", True), ("?kind=simulated", False), ("?kind=x&days=x", True)]
)
def test_simulated_calls_can_be_left_out(world: World, client_of: ClientOf, query: str, shown: bool) -> None:
    proved()
    answer = client_of(Group.VIEWER).get(f"/spend/{query}")
    assert bool(answer.context["attempts"]) == shown
    assert ("No match" in answer.content.decode()) != shown


def test_simulated_spend_is_marked(world: World, client_of: ClientOf) -> None:
    proved()
    Rollup.objects.update(simulated=True)
    assert "All of it is what the simulated" in client_of(Group.VIEWER).get("/spend/").content.decode()


def test_each_budget_is_shown_with_what_is_left_of_it(client_of: ClientOf) -> None:
    month = budgets.month_of(timezone.now())[0].date()
    figures = {"month": month, "spent_usd": Decimal(45), "reserved_usd": Decimal(2)}
    Budget.objects.create(scope="client:ci", monthly_usd=Decimal(50), at_limit="block", **figures)
    said = client_of(Group.VIEWER).get("/spend/").content.decode()
    for text in ("client:ci", pct(0.9), "$45.00", "$50.00", "$2.00", "$3.00", "at its limit: block"):
        assert text in said, text


def test_a_period_without_calls_says_so(client_of: ClientOf) -> None:
    assert "Nothing was called in this period" in client_of(Group.VIEWER).get("/spend/?days=7").content.decode()


def test_it_is_readable_everywhere(sign_in: Callable[[Group], Page], accessible: Callable[[Page], None]) -> None:
    proved()
    month = budgets.month_of(timezone.now())[0].date()
    Budget.objects.create(
        scope="client:ci", monthly_usd=Decimal(50), at_limit="block", month=month, spent_usd=Decimal(60)
    )
    page = sign_in(Group.VIEWER)
    page.goto("/spend/?days=7")
    expect(page.locator("[data-figure=spend-days] .main-svg").first).to_be_visible()
    accessible(page)
    page.get_by_role("link", name="28 days").click()
    expect(page.locator("[aria-current=true]", has_text="28 days")).to_be_visible()
    page.set_viewport_size(NARROW)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    accessible(page)
