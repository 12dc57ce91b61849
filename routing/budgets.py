"""Budgets: what one scope may spend in a month."""

from datetime import datetime

from django.db.models import F
from django.utils import timezone

from routing.models import Budget
from routing.terms.words import BudgetAction


def spent_scopes(now: datetime) -> frozenset[str]:
    """The scopes ("provider:openai") whose limit of this month is reached and blocks. Months are of CORTEX_TIME_ZONE."""
    month = timezone.localdate(now).replace(day=1)
    rows = Budget.objects.filter(enabled=True, at_limit=BudgetAction.BLOCK, month=month)
    return frozenset(rows.filter(spent_usd__gte=F("monthly_usd")).values_list("scope", flat=True))
