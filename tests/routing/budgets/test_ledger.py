"""Leases in the database: many take of one rest and none too much, what a dead process had comes back, and the rows have the last word."""

import os
import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from routing import budgets, recorder, rows
from routing.budgets import ledger as leases
from routing.budgets import owners
from routing.budgets.holding import Payer, holding
from routing.budgets.ledger import Lifted, Short
from routing.budgets.owners import Owner
from routing.models import Budget, Lease, StateVersion
from routing.rows import Costs
from routing.segments import Segment
from routing.terms.words import BudgetAction
from tests.routing.budgets.conftest import budget, ledger

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("leases_end")]
CENT = Decimal("0.01")


def now() -> datetime:
    return timezone.now()


def month() -> Any:
    return budgets.month_of(now())[0].date()


def payer(made: Budget) -> Payer:
    return Payer(made.pk, made.scope, BudgetAction(made.at_limit), made.monthly_usd, counts_simulated=True)


def ask(made: Budget, owner: str, total: str, need: str) -> Any:
    return leases.ask_more(payer(made), month(), owner, Decimal(total), Decimal(need), now())


def test_a_lease_grows_by_a_tenth_of_the_rest_shrinks_and_ends() -> None:
    made = budget(usd="1")
    assert ask(made, "a", "0", "0.01") == Decimal("0.1")
    assert ask(made, "b", "0", "0.01") == Decimal("0.09")
    assert (ledger(), Lease.objects.count()) == ((0, Decimal("0.19")), 2)
    assert leases.write(made.pk, month(), "a", Decimal("0.04"), now())
    assert leases.write(made.pk, month(), "b", Decimal(0), now())
    assert (ledger(), Lease.objects.get().usd) == ((0, Decimal("0.04")), Decimal("0.04"))


def test_what_is_not_there_is_told_with_whether_it_may_come() -> None:
    made = budget(usd="0.10")
    assert ask(made, "a", "0", "0.08") == Decimal("0.08")
    assert ask(made, "b", "0", "0.05") == Short(Decimal("0.10"), Decimal(0), Decimal("0.08"), may_come=True)
    Budget.objects.update(spent_usd=Decimal("0.08"), reserved_usd=0)
    assert ask(made, "b", "0", "0.05").may_come is False


@pytest.mark.parametrize("change", [{"enabled": False}, {"at_limit": BudgetAction.ALERT}, None])
def test_a_budget_that_must_hold_no_more_lets_go(change: dict[str, Any] | None) -> None:
    made = budget(usd="0.10")
    there = payer(made)
    Budget.objects.update(**change) if change else Budget.objects.all().delete()
    assert isinstance(leases.ask_more(there, month(), "a", Decimal(0), CENT, now()), Lifted)


def test_an_answer_that_was_lost_on_the_way_is_made_good_by_the_next_one() -> None:
    made = budget(usd="1")
    ask(made, "a", "0", "0.01")  # granted, and the process never heard of it
    assert leases.write(made.pk, month(), "a", Decimal("0.02"), now())
    assert ledger() == (0, Decimal("0.02"))


def test_eight_threads_on_one_budget_take_all_of_it_and_no_more() -> None:
    made = budget(usd="1")
    ask(made, "warm", "0", "0.01")
    leases.write(made.pk, month(), "warm", Decimal(0), now())
    got: list[Decimal] = []

    def take(owner: str) -> None:
        total = Decimal(0)
        for _ in range(40):
            more = ask(made, owner, str(total), "0.02")
            total += more if isinstance(more, Decimal) else 0
        got.append(total)
        connection.close()

    threads = [threading.Thread(target=take, args=(f"owner {n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert Decimal("0.98") < sum(got) <= 1
    assert ledger() == (0, sum(got))


@pytest.fixture
def here(tmp_path: Path, settings: Any) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path


def test_a_lease_of_a_process_that_lives_stays_and_of_a_dead_one_comes_back_once_it_is_drained(here: Path) -> None:
    made, owner = budget(usd="1"), Owner()
    ask(made, owner.name, "0", "0.05")
    assert leases.free_dead("", now()) == 0
    segment = Segment(recorder.folder())
    owner.leave(owes=True)  # as the end of the process would
    assert leases.free_dead("", now()) == 1, "no other process has that number: our own segment is ours"
    segment.close()


def test_what_a_dead_process_recorded_is_drained_before_its_lease_is_free(here: Path) -> None:
    made, owner = budget(usd="1"), Owner()
    ask(made, owner.name, "0", "0.05")
    segment = Segment(recorder.folder())
    owner.leave(owes=True)
    segment.close()  # an orphan now, with lines that nobody has read
    assert (leases.free_dead("", now()), ledger()) == (0, (0, Decimal("0.1")))
    os.unlink(segment.path)
    assert (leases.free_dead("", now()), ledger()) == (1, (0, 0))
    assert list(owners.folder().iterdir()) == []


def test_a_process_of_another_host_is_doubted_before_its_lease_is_taken() -> None:
    made, then = budget(usd="1"), now()
    ask(made, "elsewhere/1-1-1", "0", "0.05")
    late = then + leases.DOUBT_AFTER + timedelta(seconds=1)
    assert [leases.free_dead("", then), leases.free_dead("", late), leases.free_dead("", late)] == [0, 0, 0]
    leases.touch("elsewhere/1-1-1", late)  # PostgreSQL was away, and it could not
    assert Lease.objects.get().doubted_at is None
    later = late + leases.DOUBT_AFTER + timedelta(seconds=1)
    assert [leases.free_dead("", later), leases.free_dead("", later + leases.FREE_AFTER)] == [0, 1]
    assert ledger() == (0, 0)


def test_a_sum_of_leases_that_was_broken_is_mended_by_the_minutes_check() -> None:
    made = budget(usd="1")
    ask(made, "elsewhere/1-1-1", "0", "0.05")
    Budget.objects.update(reserved_usd=Decimal("0.7"), spent_usd=Decimal("0.2"))
    budgets.check(now())
    assert ledger() == (0, Decimal("0.1")), "no row says that anything was spent"


def state() -> int | None:
    return StateVersion.objects.values_list("state", flat=True).first()


def costs(usd: str, at: datetime, *, simulated: bool = False, **names: str) -> Costs:
    return Costs(at, tuple((names or {"client": "ci"}).items()), simulated, Decimal(usd))


def test_rows_are_booked_for_their_month_and_everybody_reads_anew_when_a_limit_is_reached() -> None:
    made = budget(usd="1")
    budgets.check(now())
    last, before = budgets.month_of(now())[0] - timedelta(hours=1), state()
    budgets.book(
        [costs("0.99", now()), costs("5", last), costs("5", now(), project="site"), costs("5", now(), client="web")]
    )
    assert (ledger(), state()) == ((Decimal("0.99"), 0), before)
    budgets.book([costs("0.01", now())])
    assert holding(now()).spent == {"client:ci"}
    assert state() != before
    assert holding(now()).payers["client:ci"].id == made.pk


def test_rows_of_a_new_month_begin_its_ledger_and_end_the_old_ones_leases() -> None:
    made = budget(usd="1")
    ask(made, "elsewhere/1-1-1", "0", "0.05")
    budgets.book([costs("0.2", now()), costs("0.3", budgets.month_of(now())[1] + timedelta(hours=1))])
    assert (ledger(), Lease.objects.count()) == ((Decimal("0.3"), 0), 0)


def test_months_are_of_the_configured_zone(settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    budget(usd="1", month=date(2026, 11, 1))
    budgets.book([costs("0.2", datetime(2026, 10, 31, 22, 45, tzinfo=UTC))])  # 23:45 on 31 October there
    assert ledger() == (0, 0)
    budgets.book([costs("0.2", datetime(2026, 10, 31, 23, 0, tzinfo=UTC))])
    assert ledger() == (Decimal("0.2"), 0)


def test_costs_of_rows_are_told_by_all_that_may_pay() -> None:
    assert {"client", "key_prefix", "project", "task_type"} == set(rows._OF_CALL)
