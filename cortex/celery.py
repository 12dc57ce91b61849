"""The Celery app. Schedules stand in settings; tasks are `shared_task`s of routing and analytics."""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_ready, worker_shutdown, worker_shutting_down

from cortex.environment import ensure_database

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cortex.settings")
ensure_database()

app = Celery("cortex")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def start_drain(**_: Any) -> None:
    """A worker's batches are recorded to the spool like any call; it drains when no web worker does."""
    from routing import drain  # Django is set up by now

    drain.start_background()


def stop_drain(**_: Any) -> None:
    from routing import drain

    drain.stop_background(flush=True)


def stop_batches(**_: Any) -> None:
    """The children hear nothing of a stop by themselves."""
    from routing.batches import stopping

    stopping.stop()


worker_ready.connect(start_drain)
worker_shutting_down.connect(stop_batches)
worker_shutdown.connect(stop_drain)
