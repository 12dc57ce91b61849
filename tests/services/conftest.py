"""The services of the machine, as CORTEX_TEST_* name them. Who runs these tests has them: a missing one fails, it is not skipped."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connection
from kombu import Connection

from tests.cortex.processes import Managed, until

BROKERS = {"redis": "CORTEX_TEST_REDIS_URL", "rabbitmq": "CORTEX_TEST_AMQP_URL"}
Up = Callable[[str], Managed]


@pytest.fixture(params=BROKERS)
def broker(request: pytest.FixtureRequest) -> Iterator[str]:
    """The broker's address, its queue empty before and after."""
    url = os.environ.get(name := BROKERS[request.param])
    assert url, f"{name} names no service: `make services` wants e.g. {name}=redis://127.0.0.1:6379/9"
    _empty(url)
    yield url
    _empty(url)


def _empty(url: str) -> None:
    with Connection(url) as link:
        queue = link.SimpleQueue("celery")
        queue.clear()
        queue.close()


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    """`up` on the tests' database and a broker: called with the broker's address, returns when it says that it serves."""
    connection.ensure_connection()
    info = connection.connection.info
    started: list[Managed] = []

    def start(broker: str) -> Managed:
        env = {
            "CORTEX_DATA_DIR": str(tmp_path),
            "DATABASE_URL": f"postgresql://{info.user}@/{info.dbname}?host={info.host}&port={info.port}",
            "CELERY_BROKER_URL": broker,
        }
        arguments = ("up", "--bind", "127.0.0.1:0", "--workers", "1")
        started.append(Managed(*arguments, output=tmp_path / f"output{len(started)}", env=env))
        until(lambda: started[-1].said("Ctrl-C stops everything."), within_s=120)
        return started[-1]

    yield start
    for each in started:
        each.clear_up()
