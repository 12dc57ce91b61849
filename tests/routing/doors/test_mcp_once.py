"""One idempotency key, one call, over MCP: as an argument of the tool that dispatches, or as the header of its request."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from mcp_types import CallToolResult

from routing import clients, drain, recorder, snapshot
from routing.audit import SYSTEM
from routing.models import Call, IdempotencyClaim
from routing.terms.words import Scope
from tests import doubles
from tests.cortex.processes import until
from tests.doubles import Double, script
from tests.routing.doors.test_mcp import BY_HAND, speak
from tests.routing.two_providers import ANTHROPIC, OPENAI, SHORT, publish

pytestmark = pytest.mark.django_db(transaction=True)
ASKED = {"task_type": "talk", "prompt": "Say it."}


class Agent:
    def __init__(self, url: str, key: str) -> None:
        self.url, self.key = url, key

    def call(self, tool: str = "dispatch", **arguments: Any) -> CallToolResult:
        return speak(self.url, {"X-Cortex-Key": self.key}, lambda client: client.call_tool(tool, ASKED | arguments))

    def once(self, word: str = "k-1", **arguments: Any) -> CallToolResult:
        return self.call(idempotency_key=word, **arguments)

    def post(self, *, headers: dict[str, str], timeout: float = 60, **arguments: Any) -> httpx2.Response:
        """The same by hand, as one request."""
        asked = {"name": "dispatch", "arguments": ASKED | arguments}
        message = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": asked}
        sent = {**BY_HAND, "X-Cortex-Key": self.key, **headers}
        return httpx2.post(f"{self.url}/mcp", headers=sent, json=message, timeout=timeout)


@pytest.fixture
def agent(settings, tmp_path, address: str) -> Iterator[Agent]:
    settings.DATA_DIR = tmp_path
    recorder.close()
    yield Agent(address, clients.create_key("ci", by=SYSTEM, scopes=tuple(Scope)).key)
    recorder.close()


@pytest.fixture
def provider() -> Iterator[Double]:
    with doubles.serve_in_thread() as one, doubles.serve_in_thread() as two:
        publish([(ANTHROPIC, one.url), (OPENAI, two.url)], steps=["first:one"], timeouts=SHORT)
        snapshot.load_now()
        yield one


def code(answer: CallToolResult) -> str:
    assert answer.is_error
    assert answer.structured_content is not None
    return str(answer.structured_content["error"]["code"])


def is_replayed(answer: CallToolResult) -> bool:
    return bool((answer.meta or {}).get("idempotent_replayed"))


def test_the_same_work_again_brings_the_same_answer_and_no_second_call(agent: Agent, provider: Double) -> None:
    provider.will(script.answer("Once."), script.answer("Twice."))
    first, *again = (agent.once() for _ in range(3))
    assert (first.content[0].text, is_replayed(first)) == ("Once.", False)
    for each in again:
        assert (each.content, each.structured_content) == (first.content, first.structured_content)
        assert is_replayed(each)
    assert len(provider.requests) == 1
    assert drain.flush()
    assert str(Call.objects.get().id) == first.structured_content["request_id"]


def test_the_key_is_told_to_agents_as_an_argument(agent: Agent, provider: Double) -> None:
    listed = speak(agent.url, {"X-Cortex-Key": agent.key}, lambda client: client.list_tools())
    told = listed.tools[0].input_schema["properties"]["idempotency_key"]
    assert "the same answer" in told["description"]
    assert "idempotency_key" not in listed.tools[0].input_schema["required"]


def test_other_work_under_the_same_key_is_refused(agent: Agent, provider: Double) -> None:
    agent.once()
    assert code(agent.once(prompt="Say more.")) == "idempotency_key_reused"
    assert not agent.once("k-2").is_error
    assert len(provider.requests) == 2


def test_while_the_call_runs_the_agent_is_told_to_come_back(agent: Agent, provider: Double) -> None:
    publish([(ANTHROPIC, provider.url), (OPENAI, "http://127.0.0.1:1")], steps=["first:one"])
    snapshot.load_now()
    provider.will(script.answer("Once.", delay_s=1.5))
    with ThreadPoolExecutor() as pool:
        asking = pool.submit(agent.once)
        until(lambda: provider.requests)
        meanwhile = agent.once()
        first = asking.result()
    assert code(meanwhile) == "call_in_progress"
    assert "Try again in 1 s." in meanwhile.content[0].text
    assert agent.once().content == first.content
    assert len(provider.requests) == 1


def test_a_header_is_a_key_too_and_what_is_replayed_says_so_there(agent: Agent, provider: Double) -> None:
    header = {"Idempotency-Key": "h-1"}
    first, again, other = (agent.post(headers=header, **more) for more in ({}, {}, {"prompt": "Say more."}))
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json()["result"]["structuredContent"] == first.json()["result"]["structuredContent"]
    assert other.json()["result"]["structuredContent"]["error"]["code"] == "idempotency_key_reused"
    assert len(provider.requests) == 1
    by_argument = agent.post(headers=header, idempotency_key="a-1")  # the agent's own word goes before the program's
    assert "idempotent-replayed" not in by_argument.headers
    assert len(provider.requests) == 2


def test_a_header_says_nothing_to_the_tools_that_only_look(agent: Agent, provider: Double) -> None:
    def look(client: Any) -> Any:
        return client.call_tool("explain_route", {"task_type": "talk"})

    for _ in range(2):
        assert not speak(agent.url, {"X-Cortex-Key": agent.key, "Idempotency-Key": "h-1"}, look).is_error
    assert not IdempotencyClaim.objects.exists()


def test_a_word_that_is_no_key_is_refused(agent: Agent, provider: Double) -> None:
    for word in ("", "two words", "x" * 256, "ä"):
        assert code(agent.once(word)) == "invalid_arguments"
    refused = agent.post(headers={"Idempotency-Key": "two words"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_idempotency_key")
    assert provider.requests == []


def test_what_nobody_worked_for_leaves_the_key_free(agent: Agent, provider: Double) -> None:
    assert code(agent.once(task_type="nothing like it")) == "unknown_task_type"
    assert code(agent.once(model="opus")) == "invalid_arguments"
    provider.will(script.rate_limited("1"), then=script.answer("Once."))
    assert agent.once().is_error
    assert not IdempotencyClaim.objects.exists()


def test_a_failure_that_a_provider_may_want_money_for_is_replayed(agent: Agent, provider: Double) -> None:
    provider.will(script.malformed())
    first, again = agent.once(), agent.once()
    assert first.is_error
    assert again.structured_content == first.structured_content
    assert is_replayed(again)
    assert len(provider.requests) == 1


def test_an_agent_that_goes_away_finds_its_answer_when_it_comes_back(agent: Agent, provider: Double) -> None:
    publish([(ANTHROPIC, provider.url), (OPENAI, "http://127.0.0.1:1")], steps=["first:one"])
    snapshot.load_now()
    provider.will(script.answer("Once.", delay_s=1.0))
    with pytest.raises(httpx2.TimeoutException):
        agent.post(headers={}, timeout=0.4, idempotency_key="k-1")
    until(lambda: IdempotencyClaim.objects.filter(state="done").exists())
    assert agent.once().content[0].text == "Once."
    assert (len(provider.requests), provider.cancelled) == (1, 0)


def test_another_clients_same_key_is_another_call(agent: Agent, provider: Double) -> None:
    other = Agent(agent.url, clients.create_key("other", by=SYSTEM, scopes=tuple(Scope)).key)
    snapshot.load_now()
    assert not any(is_replayed(each.once()) for each in (agent, other))
    assert len(provider.requests) == 2


def test_what_is_kept_holds_no_word_of_it(agent: Agent, provider: Double) -> None:
    provider.will(script.answer("canary-answer"))
    agent.once(prompt="canary-prompt")
    kept = IdempotencyClaim.objects.get()
    assert kept.replay
    told = json.dumps([kept.body_mac, kept.idempotency_key]).encode() + bytes(kept.replay)
    assert b"canary" not in told
