"""Budgets as ledgers: reserve, call, settle. `routing.budgets` is the only door to them."""

from django.db import models

from routing.models._fields import usd, word
from routing.terms.words import BudgetAction


class Budget(models.Model):
    """A monthly limit of one scope. `spent` is the sum of its calls' rows, `reserved` of its leases; together they never pass a limit that blocks."""

    scope = models.CharField(
        max_length=200, unique=True
    )  # "provider:openai", "client:ci", "project:site", "task:bulk_ops", "key:ck_…", "exploration:7"
    monthly_usd = usd()
    steps = models.JSONField(default=list)  # per cent at which to alert
    at_limit = word(BudgetAction, default=BudgetAction.ALERT)
    month = models.DateField(null=True, blank=True)  # the first day of the month that the two sums are of
    reserved_usd = usd(default=0)
    spent_usd = usd(default=0)
    simulated = models.BooleanField(default=False)  # what is spent is simulated money
    enabled = models.BooleanField(default=True)


class BudgetStep(models.Model):
    """An alert that was given: once per month and step."""

    budget = models.ForeignKey(Budget, models.CASCADE, related_name="given")
    month = models.DateField()
    percent = models.PositiveSmallIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["budget", "month", "percent"], name="budget_step_once")]


class Lease(models.Model):
    """A part of a budget's rest that one process may spend without asking, and what of it it has spent and no row tells yet.

    Returned when idle or when its process is gone.
    """

    budget = models.ForeignKey(Budget, models.CASCADE, related_name="leases")
    owner = models.CharField(max_length=120)
    month = models.DateField()
    usd = usd()
    touched_at = models.DateTimeField()
    doubted_at = models.DateTimeField(null=True, blank=True)  # since when its owner seems gone; a touch ends the doubt

    class Meta:
        constraints = [models.UniqueConstraint(fields=["budget", "owner", "month"], name="lease_of")]
