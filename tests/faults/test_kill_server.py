"""kill -9 of web workers under load, over HTTP: whatever id a client was given has its row."""

import http.client
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from django.db import connection

from routing import clients, document, drain, recorder
from routing.audit import SYSTEM
from routing.models import Attempt, Call
from tests.cortex.processes import Managed, until
from tests.routing.seeded import load_seed

pytestmark = pytest.mark.django_db(transaction=True)


class Load:
    """Clients that dispatch one call after another, and keep the ids that they were given."""

    def __init__(self, url: str, key: str, clients: int) -> None:
        self.answered: list[UUID] = []
        self.failed: list[str] = []
        self._address, self._key, self._stop = urlsplit(url).netloc, key, threading.Event()
        self._threads = [threading.Thread(target=self._dispatch) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _dispatch(self) -> None:
        body = json.dumps({"task_type": "classification", "prompt": "hello"})
        while not self._stop.is_set():
            wire = http.client.HTTPConnection(self._address, timeout=30)
            try:
                wire.request(
                    "POST", "/api/v1/dispatch", body, {"X-Cortex-Key": self._key, "Content-Type": "application/json"}
                )
                answer = wire.getresponse()
                told = json.loads(answer.read())
                if answer.status == 200:
                    self.answered.append(UUID(told["request_id"]))
                else:
                    self.failed.append(f"{answer.status} {told}")
            except (OSError, http.client.HTTPException):
                pass  # the worker was killed: nothing was acknowledged
            finally:
                wire.close()

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Managed, str]]:
    load_seed()
    document.apply_environment()  # without a key every provider is simulated
    connection.ensure_connection()
    info = connection.connection.info

    served = Managed(
        *("serve", "--bind", "127.0.0.1:0", "--workers", "2"),
        output=tmp_path / "output",
        env={
            "CORTEX_DATA_DIR": str(tmp_path),
            "DATABASE_URL": f"postgresql://{info.user}@/{info.dbname}?host={info.host}&port={info.port}",
            "CORTEX_TRIAL": "1",
        },
    )
    yield served, until(lambda: served.said("Serving on")).split()[2]
    served.clear_up()


def killed(server: tuple[Managed, str], kills: int, folder: Path) -> None:
    process, url = server
    load = Load(url, clients.create_key("load", by=SYSTEM).key, clients=4)
    try:
        for _ in range(kills):
            enough = len(load.answered) + 30
            until(lambda enough=enough: len(load.answered) >= enough or load.failed, within_s=60)
            assert load.failed == []
            victims = [pid for pid in process.family() if pid != process.process.pid]
            os.kill(victims[0], signal.SIGKILL)
    finally:
        load.end()
    process.tell(signal.SIGTERM)
    assert process.exit_code() == 0
    assert load.failed == []
    assert len(load.answered) == len(set(load.answered))
    # The last kill may have left nobody who drains: the next start would, as we do here.
    with drain.held_lock(folder) as lock:
        assert lock is not None
        drain.drain_folder(folder)
    rows = dict(Call.objects.values_list("id", "status"))
    assert {rows.get(call) for call in load.answered} == {"ok"}
    assert (
        len(rows) - len(load.answered) <= 4 * kills
    )  # those under way when their worker died: recorded, not acknowledged
    assert Attempt.objects.values("call_id").distinct().count() == len(rows)


def test_three_kills_lose_no_acknowledged_call(server: tuple[Managed, str], tmp_path: Path) -> None:
    killed(server, 3, tmp_path / "spool" / recorder.folder().name)


@pytest.mark.soak
def test_twenty_kills_lose_no_acknowledged_call(server: tuple[Managed, str], tmp_path: Path) -> None:
    killed(server, 20, tmp_path / "spool" / recorder.folder().name)
