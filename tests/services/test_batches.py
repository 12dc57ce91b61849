"""Batches over Redis and RabbitMQ: made at most so many at a time, gone on with after a kill, and kept while the broker is away."""

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.test import override_settings
from django.utils import timezone

from routing import batches
from routing.batches import messages
from routing.models import Batch
from tests.cortex.processes import until
from tests.doubles.script import answer, stalls
from tests.faults.cut import Cut
from tests.routing.batches.conftest import Sender, committed  # noqa: F401
from tests.routing.batches.test_worker import Worker, statuses

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def worker(broker: str, tmp_path: Path, committed: Sender) -> Iterator[Worker]:  # noqa: F811
    """A worker on the broker, which this process sends to as well."""
    messages._sender.cache_clear()
    with override_settings(CELERY_BROKER_URL=broker, CELERY_BROKER_TRANSPORT_OPTIONS={}):
        running = Worker(tmp_path, broker)
        yield running
        running.clear_up()
    messages._sender.cache_clear()


def test_twenty_items_four_at_a_time(worker: Worker, committed: Sender) -> None:  # noqa: F811
    committed.double.will(then=answer(delay_s=0.05))
    number = committed.send(20, concurrency=4)
    until(lambda: Batch.objects.filter(pk=number, status="done").exists(), within_s=120)
    assert statuses(number) == ["done"] * 20
    assert len(committed.double.requests) == 20
    assert committed.double.busiest <= 4
    worker.stop()


def test_a_cancel_in_the_middle_is_heard_by_the_worker(worker: Worker, committed: Sender) -> None:  # noqa: F811
    committed.double.will(*[answer()] * 4, then=stalls(before_headers=True))
    number = committed.send(20, concurrency=4)
    until(lambda: len(committed.double.requests) == 8 and statuses(number).count("done") == 4, within_s=120)
    committed.call("POST", f"/batches/{number}/cancel")
    until(lambda: Batch.objects.exclude(finished_at=None).filter(pk=number).exists(), within_s=60)
    assert statuses(number) == ["done"] * 4 + ["cancelled"] * 16
    assert len(committed.double.requests) == 8


def test_a_child_that_is_killed_leaves_its_message_to_the_next(worker: Worker, committed: Sender) -> None:  # noqa: F811
    committed.double.will(*[answer()] * 4, *[stalls(before_headers=True)] * 4)
    number = committed.send(20, concurrency=4)
    until(lambda: len(committed.double.requests) == 8 and statuses(number).count("done") == 4, within_s=120)
    worker.kill_child()  # Celery notices within ten seconds, and gives the message to another
    until(lambda: Batch.objects.filter(pk=number, status="done").exists(), within_s=120)
    assert statuses(number) == ["done"] * 4 + ["unknown"] * 4 + ["done"] * 12
    assert len(committed.double.requests) == 20


def test_a_worker_that_is_told_to_stop_hands_the_rest_to_the_next(
    worker: Worker,
    committed: Sender,  # noqa: F811
    broker: str,
    tmp_path: Path,
) -> None:
    committed.double.will(then=answer(delay_s=0.5))
    number = committed.send(20, concurrency=4)
    until(lambda: committed.double.requests, within_s=120)
    worker.stop()
    assert 0 < statuses(number).count("done") < 20
    assert "unknown" not in statuses(number)
    following = Worker(tmp_path, broker)
    try:
        until(lambda: Batch.objects.filter(pk=number, status="done").exists(), within_s=120)
    finally:
        following.clear_up()
    assert (statuses(number), len(committed.double.requests)) == (["done"] * 20, 20)


def test_a_broker_that_is_away_keeps_the_rows_waiting_and_nobody_else(
    broker: str,
    committed: Sender,  # noqa: F811
    tmp_path: Path,
) -> None:
    real = urlsplit(broker)
    assert real.hostname
    assert real.port
    with Cut(real.hostname, real.port) as wire:
        address = broker.replace(f"{real.hostname}:{real.port}", f"127.0.0.1:{wire.port}")
        messages._sender.cache_clear()
        with override_settings(CELERY_BROKER_URL=address, CELERY_BROKER_TRANSPORT_OPTIONS={}):
            wire.cut()
            begun = time.monotonic()
            number = committed.send(3)
            assert time.monotonic() - begun < 20
            assert Batch.objects.get(pk=number).sent_at is None
            wire.mend()
            assert batches.wake(timezone.now()) == [number]
            running = Worker(tmp_path, broker)
            try:
                until(lambda: Batch.objects.filter(pk=number, status="done").exists(), within_s=120)
            finally:
                running.clear_up()
        messages._sender.cache_clear()
