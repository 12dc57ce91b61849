"""What is told of batches: counts and sums over their items, pages of items, everything as lines."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Count, Sum
from django.utils import timezone

from routing import secrets
from routing.models import Batch, BatchItem
from routing.terms.words import ItemStatus

_OVER = (ItemStatus.DONE, ItemStatus.FAILED, ItemStatus.CANCELLED, ItemStatus.UNKNOWN)
_WORDS = {
    "cancelled": "The batch was cancelled before its turn came: nothing was called.",
    "expired": "Its turn did not come in time, and its prompt was forgotten: nothing was called.",
    "outcome_unknown": "The worker died while the call was on its way: it may have been paid for, and is not made again.",
}


@dataclass(frozen=True, slots=True)
class Told:
    """A batch with what is counted over its items."""

    batch: Batch
    counts: Mapping[str, int]  # by ItemStatus, every one of them
    cost_usd: Decimal | None  # of the priced calls; None: none is
    unpriced: int  # answered calls without a price
    input_tokens: int
    output_tokens: int

    @property
    def over(self) -> int:
        """Items that neither wait nor run."""
        return sum(self.counts[status] for status in _OVER)

    @property
    def share(self) -> float:
        return self.over / self.batch.total if self.batch.total else 1.0


def find(number: int, client: str | None = None) -> Batch | None:
    """A batch, of this client alone where one is named."""
    found = Batch.objects.select_related("client").filter(pk=number)
    return (found if client is None else found.filter(client__slug=client)).first()


def page(*, client: str | None = None, status: str = "", before: int | None = None, limit: int = 100) -> list[Told]:
    """The newest batches first, at most `limit`."""
    rows = Batch.objects.select_related("client").order_by("-pk")
    rows = rows if client is None else rows.filter(client__slug=client)
    rows = rows.filter(status=status) if status else rows
    return told((rows if before is None else rows.filter(pk__lt=before))[:limit])


def told(batches: Iterable[Batch]) -> list[Told]:
    """The batches with their counts, in one query more."""
    found = list(batches)
    counted = (
        BatchItem.objects.filter(batch__in=[each.pk for each in found])
        .order_by()
        .values("batch", "status")
        .annotate(
            n=Count("pk"),
            priced=Count("cost_usd"),
            cost=Sum("cost_usd"),
            read=Sum("input_tokens"),
            wrote=Sum("output_tokens"),
        )
    )
    rows: dict[int, list[Mapping[str, Any]]] = {}
    for row in counted:
        rows.setdefault(row["batch"], []).append(row)
    return [_told(each, rows.get(each.pk, [])) for each in found]


def _told(batch: Batch, rows: Sequence[Mapping[str, Any]]) -> Told:
    costs = [row["cost"] for row in rows if row["cost"] is not None]
    return Told(
        batch=batch,
        counts={status.value: sum(row["n"] for row in rows if row["status"] == status) for status in ItemStatus},
        cost_usd=sum(costs, Decimal(0)) if costs else None,
        unpriced=sum(row["n"] - row["priced"] for row in rows if row["status"] == ItemStatus.DONE),
        input_tokens=sum(row["read"] or 0 for row in rows),
        output_tokens=sum(row["wrote"] or 0 for row in rows),
    )


def items(batch: Batch, *, after: int = -1, limit: int | None = None, status: str = "") -> list[dict[str, Any]]:
    """The items behind a position, in order, each with its answer or error as long as they are kept."""
    rows = batch.items.filter(position__gt=after)
    rows = rows.filter(status=status) if status else rows
    is_kept = _is_kept(batch)
    return [_item(row, is_kept) for row in rows[:limit]]


def item(batch: Batch, position: int) -> dict[str, Any] | None:
    row = batch.items.filter(position=position).first()
    return None if row is None else _item(row, _is_kept(batch))


def results(batch: Batch) -> Iterator[str]:
    """Every item as a line of JSON, in order."""
    after, is_kept = -1, _is_kept(batch)
    while rows := list(batch.items.filter(position__gt=after)[:100]):
        after = rows[-1].position
        yield "".join(f"{json.dumps(_item(row, is_kept), separators=(',', ':'), default=str)}\n" for row in rows)


def _is_kept(batch: Batch) -> bool:
    """Whether its answers may still be read. Judged at reading: they are purged a little later."""
    return batch.purge_at is not None and timezone.now() < batch.purge_at


def _item(row: BatchItem, is_kept: bool) -> dict[str, Any]:
    answer, error = None, None
    if is_kept and row.answer is not None:
        body = json.loads(secrets.decrypt(row.answer))
        error, answer = body.get("error"), None if "error" in body else body
    code = row.error_code or ("cancelled" if row.status == ItemStatus.CANCELLED else "")
    if error is None and code:
        error = {"code": code, "message": _WORDS.get(code, "What it said is forgotten."), "retryable": False}
    return {
        "position": row.position,
        "status": row.status,
        "request_id": str(row.call_id) if row.call_id else None,
        "tries": row.tries,
        "answer": answer,
        "error": error,
        "cost_usd": None if row.cost_usd is None else format(row.cost_usd.normalize(), "f"),
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
    }
