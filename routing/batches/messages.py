"""What the broker is told of a batch: its id. A message may be lost, come twice or come late; none of that matters."""

import logging
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from django.utils import timezone

from routing import jobs
from routing.models import Batch

if TYPE_CHECKING:
    from celery import Celery

log = logging.getLogger(__name__)
TASK = "routing.tasks.run_batch"
JOB = "batch"  # with the id: the lock that the one run of a batch holds
CONNECT_S = 2.0  # who sends a batch does not wait longer for a broker that is away
LOST_AFTER = timedelta(minutes=3)  # a message that nobody has taken by then is sent again


@cache
def _sender() -> "Celery":
    """An app that only sends: the web worker has no other, and in a worker of Celery it does not become the current one."""
    from celery import Celery  # a web worker that is sent no batch is spared it

    app = Celery("cortex-batches", set_as_current=False)
    app.config_from_object("django.conf:settings", namespace="CELERY")
    return app


def send(batch: int) -> bool:
    """Tell a worker to run the batch, unless a message is on its way. False when the broker is away: then the watch sends it."""
    # Noted first: the run that the message starts takes the note away.
    mine = Batch.objects.filter(pk=batch).exclude(sent_at__gt=timezone.now() - LOST_AFTER)
    if not mine.update(sent_at=timezone.now()):
        return True
    try:
        with _sender().connection_for_write(connect_timeout=CONNECT_S) as broker:
            broker.ensure_connection(max_retries=1, timeout=CONNECT_S)
            _sender().send_task(TASK, args=[batch], connection=broker, retry=False)
    except Exception as error:  # noqa: BLE001 - each transport has errors of its own, and the rows are safe
        log.warning("Batch %d waits for the broker, which is away: %s", batch, type(error).__name__)
        Batch.objects.filter(pk=batch).update(sent_at=None)
        return False
    return True


def wake(now: datetime) -> list[int]:
    """Send what has work left, and neither a worker nor a message: the broker was away, a worker died, or a pause is over. The ids."""
    waiting = Batch.objects.filter(finished_at=None).exclude(sent_at__gt=now - LOST_AFTER).exclude(not_before__gt=now)
    return [batch for batch in waiting.order_by("pk").values_list("pk", flat=True) if _is_idle(batch) and send(batch)]


def _is_idle(batch: int) -> bool:
    with jobs.lock(JOB, str(batch)) as held:
        return held
