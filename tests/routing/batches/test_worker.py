"""A real worker of Celery on the filesystem broker, killed in the middle: what it was calling is unknown, and nothing is called twice."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from cortex.supervisor import end_with_parent
from routing import batches
from routing.batches import messages
from routing.models import Batch, BatchItem, Call
from tests.cortex.processes import ROOT, descendants, until
from tests.doubles.script import answer, stalls
from tests.routing.batches.conftest import ITEM, Sender

CANARY = "canary-77b1"


class Worker:
    """`celery worker` with one child, on a data dir of its own and the tests' database."""

    def __init__(self, data: Path, broker: str = "") -> None:
        connection.ensure_connection()
        info = connection.connection.info
        self.said = data / f"worker-{len(list(data.glob('worker-*')))}"
        with self.said.open("w") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "cortex.celery", "worker", "--concurrency", "1", "-l", "INFO"],
                cwd=ROOT,
                env={
                    **os.environ,
                    "CORTEX_DATA_DIR": str(data),
                    "DATABASE_URL": f"postgresql://{info.user}@/{info.dbname}?host={info.host}&port={info.port}",
                    "CELERY_BROKER_URL": broker,
                    "CORTEX_LOG_LEVEL": "DEBUG",
                    "PYTHONWARNINGS": "ignore",  # Celery's, of a worker that runs as root
                },
                stdout=said,
                stderr=subprocess.STDOUT,
                preexec_fn=end_with_parent,
            )

    def kill_child(self) -> None:
        for child in descendants(self.process.pid):
            os.kill(child, signal.SIGKILL)

    def kill(self) -> None:
        children = descendants(self.process.pid)
        for each in (self.process.pid, *children):
            os.kill(each, signal.SIGKILL)
        self.process.wait(30)

    def stop(self) -> None:
        """As a supervisor does."""
        self.process.terminate()
        assert self.process.wait(60) == 0, self.said.read_text()

    def clear_up(self) -> None:
        if self.process.poll() is None:
            self.kill()


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data dir whose broker this process sends to as well."""
    folders = {"data_folder_in": "messages", "data_folder_out": "messages", "control_folder": "control"}
    options = {name: str(tmp_path / "broker" / folder) for name, folder in folders.items()}
    for folder in options.values():
        Path(folder).mkdir(parents=True, exist_ok=True)
    messages._sender.cache_clear()
    with override_settings(CELERY_BROKER_TRANSPORT_OPTIONS=options):
        yield tmp_path
    messages._sender.cache_clear()


def statuses(number: int) -> list[str]:
    return list(BatchItem.objects.filter(batch=number).values_list("status", flat=True))


def test_kill_9_of_a_worker_in_the_middle_makes_no_call_twice_and_tells_what_is_unknown(
    committed: Sender, data: Path
) -> None:
    committed.double.will(*[answer()] * 4, *[stalls(before_headers=True)] * 4)
    items = [ITEM | {"prompt": f"{CANARY} {n:02}"} for n in range(20)]
    number, workers = committed.send(items, concurrency=4), [Worker(data)]
    try:
        until(lambda: len(committed.double.requests) == 8 and statuses(number).count("done") == 4, within_s=120)
        workers[0].kill()  # the message is gone with it
        workers.append(Worker(data))
        assert batches.wake(timezone.now()) == [number], "the minute's watch finds it"
        until(lambda: Batch.objects.filter(pk=number, status="done").exists(), within_s=120)
        workers[1].stop()
    finally:
        for worker in workers:
            worker.clear_up()
    assert statuses(number) == ["done"] * 4 + ["unknown"] * 4 + ["done"] * 12
    assert committed.prompts() == [f"{CANARY} {n:02}" for n in range(20)], "each was asked once"
    assert committed.double.busiest == 4
    lost = set(BatchItem.objects.filter(status="unknown").values_list("call_id", flat=True))
    assert set(Call.objects.filter(status="unknown").values_list("id", flat=True)) == lost, "each has its row"
    assert Call.objects.filter(status="ok").count() == 16
    files = [path for path in data.rglob("*") if path.is_file()]
    assert workers[0].said in files
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []
