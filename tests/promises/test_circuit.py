"""The circuit over two real workers: opens at its threshold, one probe over both, closed soon after the provider is well."""

import signal
import time

import pytest
from django.db import connection

from routing import clients
from routing.audit import SYSTEM
from routing.models import Circuit
from routing.terms.words import CircuitState, Scope
from tests.cortex.processes import Managed, until
from tests.doubles import script
from tests.faults.test_two_workers import Worker, ready
from tests.routing.two_providers import ROOMY, two_providers

HEALS_S = 15.0


@pytest.mark.soak
@pytest.mark.django_db(transaction=True)
def test_it_opens_within_a_second_probes_once_and_heals_within_fifteen(tmp_path) -> None:
    with two_providers(timeouts=ROOMY) as world:
        world.primary.will(then=script.error(500))
        connection.ensure_connection()
        info = connection.connection.info
        key = clients.create_key("ops", scopes=list(Scope), by=SYSTEM).key
        env: dict[str, str | None] = {
            "CORTEX_DATA_DIR": str(tmp_path),
            "DATABASE_URL": f"postgresql://{info.user}@/{info.dbname}?host={info.host}&port={info.port}",
            "CORTEX_ALLOW_PRIVATE_UPSTREAMS": "*",
        }
        arguments = ("serve", "--bind", "127.0.0.1:0", "--workers", "1")
        served = [Managed(*arguments, output=tmp_path / name, env=env) for name in ("a", "b")]
        try:
            both = [Worker(until(lambda one=one: one.said("Serving on")).split()[2], key) for one in served]
            for worker in both:
                until(lambda worker=worker: ready(worker), 120)

            while len(world.primary.requests) < 5:  # failures in a row, of both together
                for worker in both:
                    worker.dispatch()
            reached = time.monotonic()
            until(lambda: Circuit.objects.filter(state=CircuitState.OPEN).exists())
            assert time.monotonic() - reached <= 1.0
            for worker in both:
                until(lambda worker=worker: worker.ask("status")["circuits"])
            opened_at = len(world.primary.requests)

            world.primary.will(then=script.answer())
            begun = time.monotonic()
            told = [worker.dispatch()["model"] for worker in both]
            while "one" not in told and time.monotonic() < begun + 2 * HEALS_S:
                told += [worker.dispatch()["model"] for worker in both]
            assert time.monotonic() - begun <= HEALS_S
            assert told.count("one") == len(world.primary.requests) - opened_at == 1, "one probe, of one of the two"
            for worker in both:
                until(lambda worker=worker: worker.dispatch()["model"] == "one")
            assert Circuit.objects.get().state == CircuitState.CLOSED
        finally:
            for one in served:
                one.tell(signal.SIGTERM)
            for one in served:
                one.exit_code()
                one.clear_up()
