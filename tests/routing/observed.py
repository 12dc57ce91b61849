"""Calls of a client in observe mode, as the drain would have written them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from routing.models import Attempt, Call, Label
from routing.terms.ids import item_of, uuid7

ATTEMPT = ("input_tokens", "output_tokens", "cache_read_tokens", "cost_usd")


def observed(name: str, ago: timedelta = timedelta(hours=1), *, verdict: str = "", **changes: Any) -> UUID:
    """A call that named the model and was served by it: 1,000 tokens read, 100 written, for one cent."""
    started_at = datetime.now(UTC) - ago
    number = uuid7(started_at)
    with connection.cursor() as cursor:
        cursor.execute("SELECT routing_partition(%s)", [started_at.date().replace(day=1)])
    told = {"input_tokens": 1000, "output_tokens": 100, "cost_usd": "0.01", **changes}
    attempt = {key: told.pop(key) for key in ATTEMPT if key in told}
    call = Call.objects.create(
        **{
            "id": number,
            "started_at": started_at,
            "status": "ok",
            "client": "ci",
            "wire": "anthropic_messages",
            "item_id": item_of("", "ci", str(number)),
            "role": "observed",
            "requested_model": name,
            "served_model": "anthropic:sonnet",
            "attempts_count": 1,
            "cost_usd": attempt.get("cost_usd"),
            **told,
        }
    )
    Attempt.objects.create(
        call_id=number, attempt=1, started_at=started_at, provider="anthropic", model="sonnet", role="observed",
        status="ok", **attempt,
    )  # fmt: skip
    if verdict:
        Label.objects.create(
            item_id=call.item_id, source="person", verdict=verdict, observed_at=started_at + timedelta(minutes=1)
        )
    return number
