"""The circuit over two real workers: opens at its threshold, one probe over both, closed soon after the provider is well."""

import time
from collections.abc import Iterator

import pytest

from routing.models import Circuit
from routing.terms.words import CircuitState
from tests.cortex.processes import until
from tests.doubles import script
from tests.faults.test_two_workers import Worker, workers  # noqa: F401
from tests.routing.two_providers import ROOMY, World, two_providers

pytestmark = [pytest.mark.soak, pytest.mark.django_db(transaction=True)]
OPENS_S, HEALS_S = 1.0, 15.0


@pytest.fixture
def world() -> Iterator[World]:
    """The primary is down until it is told otherwise."""
    with two_providers(timeouts=ROOMY) as made:
        made.primary.will(then=script.error(500))
        yield made


def test_it_opens_within_a_second_probes_once_and_heals_within_fifteen(
    world: World,
    workers: tuple[Worker, Worker],  # noqa: F811
) -> None:
    while len(world.primary.requests) < 5:  # failures in a row, of both together
        for worker in workers:
            worker.dispatch()
    reached = time.monotonic()
    until(lambda: Circuit.objects.filter(state=CircuitState.OPEN).exists())
    assert time.monotonic() - reached <= OPENS_S
    for worker in workers:
        until(lambda worker=worker: worker.ask("status")["circuits"])
    asked = len(world.primary.requests)

    world.primary.will(then=script.answer())
    well, told = time.monotonic(), []
    while "one" not in told and time.monotonic() < well + 2 * HEALS_S:
        told += [worker.dispatch()["model"] for worker in workers]
    assert time.monotonic() - well <= HEALS_S
    assert told.count("one") == len(world.primary.requests) - asked == 1, "one probe, of one of the two"
    for worker in workers:
        until(lambda worker=worker: worker.dispatch()["model"] == "one")
    assert Circuit.objects.get().state == CircuitState.CLOSED
