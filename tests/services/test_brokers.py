"""Redis and RabbitMQ as broker: jobs run, one at a time and once a date; and while the broker is away dispatch does not notice."""

import json
import re
import signal
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from celery import Celery

from routing import clients
from routing.audit import SYSTEM
from routing.models import JobRun
from routing.terms.words import JobStatus
from tests.cortex.processes import Managed, until
from tests.faults.cut import Cut
from tests.services.conftest import Up

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]


def send(broker: str, task: str, times: int = 1) -> None:
    with Celery(broker=broker) as app:
        for _ in range(times):
            app.send_task(task)


def done(job: str) -> list[JobRun]:
    return list(JobRun.objects.filter(job=job, status=JobStatus.DONE))


def dispatch(url: str, key: str) -> Any:
    request = urllib.request.Request(
        f"{url}api/v1/dispatch",
        json.dumps({"task_type": "classification", "prompt": "hello"}).encode(),
        {"X-Cortex-Key": key, "Content-Type": "application/json"},
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
        return json.load(answer)


def address(up: Managed) -> str:
    found = re.search(r"Cortex is at (http://\S+)", up.output.read_text())
    assert found
    return found[1]


def test_a_job_that_is_sent_five_times_is_done_once_a_day(broker: str, up: Up) -> None:
    running = up(broker)
    send(broker, "routing.tasks.housekeeping", times=5)
    until(lambda: done("housekeeping"), within_s=60)
    running.tell(signal.SIGTERM)
    assert running.exit_code() == 0
    assert len(done("housekeeping")) == 1


def test_dispatch_does_not_notice_that_the_broker_is_away_and_the_job_runs_when_it_is_back(
    broker: str, up: Up, tmp_path: Path
) -> None:
    real = urlsplit(broker)
    assert real.hostname
    assert real.port
    with Cut(real.hostname, real.port) as wire:
        running = up(broker.replace(f"{real.hostname}:{real.port}", f"127.0.0.1:{wire.port}"))
        url, key = address(running), clients.create_key("load", by=SYSTEM).key
        wire.cut()
        assert [dispatch(url, key)["stop_reason"] for _ in range(20)] == ["end_turn"] * 20
        send(broker, "routing.tasks.housekeeping")
        wire.mend()
        until(lambda: done("housekeeping"), within_s=120)
        assert dispatch(url, key)["stop_reason"] == "end_turn"
        running.tell(signal.SIGTERM)
        assert running.exit_code() == 0
