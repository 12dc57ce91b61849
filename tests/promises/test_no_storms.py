"""No storms: when everybody is down, Cortex does not multiply the load, and asks nobody twice."""

import asyncio

import pytest

from routing import circuits, snapshot
from routing.dispatch import Refused, Result, dispatch
from routing.policy.circuit import Circuit
from routing.policy.table import Route
from routing.providers.registry import close_all
from routing.terms.fault import Fault
from routing.terms.request import Ask
from routing.terms.words import ErrorKind
from tests.doubles import script
from tests.promises.pacing import paced
from tests.routing.dispatching import World, world
from tests.routing.policy.worlds import steps, table
from tests.routing.two_providers import CALLER, REQUEST, WAYS, raw, two_providers


def all_down(calls: int, wire: str, *, threaded: bool) -> None:
    """Both providers answer 500, at 100 calls a second."""
    request = REQUEST if not wire else REQUEST.__class__(REQUEST.messages, max_tokens=1, raw=raw(wire))

    async def one() -> Result | Refused:
        try:
            return await dispatch(Ask("talk"), request, CALLER)
        except Refused as refused:
            return refused

    async def run() -> list[Result | Refused]:
        try:
            return await paced(one, calls, 100)
        finally:
            await close_all()

    kinds = next(way[:2] for way in WAYS.values() if way[2] == wire)
    with two_providers(kinds=kinds, wire=wire, cooldown_s=30) as there:
        for each in (there.primary, there.fallback):
            each.will(then=script.error(500))
        snapshot.start_background() if threaded else snapshot.load_now()
        ended = asyncio.run(run())
        upstream = len(there.primary.requests) + len(there.fallback.requests)
        snapshot.stop_background()
    assert upstream <= 1.25 * calls
    assert upstream >= 10, "each circuit takes five to open"
    refused = [each for each in ended if isinstance(each, Refused)]
    assert len(refused) == calls
    assert {each.status for each in refused} <= {502, 503}
    tried = [[attempt.provider for attempt in each.attempts] for each in refused]
    assert all(len(set(each)) == len(each) for each in tried), "nobody twice in a call"
    assert sum(map(len, tried)) == upstream
    assert all(each.retry_after_s for each in refused if each.status == 503)


@pytest.mark.django_db
@pytest.mark.parametrize("wire", ["", "openai_chat"], ids=["SDK", "relay"])
def test_all_providers_answering_500_get_no_more_than_a_quarter_on_top(wire: str) -> None:
    all_down(100, wire, threaded=False)


@pytest.mark.soak
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("wire", ["", "anthropic", "openai_chat", "openai_responses"])
def test_all_providers_answering_500_for_half_a_minute(wire: str) -> None:
    all_down(3000, wire, threaded=True)


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> World:
    made = world(monkeypatch)
    made.know(table(Route("vibe_coding", steps("codex sonnet local"))))
    return made


SERVED = [("openai", "codex"), ("anthropic", "sonnet"), ("ollama", "local")]


async def flapping(there: World, calls: int) -> list[Result | Refused]:
    """Calls while every circuit stays closed, as when a model answers every now and then: only the retry budget is left."""
    ended: list[Result | Refused] = []
    for _ in range(calls):
        for served, circuit in list(circuits._shared.circuits.items()):
            circuits._shared.circuits[served] = Circuit(failures=min(circuit.failures, 1))
        circuits._shared.version += 1
        try:
            ended.append(await there.dispatch())
        except Refused as refused:
            ended.append(refused)
    return ended


async def test_where_no_circuit_opens_failing_fallbacks_are_a_fifth_of_the_calls_and_ten(there: World) -> None:
    for model in ("gpt-codex", "claude-sonnet", "qwen"):
        there.adapter.script[model] = Fault(ErrorKind.SERVER, "down", http_status=500)
    ended = await flapping(there, 302)  # a fifth of 300 is 60: the next one is let in at 305
    assert len(there.adapter.called) <= 302 * 1.2 + 10
    last = ended[-1]
    assert isinstance(last, Refused)
    assert [each.model for each in last.attempts] == ["codex"]
    left_out = {each["model"]: each["reason"] for each in last.details["skipped"]}
    assert left_out == {"sonnet": "retry_budget", "local": "retry_budget"}
    assert "sonnet failed last time, and too many fallbacks of the last seconds have failed" in last.message


async def test_nobody_misses_a_fallback_that_answers(there: World) -> None:
    """Two of three models are down; the last one serves every call."""
    for model in ("gpt-codex", "claude-sonnet"):
        there.adapter.script[model] = Fault(ErrorKind.SERVER, "down", http_status=500)
    ended = await flapping(there, 300)
    assert [each.model for each in ended if isinstance(each, Result)] == ["local"] * 300
    assert there.adapter.called.count("claude-sonnet") <= 300 * 0.2 + 10 + 1
