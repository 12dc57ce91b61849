"""Calls, items and labels written straight into the tables, as the drain and imports would write them."""

import datetime as dt
import hashlib
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import AutoField, Model
from django.db.models.expressions import DatabaseDefault

from routing.models import Attempt, Call, Label, WorkItem

NIGHT = dt.date(2026, 6, 10)


def at(night: dt.date, seconds: float = 43_200) -> dt.datetime:
    """A moment of a night, noon unless said otherwise."""
    return dt.datetime(night.year, night.month, night.day, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)


def uuid7(moment: dt.datetime, seed: str) -> uuid.UUID:
    """The UUIDv7 of a moment, always the same for the same seed."""
    tail = hashlib.sha256(seed.encode()).digest()
    value = (round(moment.timestamp() * 1000) << 80) | (int.from_bytes(tail[:10], "big") & ((1 << 80) - 1))
    value = (value & ~(0xF << 76)) | (7 << 76)
    return uuid.UUID(int=(value & ~(0x3 << 62)) | (2 << 62))


def partitions(days: Iterable[dt.date]) -> None:
    """Make sure that the calls of these days have a place to go to."""
    with connection.cursor() as cursor:
        for month in {day.replace(day=1) for day in days}:
            cursor.execute("SELECT routing_partition(%s)", [month])


@dataclass
class World:
    """Collects rows; `save` writes them all at once."""

    calls: list[Call] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    items: dict[uuid.UUID, WorkItem] = field(default_factory=dict)
    labels: list[Label] = field(default_factory=list)

    def call(
        self,
        night: dt.date = NIGHT,
        *,
        seconds: float = 43_200,
        name: str | None = None,
        task_type: str = "coding",
        client: str = "ci",
        session: str = "",
        model: str = "anthropic:sonnet",
        role: str = "primary",
        propensity: float | None = 0.9,
        shares: str = "anthropic:haiku=0.1|anthropic:sonnet=0.9",
        size: int = 100,
        status: str = "ok",
        error: str = "",
        drawn: bool = True,
        cost: str | None = "0.01",
        ttft_ms: int | None = 300,
        total_ms: int | None = 900,
        simulated: bool = False,
        imported: bool = False,
        definition: int = 1,
        version: int = 1,
    ) -> WorkItem:
        """One call of one attempt, and its work item if it is the first of it."""
        moment = at(night, seconds)
        identity = uuid7(moment, name or f"call {len(self.calls)}")
        own = session or str(identity)
        item_id = uuid.UUID(bytes=hashlib.sha256(f"{task_type}\0{client}\0{own}".encode()).digest()[:16])
        money = None if cost is None else Decimal(cost)
        provider, slug = model.split(":")
        shared: dict[str, Any] = {"role": role, "propensity": propensity, "simulated": simulated}
        self.calls.append(
            Call(
                id=identity, started_at=moment, status=status, task_type=task_type, client=client, session=session,
                wire="native", item_id=item_id, size=size, shares=shares, drawn=drawn, routed_model=model,
                served_model=model if status == "ok" else "", imported=imported, attempts_count=1, input_tokens=10,
                output_tokens=20, ttft_ms=ttft_ms, total_ms=total_ms, cost_usd=money, created_at=moment, **shared,
            )
        )  # fmt: skip
        self.attempts.append(
            Attempt(
                call_id=identity, attempt=1, started_at=moment, provider=provider, model=slug, status=status, error_kind=error,
                input_tokens=10, output_tokens=20, ttft_ms=ttft_ms, total_ms=total_ms, cost_usd=money, **shared,
            )
        )  # fmt: skip
        fresh = WorkItem(
            id=item_id, first_call_id=identity, opened_at=moment, task_type=task_type, client=client, session=session,
            model=model, shares=shares, size=size, drawn=drawn, first_status=status, first_error=error,
            first_total_ms=total_ms, imported=imported, definition_version=definition, model_version=version, **shared,
        )  # fmt: skip
        known = self.items.get(item_id)
        if known is None or fresh.first_call_id < known.first_call_id:
            self.items[item_id] = fresh
        return self.items[item_id]

    def label(self, item: WorkItem, good: bool, moment: dt.datetime, source: str = "person") -> None:
        self.labels.append(Label(item_id=item.pk, source=source, verdict="good" if good else "bad", observed_at=moment))

    def save(self) -> None:
        partitions(call.started_at.date() for call in self.calls)
        for model, rows in (
            (Call, self.calls),
            (Attempt, self.attempts),
            (WorkItem, list(self.items.values())),
            (Label, self.labels),
        ):
            _copy(model, rows)
        self.calls, self.attempts, self.items, self.labels = [], [], {}, []


def _copy(model: type[Model], rows: Sequence[Model]) -> None:
    """What `bulk_create` does, in a tenth of the time."""
    own = [field for field in model._meta.local_concrete_fields if not isinstance(field, AutoField)]
    given = [
        field for field in own if not any(isinstance(getattr(row, field.attname), DatabaseDefault) for row in rows)
    ]
    columns = ", ".join(f'"{field.column}"' for field in given)
    with connection.cursor() as cursor, cursor.copy(f'COPY "{model._meta.db_table}" ({columns}) FROM STDIN') as copied:
        for row in rows:
            copied.write_row([field.get_db_prep_save(field.pre_save(row, True), connection) for field in given])
