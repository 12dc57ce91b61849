"""Who makes which call. Every step is a compare-and-set on the item's row, so that two runs of one batch never make the same call."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from routing import secrets
from routing.batches.ending import KEEP
from routing.batches.outcomes import Ended
from routing.models import Batch, BatchItem
from routing.terms.ids import uuid7
from routing.terms.words import ItemStatus, JobStatus

LEFT = (ItemStatus.QUEUED, ItemStatus.RUNNING)
LOST = "outcome_unknown"


@dataclass(frozen=True, slots=True)
class Claimed:
    """An item that this run alone may call for. `call` is the id that its call will have."""

    item: int
    call: UUID
    tries: int  # this one included
    body: bytes


@dataclass(frozen=True, slots=True)
class State:
    """What a run must know of its batch from time to time."""

    is_cancelled: bool = False
    stops_running: bool = False  # and its calls on their way are to end at once
    pause_s: float = 0.0  # before the next claim


def begin(batch: int) -> Batch | None:
    """The batch, running; None when it is gone or over. Its lock must be held: whatever runs in it then is a dead worker's."""
    Batch.objects.filter(pk=batch, status=JobStatus.QUEUED).update(status=JobStatus.RUNNING)
    Batch.objects.filter(pk=batch).update(sent_at=None)
    found = Batch.objects.filter(pk=batch, finished_at=None).first()
    if found is not None:
        now = timezone.now()
        lost = BatchItem.objects.filter(batch=batch, status=ItemStatus.RUNNING)
        lost.update(status=ItemStatus.UNKNOWN, error_code=LOST, body=None, finished_at=now)
    return found


def claim(batch: int) -> Claimed | None:
    """The next item that waits; None when none does."""
    waiting = BatchItem.objects.filter(batch=batch, status=ItemStatus.QUEUED).exclude(batch__status=JobStatus.CANCELLED)
    while True:
        row = waiting.values("pk", "tries", "body").first()
        if row is None:
            return None
        now = timezone.now()
        call, is_mine = uuid7(now), BatchItem.objects.filter(pk=row["pk"], status=ItemStatus.QUEUED)
        if is_mine.update(status=ItemStatus.RUNNING, call_id=call, started_at=now, tries=F("tries") + 1):
            return Claimed(row["pk"], call, row["tries"] + 1, bytes(row["body"] or b""))


def settle(claimed: Claimed, ended: Ended) -> bool:
    """Write down what became of a call, and forget its prompt. False when the batch was deleted meanwhile.

    Whoever took this run for dead has said `unknown`: that gives way to who knows.
    """
    answer = None if ended.answer is None else secrets.encrypt(ended.answer)
    mine = BatchItem.objects.filter(
        pk=claimed.item, call_id=claimed.call, status__in=(ItemStatus.RUNNING, ItemStatus.UNKNOWN)
    )
    told: Mapping[str, Any] = {
        "status": ended.status,
        "error_code": ended.code,
        "answer": answer,
        "cost_usd": ended.cost_usd,
        "input_tokens": ended.input_tokens,
        "output_tokens": ended.output_tokens,
    }
    return bool(mine.update(body=None, finished_at=timezone.now(), **told))


def put_back(claimed: Claimed, batch: int, pause_s: float) -> None:
    """Nobody was paid for it: the item waits again, and the whole batch with it."""
    until = timezone.now() + timedelta(seconds=pause_s)
    with transaction.atomic():
        BatchItem.objects.filter(pk=claimed.item, call_id=claimed.call, status=ItemStatus.RUNNING).update(
            status=ItemStatus.QUEUED, started_at=None
        )
        Batch.objects.filter(pk=batch).exclude(not_before__gt=until).update(not_before=until)


def state(batch: int) -> State:
    row = Batch.objects.filter(pk=batch).values("status", "stops_running", "not_before").first()
    if row is None:  # deleted
        return State(is_cancelled=True, stops_running=True, pause_s=0.0)
    pause_s = (row["not_before"] - timezone.now()).total_seconds() if row["not_before"] else 0.0
    return State(row["status"] == JobStatus.CANCELLED, row["stops_running"], max(pause_s, 0.0))


def conclude(batch: int) -> bool:
    """Whether the batch is over; then it is written down as such, once."""
    items, now = BatchItem.objects.filter(batch=batch), timezone.now()
    # An item may have been put back while the batch was being cancelled.
    items.filter(status=ItemStatus.QUEUED, batch__status=JobStatus.CANCELLED).update(
        status=ItemStatus.CANCELLED, body=None, finished_at=now
    )
    if items.filter(status__in=LEFT).exists():
        return False
    ended = Batch.objects.filter(pk=batch, finished_at=None)
    ended.filter(status__in=(JobStatus.QUEUED, JobStatus.RUNNING)).update(
        status=JobStatus.DONE, finished_at=now, purge_at=now + KEEP
    )
    ended.update(finished_at=now, purge_at=now + KEEP)
    return True
