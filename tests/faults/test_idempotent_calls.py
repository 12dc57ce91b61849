"""One Idempotency-Key, one provider call, whatever dies: workers under kill -9, PostgreSQL away on one host and on several."""

import http.client
import json
import os
import signal
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection

from routing import clients
from routing.audit import SYSTEM
from routing.models import IdempotencyClaim
from tests.cortex.processes import Managed, until
from tests.doubles import Double, script
from tests.faults.cut import Cut, to_postgres
from tests.routing.doors.asking import DOORS, Client, Heard
from tests.routing.two_providers import World, two_providers

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def served(folder: Path, url: str, workers: int = 1, **env: str) -> Iterator[tuple[Managed, Client]]:
    """`manage.py serve`, and a client of it."""
    key = clients.create_key("ci", by=SYSTEM).key
    variables = {"CORTEX_DATA_DIR": str(folder), "DATABASE_URL": url, "CORTEX_ALLOW_PRIVATE_UPSTREAMS": "*", **env}
    arguments = ("serve", "--bind", "127.0.0.1:0", "--workers", str(workers))
    process = Managed(*arguments, output=folder / "output", env=dict(variables))
    try:
        yield process, Client(until(lambda: process.said("Serving on")).split()[2], key)
    finally:
        process.clear_up()


def here() -> str:
    """The test database, as a server of its own is told of it."""
    connection.ensure_connection()
    info = connection.connection.info
    return f"postgresql://{info.user}@/{info.dbname}?host={info.host}&port={info.port}"


def kill_workers(process: Managed) -> None:
    for pid in process.family() - {process.process.pid}:
        os.kill(pid, signal.SIGKILL)


def answered(ask: Callable[[], Heard], within_s: float = 120) -> Heard:
    """The first answer that does not say to come back, from whatever worker lives."""

    def settled() -> Heard | None:
        try:
            heard = ask()
        except (OSError, http.client.HTTPException):
            return None
        return None if "retry-after" in heard.headers else heard

    deadline = time.monotonic() + within_s
    while (heard := settled()) is None:
        assert time.monotonic() < deadline, "asked in vain"
        time.sleep(0.3)  # as a client does that was told to come back
    return heard


def once_each(tmp_path: Path, keys: int, duplicates: int, kills: int) -> None:
    """`keys` calls of each door in turn, each asked for by so many at once until it is answered, while all workers are killed now and then."""
    doors = list(DOORS)
    heard: dict[int, list[Heard]] = {number: [] for number in range(keys)}
    with (
        two_providers() as world,
        served(tmp_path, here(), workers=2) as (process, ci),
        ThreadPoolExecutor(8 * duplicates) as pool,
    ):
        # A call for each crash to find, and all others that are under way at that moment.
        world.primary.will(*[script.stalls(before_headers=True)] * kills, then=script.answer(delay_s=0.2))

        def ask(number: int) -> None:
            door = doors[number % len(doors)]
            path, body = DOORS[door]
            said = f"prompt {number}"
            field = {"native": {"prompt": said}, "responses": {"input": said}}
            more = field.get(door) or {"messages": [{"role": "user", "content": said}]}
            streams = {"stream": True} if number % 2 else {}
            heard[number].append(answered(lambda: ci.post(path, {**body, **more, **streams}, f"k-{number}")))

        asking = [pool.submit(ask, number) for number in range(keys) for _ in range(duplicates)]
        for kill in range(kills):
            enough = max(kills, (kill + 1) * keys // (kills + 2))
            until(lambda enough=enough: len(world.primary.requests) >= enough, 120)
            kill_workers(process)
        for each in asking:
            each.result()
        seen = Counter(said_in(each.raw) for each in world.primary.requests)
        assert not world.fallback.requests

    statuses = {number: {each.status for each in answers} for number, answers in heard.items()}
    lost = {number for number, codes in statuses.items() if codes == {409}}
    assert max(seen.values()) == 1
    assert all(codes in ({200}, {409}, {200, 409}) for codes in statuses.values()), statuses
    for number in range(keys):
        codes = {each.code for each in heard[number] if each.status == 409}
        assert codes <= {"outcome_unknown"}
        assert number in lost or seen[number] == 1
        assert len({each.content for each in heard[number] if each.status == 200}) <= 1
    assert kills <= len(lost) < keys


def said_in(raw: bytes) -> int:
    return int(raw.partition(b"prompt ")[2].partition(b'"')[0])


def test_twelve_keys_by_four_at_once_and_a_crash_are_twelve_calls_at_most(tmp_path: Path) -> None:
    once_each(tmp_path, keys=12, duplicates=4, kills=1)


@pytest.mark.soak
def test_fifty_keys_by_eight_at_once_and_three_crashes_are_fifty_calls_at_most(tmp_path: Path) -> None:
    once_each(tmp_path, keys=50, duplicates=8, kills=3)


@pytest.fixture
def world() -> Iterator[World]:
    with two_providers() as made:
        yield made


@pytest.fixture
def wire() -> Iterator[tuple[Cut, str]]:
    connection.ensure_connection()
    cut, url = to_postgres(connection.connection.info)
    with cut:
        yield cut, url


def test_after_a_crash_nobody_knows_and_everybody_is_told(world: World, tmp_path: Path) -> None:
    with served(tmp_path, here()) as (process, ci), ThreadPoolExecutor() as pool:
        asked = {door: pool.submit(lost, world.primary, ci, door) for door in DOORS}
        until(lambda: len(world.primary.requests) == len(DOORS))
        kill_workers(process)
        for door, each in asked.items():
            each.result()
            for _ in range(2):
                heard = answered(lambda door=door: ci.ask(door, door))
                assert (heard.status, heard.code) == (409, "outcome_unknown")
                assert heard.headers["x-should-retry"] == "false"
                assert heard.headers["x-cortex-request-id"] in heard.content.decode()
            assert ci.ask(door, door, {"temperature": 0.5}).status == 422
        assert len(world.primary.requests) == len(DOORS)
        told = until(lambda: status_of(ci, heard.headers["x-cortex-request-id"]))
        assert told == "unknown"


def lost(double: Double, ci: Client, door: str) -> None:
    """Ask for what is never answered."""
    double.will(then=script.stalls(before_headers=True))
    with pytest.raises((OSError, http.client.HTTPException)):
        ci.ask(door, door)


def status_of(ci: Client, call: str) -> str | None:
    request = urllib.request.Request(f"{ci.url}api/v1/calls/{call}", headers={"X-Cortex-Key": ci.key})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return str(json.load(answer)["status"])
    except OSError:
        return None


def test_with_postgresql_away_one_host_still_makes_each_call_once(
    world: World, wire: tuple[Cut, str], tmp_path: Path
) -> None:
    cut, url = wire
    double = world.primary
    with served(tmp_path, url) as (_, ci), ThreadPoolExecutor() as pool:
        before = answered(lambda: ci.ask("chat", "before"))
        cut.cut()
        unknown = ci.ask("chat", "before")
        assert (unknown.status, unknown.code) == (503, "claims_unavailable")
        assert int(unknown.headers["retry-after"]) >= 1
        during = {door: ci.ask(door, door, {"stream": True}) for door in DOORS}
        for door, heard in during.items():
            again = ci.ask(door, door, {"stream": True})
            assert (heard.status, again.content, again.is_replayed) == (200, heard.content, True)
            assert ci.ask(door, door).status == 422
        double.will(script.answer(delay_s=1.5))
        slow = pool.submit(ci.ask, "chat", "slow")
        until(lambda: len(double.requests) == 6)
        assert ci.ask("chat", "slow").code == "call_in_progress"
        assert slow.result().status == 200
        assert not IdempotencyClaim.objects.exclude(idempotency_key="before").exists()

        cut.mend()
        assert answered(lambda: ci.ask("chat", "before")).content == before.content
        for door, heard in during.items():
            assert ci.ask(door, door, {"stream": True}).content == heard.content
        assert answered(lambda: ci.ask("chat", "slow")).content == slow.result().content
        assert len(double.requests) == 6

        until(lambda: answered(lambda: ci.ask("chat", f"after-{time.monotonic()}")).status == 200)
        until(lambda: not list((tmp_path / "claims" / "apart").iterdir()))
        kept = IdempotencyClaim.objects.filter(idempotency_key__in=[*DOORS, "before", "slow"])
        assert {each.state for each in kept} == {"done"}
        assert kept.count() == 6


@pytest.mark.soak
def test_a_crash_while_postgresql_is_away_is_known_when_it_is_back(
    world: World, wire: tuple[Cut, str], tmp_path: Path
) -> None:
    cut, url = wire
    with served(tmp_path, url) as (process, ci), ThreadPoolExecutor() as pool:
        assert answered(lambda: ci.ask("chat", "before")).status == 200
        cut.cut()
        asked = pool.submit(lost, world.primary, ci, "chat")
        until(lambda: len(world.primary.requests) == 2)
        kill_workers(process)
        asked.result()
        cut.mend()
        heard = answered(lambda: ci.ask("chat", "chat"))
        assert (heard.status, heard.code, len(world.primary.requests)) == (409, "outcome_unknown", 2)
        assert until(lambda: IdempotencyClaim.objects.filter(idempotency_key="chat").first()).state == "unknown"


def test_with_postgresql_away_several_hosts_make_no_call_of_a_key(
    world: World, wire: tuple[Cut, str], tmp_path: Path
) -> None:
    cut, url = wire
    double = world.primary
    with served(tmp_path, url, CORTEX_SINGLE_HOST="false") as (_, ci), ThreadPoolExecutor() as pool:
        assert answered(lambda: ci.ask("chat", "before")).status == 200
        double.will(script.answer(delay_s=1.5))
        slow = pool.submit(ci.ask, "messages", "slow")
        until(lambda: len(double.requests) == 2)
        cut.cut()
        for door in DOORS:
            for _ in range(2):
                refused = ci.ask(door, door)
                assert (refused.status, refused.code) == (503, "claims_unavailable"), door
                assert int(refused.headers["retry-after"]) >= 1
            assert ci.ask(door, None).status == 200
        assert slow.result().status == 200
        assert len(double.requests) == 2 + len(DOORS)

        cut.mend()
        again = answered(lambda: ci.ask("messages", "slow"))
        assert (again.content, again.is_replayed) == (slow.result().content, True)
        for door in DOORS:
            assert answered(lambda door=door: ci.ask(door, door)).status == 200
        assert len(double.requests) == 2 + 2 * len(DOORS)
        assert not (tmp_path / "claims" / "taken").exists()
