"""What the drained rows of a call have cost is booked once, whatever comes behind its answer and however often its lines are read."""

from decimal import Decimal
from pathlib import Path

import pytest
from django.utils import timezone

from routing import budgets, drain
from routing.models import Budget, Call
from routing.recorder import Spool
from routing.terms.words import BudgetAction, Role
from tests.routing.spooled import attempt, intent, outcome

pytestmark = pytest.mark.django_db
ANSWER, OPINION = Decimal("0.00345"), Decimal("0.002")  # of two providers, priced by hand
SCOPES = ("client:ci", "task:code_generation", "provider:anthropic", "provider:openai")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool" / "host"


def spent() -> dict[str, Decimal]:
    return dict(Budget.objects.values_list("scope", "spent_usd"))


def drained(folder: Path) -> None:
    with drain.held_lock(folder):
        drain.drain_folder(folder)


@pytest.mark.parametrize("passes", [1, 2], ids=["drained with its answer", "drained behind its answer"])
def test_a_second_opinion_adds_what_it_costs_to_what_the_answer_cost(folder: Path, passes: int) -> None:
    month = budgets.month_of(timezone.now())[0].date()
    for scope in SCOPES:
        Budget.objects.create(scope=scope, monthly_usd=10, at_limit=BudgetAction.BLOCK, steps=[100], month=month)
    spool, call = Spool(folder), intent(timezone.now())
    opinion = attempt(2, role=Role.SECOND_OPINION, cost_usd=OPINION)
    spool.start(call)
    spool.finish(outcome(call.id, attempt()))
    if passes == 2:
        drained(folder)
        assert spent() == dict.fromkeys(SCOPES[:3], ANSWER) | {SCOPES[3]: 0}
    spool.start(call)  # it goes on behind the answer
    spool.finish(outcome(call.id, attempt(), opinion))
    drained(folder)
    both = {
        "client:ci": ANSWER + OPINION,
        "task:code_generation": ANSWER + OPINION,
        "provider:anthropic": ANSWER,
        "provider:openai": OPINION,
    }
    assert (spent(), Call.objects.get().cost_usd) == (both, ANSWER + OPINION)
    for offset in folder.glob("*.at"):
        offset.unlink()  # as if the drain had died before it noted how far it was
    drained(folder)
    assert spent() == both
