"""Exploration budgets: a share of a task type's items goes to challengers, until the money or the date ends it.

They are part of the routing table, so that starting and ending one is a revision like any other.
"""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

from django.db.models import QuerySet

from routing import changes
from routing.audit import Actor
from routing.models import Exploration, Revision


class Unknown(LookupError):
    """There is no such exploration."""

    status = 404


def current() -> QuerySet[Exploration]:
    """The budgets that have not ended."""
    rows = (
        Exploration.objects.filter(ended_at=None).select_related("task_type").prefetch_related("challengers__provider")
    )
    return rows.order_by("task_type__slug", "pk")


def start(
    task_type: str,
    *,
    share: float,
    challengers: Sequence[str],
    usd_cap: Decimal,
    until: dt.date,
    by: Actor,
    reason: str,
) -> Revision:
    """Explore from the next night on. Raises changes' Invalid with every problem."""
    part = {
        "task_type": task_type,
        "share": share,
        "challengers": list(challengers),
        "usd_cap": str(usd_cap),
        "until": until.isoformat(),
    }
    return changes.publish({"explorations": [part]}, by=by, reason=reason, source="api")


def end(number: int, *, by: Actor, reason: str) -> Exploration:
    """Stop exploring now. What it learned stays. Raises Unknown."""
    one = current().filter(pk=number).first()
    if one is None:
        raise Unknown(f"There is no running exploration {number}.")
    changes.remove("explorations", one.task_type.slug, by=by, reason=reason, source="api")
    one.refresh_from_db()
    return one
