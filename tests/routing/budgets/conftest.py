"""Budgets over two providers' doubles: `first:one` is dear, `second:two` is cheap, and both are real sockets."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from routing import budgets, changes, drain
from routing.audit import SYSTEM
from routing.budgets import keeper
from routing.models import Budget
from routing.terms.words import BudgetAction
from tests.cortex.processes import until
from tests.doubles.script import answer
from tests.routing.two_providers import World, two_providers

CENTS = {"first:one": Decimal("0.05"), "second:two": Decimal("0.01")}  # of an answer of 100 tokens


@pytest.fixture
def leases_end(transactional_db: None) -> Iterator[None]:
    yield
    drain.flush()  # or the next test would count what this one's calls have cost
    budgets.close()


@pytest.fixture
def world() -> Iterator[World]:
    with two_providers(steps=["first:one", "second:two"]) as made:
        prices = [("first", "one", "500"), ("second", "two", "100")]
        models = [
            {"provider": provider, "slug": slug, "price": {"input": "0", "output": output}}
            for provider, slug, output in prices
        ]
        changes.publish({"models": models}, by=SYSTEM, reason="prices", source="load")
        for double in (made.primary, made.fallback):
            double.will(then=answer(written=100))
        yield made


def budget(
    scope: str = "client:ci", usd: str = "0.10", action: BudgetAction = BudgetAction.BLOCK, **more: Any
) -> Budget:
    return Budget.objects.create(scope=scope, monthly_usd=Decimal(usd), at_limit=action, **more)


def ledger(scope: str = "client:ci") -> tuple[Decimal, Decimal]:
    """(spent, reserved)"""
    return Budget.objects.values_list("spent_usd", "reserved_usd").get(scope=scope)


def settled() -> None:
    """Wait until nothing is out on a lease."""
    until(lambda: not keeper.current()._leases and not Budget.objects.exclude(reserved_usd=0).exists())


def spend(scope: str, usd: str) -> None:
    """As if that had been spent this month."""
    month = budgets.month_of(timezone.now())[0].date()
    Budget.objects.filter(scope=scope).update(month=month, spent_usd=Decimal(usd))
