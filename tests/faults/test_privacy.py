"""A prompt, its answer, and whatever secret a call was made with: none of their bytes is in the database, the data dir, a log line or a metric."""

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from routing import changes, circuits, clients, drain, recorder, snapshot
from routing.audit import SYSTEM
from routing.dispatch import opinion
from routing.models import Attempt, Call
from routing.providers.registry import close_all
from tests.cortex.test_asgi import Exchange
from tests.doubles import Act, script
from tests.faults.life import CHAT_TOO, WAYS, Way
from tests.routing.two_providers import World, two_providers

pytestmark = pytest.mark.django_db

PROMPT, SYSTEM_PROMPT, TOOL = "canary-prompt-4711", "canary-system-4712", "canary-tool-4713"
ANSWER, THOUGHT, ARGUMENT = "canary-answer-4714", "canary-thought-4715", "canary-argument-4716"
CALLERS = "canary-credential-4717"  # a client's own, beside the Cortex key
PROVIDERS = ("sk-first", "sk-second")  # of `two_providers`
CANARIES = (PROMPT, SYSTEM_PROMPT, TOOL, ANSWER, THOUGHT, ARGUMENT, CALLERS, *PROVIDERS)

SAID = {"text": ANSWER, "thinking": THOUGHT, "tool_calls": (("look", {"at": ARGUMENT}),), "finish": "tool_calls"}
QUOTED = (
    f"Invalid value in {PROMPT!r} after {SYSTEM_PROMPT!r}"  # some servers quote in their errors what they were sent
)
ACTS = {
    "answers": script.answer(**SAID),
    "breaks off after some of it": Act(fault="disconnect", after=4, **SAID),
    "stops half-way": Act(fault="cut", after=4, **SAID),
    "ends without an end": Act(fault="no_finish", **SAID),
    "says no JSON": Act(fault="malformed", after=3, **SAID),
    "refuses and quotes": script.error(400, "invalid_request_error", "", QUOTED),
    "quotes in a 401": script.error(401, "authentication_error", "", f"Wrong key, said {PROMPT}"),
    "fails and quotes": script.error(500, "api_error", "", QUOTED),
    "fails in a 200": Act(error=("api_error", "", QUOTED), fault="error"),
}


@pytest.fixture
def world(settings, tmp_path: Path) -> Iterator[World]:
    settings.DATA_DIR = tmp_path
    recorder.close()
    with two_providers() as made:
        ports = [f"127.0.0.1:{double.port}" for double in (made.primary, made.fallback)]
        settings.CALLER_CREDENTIAL_UPSTREAMS = ports
        changes.publish(CHAT_TOO, by=SYSTEM, reason="the other way round", source="load")
        yield made
    recorder.close()
    snapshot.forget()


def body(way: Way) -> bytes:
    """The way's request, with a canary wherever text of a client's goes."""
    tool: dict[str, Any] = {"name": "look", "description": TOOL}
    schema = {"type": "object", "properties": {"at": {"type": "string", "description": TOOL}}}
    said = [{"role": "user", "content": PROMPT}]
    match way.path:
        case "/api/v1/dispatch":
            more: dict[str, Any] = {"prompt": PROMPT, "system": SYSTEM_PROMPT, "tools": [tool | {"parameters": schema}]}
        case "/v1/messages":
            more = {"messages": said, "system": SYSTEM_PROMPT, "tools": [tool | {"input_schema": schema}]}
        case "/v1/responses":
            tools = [tool | {"type": "function", "parameters": schema}]
            more = {"input": PROMPT, "instructions": SYSTEM_PROMPT, "tools": tools}
        case _:
            function = {"type": "function", "function": tool | {"parameters": schema}}
            more = {"messages": [{"role": "system", "content": SYSTEM_PROMPT}, *said], "tools": [function]}
    return json.dumps(way.body | more).encode()


def exchange(way: Way, key: str, *, brings: bool) -> Exchange:
    headers = [(b"x-cortex-key", key.encode()), (b"content-type", b"application/json")]
    headers.append((b"x-cortex-second-opinion", b"true"))
    if brings:
        headers.append((b"authorization", f"Bearer {CALLERS}".encode()))
    return Exchange("POST", way.path, body(way), headers)


async def all_ways(key: str) -> list[Exchange]:
    """Each way once with our credentials and once with the client's own, and once with a client that goes away."""
    try:
        made = [await exchange(way, key, brings=brings).run() for way in WAYS for brings in (False, True)]
        for way in WAYS:
            gone = exchange(way, key, brings=False)
            gone.gone.set()
            await gone.run()
        await opinion.settled()
        return made
    finally:
        await close_all()


def dumped() -> str:
    """Every row of every table as text: what a dump of the database holds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT quote_ident(relname) FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
        )
        names = [name for (name,) in cursor.fetchall()]
        rows: list[str] = []
        for name in names:
            cursor.execute(f"SELECT row::text FROM {name} AS row")
            rows += [row for (row,) in cursor.fetchall()]
    return "\n".join(rows)


def found(text: str, *more: str) -> list[str]:
    """The canaries that stand in the text, as they are or as PostgreSQL writes bytes."""
    return [each for each in (*CANARIES, *more) if each in text or each.encode().hex() in text]


def on_disk(folder: Path) -> str:
    return "\n".join(path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_nothing_of_a_call_is_kept_or_told(
    world: World, act: Act, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    key = clients.create_key("ci", by=SYSTEM).key
    snapshot.load_now()
    caplog.set_level(logging.DEBUG)
    for double in (world.primary, world.fallback):
        double.will(then=act)
    asyncio.run(all_ways(key))
    sent = "\n".join(json.dumps(seen.as_json()) for seen in (*world.primary.requests, *world.fallback.requests))
    assert {PROMPT, SYSTEM_PROMPT, TOOL} <= set(found(sent))  # it really went its way

    assert found(on_disk(tmp_path), key) == []  # the spool, before anything is drained
    circuits.write_pending()
    assert drain.flush()
    assert Call.objects.exists()
    assert Attempt.objects.exists()
    assert found(dumped(), key) == []
    assert found(on_disk(tmp_path), key) == []
    assert found(caplog.text, key) == []
    assert found("".join(capfd.readouterr()), key) == []
    metrics = asyncio.run(Exchange("GET", "/metrics").run())
    assert found(metrics.content.decode(), key) == []
