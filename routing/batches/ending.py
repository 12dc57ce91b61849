"""How a batch ends before its time, and how its prompts and answers are forgotten."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from routing import audit
from routing.audit import Actor
from routing.models import Batch, BatchItem
from routing.terms.words import ItemStatus, JobStatus

KEEP = timedelta(days=7)  # answers after the end of their batch; prompts at most as long after they came


class NotOver(Exception):
    """The batch still has calls on their way or waiting."""


@transaction.atomic
def cancel(batch: int, *, by: Actor, finish_running: bool = False) -> bool:
    """Begin no other call of the batch. Those on their way are ended within a second, or with `finish_running` come to their end.

    False when it was over or cancelled before. Either way each item says what became of it.
    """
    open_ones = Batch.objects.filter(pk=batch, finished_at=None, status__in=(JobStatus.QUEUED, JobStatus.RUNNING))
    if not open_ones.update(status=JobStatus.CANCELLED, stops_running=not finish_running):
        return False
    now = timezone.now()
    items = BatchItem.objects.filter(batch=batch)
    items.filter(status=ItemStatus.QUEUED).update(status=ItemStatus.CANCELLED, body=None, finished_at=now)
    if not items.filter(status=ItemStatus.RUNNING).exists():
        Batch.objects.filter(pk=batch, finished_at=None).update(finished_at=now, purge_at=now + KEEP)
    audit.write("batch.cancel", f"batch:{batch}", by=by, after={"finish_running": finish_running})
    return True


@transaction.atomic
def forget(batch: int, *, by: Actor) -> None:
    """Delete a batch that is over, with its answers; its calls stay on record. Raises NotOver."""
    if not Batch.objects.filter(pk=batch).exclude(finished_at=None).delete()[0]:
        raise NotOver(f"Batch {batch} is not over: cancel it first.")
    audit.write("batch.delete", f"batch:{batch}", by=by)


def purge(now: datetime) -> None:
    """Forget the prompts and answers of batches whose time is over; their counts and costs stay. What still waits is not called any more."""
    over = list(Batch.objects.filter(purge_at__lt=now).values_list("pk", flat=True))
    waiting = BatchItem.objects.filter(batch__in=over, status=ItemStatus.QUEUED)
    waiting.update(status=ItemStatus.CANCELLED, error_code="expired", finished_at=now)
    BatchItem.objects.filter(batch__in=over).update(body=None, answer=None)
    Batch.objects.filter(pk__in=over).update(purge_at=None)
