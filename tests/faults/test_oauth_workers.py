"""Two workers of one Cortex and one OAuth credential: one of them asks the token server, both call with what it gives."""

import signal
import urllib.error
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from routing import changes, clients
from routing.audit import SYSTEM
from routing.terms.words import Scope
from tests import doubles
from tests.cortex.processes import Managed, until
from tests.doubles import Double
from tests.doubles.script import error
from tests.doubles.tokens import CLIENT_ID, CLIENT_SECRET, TokenServer, token_server
from tests.faults.test_two_workers import Worker, ready

pytestmark = pytest.mark.django_db(transaction=True)

WITHIN_S = 40  # the contract says 2 s; a busy test machine gets more
REFUSED = error(401, "authentication_error", "token_expired", "The token has expired.")
TIMEOUTS = {"connect_s": 5, "first_token_s": 20, "idle_s": 20, "total_s": 30}


@pytest.fixture
def provider() -> Iterator[Double]:
    with doubles.serve_in_thread() as made:
        yield made


@pytest.fixture
def server(provider: Double) -> Iterator[TokenServer]:
    with token_server() as made:
        oauth = {"token_url": made.url, "client_id": CLIENT_ID}
        way = {"kind": "oauth", "oauth": oauth, "secret": made.sign_in(), "client_secret": CLIENT_SECRET}
        document = {
            "providers": [{"slug": "far", "kind": "openai_compatible", "base_url": provider.openai}],
            "credentials": [{"provider": "far", "name": "main", **way}],
            "models": [{"provider": "far", "slug": "one", "upstream_id": "one"}],
            "task_types": [{"slug": "talk", "name": "Talk"}],
            "routes": [{"task_type": "talk", "steps": ["far:one"], "timeouts": TIMEOUTS}],
        }
        changes.publish(document, by=SYSTEM, reason="a test", source="load")
        yield made


@pytest.fixture
def workers(server: TokenServer, tmp_path: Path) -> Iterator[tuple[Worker, Worker]]:
    """Both log at DEBUG into `tmp_path`, where their spool is too."""
    connection.ensure_connection()
    info = connection.connection.info
    key = clients.create_key("ops", scopes=list(Scope), by=SYSTEM).key
    env: dict[str, str | None] = {
        "CORTEX_DATA_DIR": str(tmp_path),
        "DATABASE_URL": f"postgresql://{info.user}@/{info.dbname}?host={info.host}&port={info.port}",
        "CORTEX_ALLOW_PRIVATE_UPSTREAMS": "*",
        "CORTEX_LOG_LEVEL": "DEBUG",
    }
    arguments = ("serve", "--bind", "127.0.0.1:0", "--workers", "1")
    served = [Managed(*arguments, output=tmp_path / name, env=env) for name in ("a", "b")]
    try:
        a, b = (Worker(until(lambda one=one: one.said("Serving on"), 60).split()[2], key) for one in served)
        for worker in (a, b):
            until(lambda worker=worker: ready(worker), 60)
        yield a, b
        for one in served:
            one.tell(signal.SIGTERM)
        assert [one.exit_code() for one in served] == [0, 0]
    finally:
        for one in served:
            one.clear_up()


def way(worker: Worker) -> Any:
    return worker.ask("status")["providers"][0]["credentials"][0]


def status_of(worker: Worker) -> int:
    """The HTTP status of one dispatch."""
    try:
        worker.dispatch()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code
    return 200


def calls_with(worker: Worker, provider: Double, token: str) -> bool:
    return status_of(worker) == 200 and provider.requests[-1].headers["authorization"] == f"Bearer {token}"


def test_a_token_is_asked_for_once_reaches_both_is_renewed_once_after_a_401_and_is_nowhere_to_be_read(
    provider: Double, server: TokenServer, workers: tuple[Worker, Worker], tmp_path: Path
) -> None:
    for worker in workers:
        until(lambda worker=worker: way(worker)["ready"], WITHIN_S)
        assert calls_with(worker, provider, server.issued[0])
    assert len(server.requests) == 1

    server.gate.clear()  # the new token comes when both have been refused the old one
    provider.will(REFUSED, REFUSED)
    with ThreadPoolExecutor(2) as pool:
        assert set(pool.map(status_of, workers)) <= {502, 503}  # 503: the other's 401 was known before this one began
    provider.script.clear()
    server.gate.set()
    for worker in workers:
        until(
            lambda worker=worker: len(server.issued) == 2 and calls_with(worker, provider, server.issued[1]), WITHIN_S
        )
    assert len(server.requests) == 2

    provider.will(REFUSED)  # the new token as well: no third one would help
    assert status_of(workers[0]) == 502
    for worker in workers:
        until(lambda worker=worker: "401" in (way(worker)["reason"] or ""), WITHIN_S)
        assert way(worker)["until"] is None
    told = workers[1].ask("boot")
    assert [(each["provider"], each["ready"]) for each in told["credentials"]] == [("far", False)]
    assert [alert["kind"] for alert in told["alerts"]] == ["credential"]
    assert len(server.requests) == 2

    seen = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()) + rows()
    assert b"far" in seen
    assert b"canary" not in seen
    assert b"canary".hex().encode() not in seen


def rows() -> bytes:
    """Every row of every table, as text; bytes in hex."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = [name for (name,) in cursor.fetchall()]
        found = []
        for table in tables:
            cursor.execute(f'SELECT t::text FROM "{table}" AS t')
            found += [text for (text,) in cursor.fetchall()]
    return "\n".join(found).encode()
