"""A client's limit holds over all workers: of a rush exactly as many calls are served as a minute may have."""

import asyncio
import signal
import time
from collections import Counter

import pytest
from django.db import connection

from routing import clients, document, limits, snapshot
from routing.audit import SYSTEM
from routing.clients import Caller
from routing.dispatch import Refused
from routing.dispatch.limits import let_in
from routing.models import LimitPool
from routing.terms.request import Ask
from tests.cortex.processes import Managed, until
from tests.faults.cut import to_postgres
from tests.promises.test_overload import Load, assert_shed

pytestmark = pytest.mark.django_db(transaction=True)


def test_calls_that_come_at_once_wait_for_their_workers_part_and_the_whole_limit_is_served() -> None:
    clients.create_key("ci", by=SYSTEM)
    caller = Caller("ci", "ck_test", frozenset(), requests_per_minute=30)
    snapshot.start_background()

    async def one() -> int:
        try:
            await let_in(caller, Ask("talk"))
        except Refused as refused:
            return refused.status
        return 200

    async def rush() -> list[int]:
        return await asyncio.gather(*(one() for _ in range(50)))

    assert Counter(asyncio.run(rush())) == {200: 30, 429: 20}
    limits.exchange(time.time())
    assert sum(LimitPool.objects.get().slots.values()) == 30


@pytest.mark.soak
@pytest.mark.parametrize("away", [False, True], ids=["", "and PostgreSQL goes away"])
def test_two_workers_serve_sixty_of_a_rush_of_two_hundred(tmp_path, away: bool) -> None:
    """Without PostgreSQL each keeps to what it last knew: an even share beyond what had been dealt out."""
    document.load_seed()
    document.apply_environment()
    key = clients.create_key("ci", by=SYSTEM).key
    clients.save_client("ci", {"requests_per_minute": 60}, by=SYSTEM)
    connection.ensure_connection()
    wire, url = to_postgres(connection.connection.info)
    env: dict[str, str | None] = {"CORTEX_DATA_DIR": str(tmp_path), "DATABASE_URL": url, "CORTEX_TRIAL": "1"}
    with wire:
        served = Managed("serve", "--bind", "127.0.0.1:0", "--workers", "2", output=tmp_path / "out", env=env)
        try:
            url = until(lambda: served.said("Serving on"), 120).split()[2]

            async def rush() -> tuple[list[tuple[int, dict[str, str]]], int]:
                dealt = 0
                async with Load(url, key) as load:
                    first = [await load.call("classification", wire=bool(n % 2)) for n in range(10)]
                    if away:
                        wire.cut()
                        dealt = await asyncio.to_thread(dealt_out)
                    rest = await asyncio.gather(*(load.call("classification", wire=bool(n % 2)) for n in range(190)))
                    return [*first, *rest], dealt

            ended, dealt = asyncio.run(rush())
        finally:
            served.tell(signal.SIGTERM)
            served.exit_code()
            served.clear_up()
    statuses = assert_shed(ended)
    assert set(statuses) == {200, 429}
    assert statuses[200] <= (max(dealt, 30) + 30 if away else 60)
    assert statuses[200] >= (30 if away else 58)


def dealt_out() -> int:
    """What has been used, and what the workers may use unasked."""
    try:
        pool = LimitPool.objects.get()
        return sum(pool.slots.values()) + sum(units for units, *_ in pool.holds.values())
    finally:
        connection.close()  # the thread's own
