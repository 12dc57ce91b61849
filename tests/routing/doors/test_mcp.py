"""The official MCP client against /mcp: an agent hands work over, looks at the routing, and says how it turned out."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult

from routing import clients, drain, sessions, snapshot
from routing.audit import SYSTEM
from routing.models import Call, Label
from routing.policy.pins import scope_of
from routing.terms.candidate import Pin
from routing.terms.ids import item_of
from routing.terms.request import Ask
from routing.terms.words import Role, Scope
from tests.routing.seeded import seeded  # noqa: F401

KEY_HEADERS = {
    "X-Cortex-Key": lambda key: {"X-Cortex-Key": key},
    "Authorization": lambda key: {"Authorization": f"Bearer {key}"},
    "x-api-key": lambda key: {"x-api-key": key},
}
# What a client that speaks the protocol by hand must send.
BY_HAND = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-06-18"}


def speak(url: str, headers: dict[str, str], talk: Callable[[Client], Awaitable[Any]], mode: str = "auto") -> Any:
    """What a talk with the server at `url` brings."""

    async def run() -> Any:
        async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
            transport = streamable_http_client(f"{url}/mcp", http_client=http)
            async with Client(transport, mode=mode) as client:
                return await talk(client)

    return asyncio.run(run())


@pytest.fixture
def call(address: str, seeded: str) -> Callable[..., CallToolResult]:  # noqa: F811
    """Calls one tool by a key with all scopes."""

    def of(tool: str, **arguments: Any) -> CallToolResult:
        return speak(address, {"X-Cortex-Key": seeded}, lambda client: client.call_tool(tool, arguments))

    return of


@pytest.mark.parametrize("header", KEY_HEADERS)
def test_the_tools_are_listed_to_a_key_in_any_header(address, seeded, header):  # noqa: F811
    listed = speak(address, KEY_HEADERS[header](seeded), lambda client: client.list_tools())

    assert [tool.name for tool in listed.tools] == ["dispatch", "explain_route", "status", "record_verdict"]
    assert "code_generation" in listed.tools[0].description
    assert listed.tools[0].input_schema["required"] == ["prompt"]


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_an_agent_of_either_age_of_the_protocol_is_served(address, seeded, mode):  # noqa: F811
    asked = {"task_type": "code_generation", "prompt": "Write a parser."}
    answer = speak(address, {"X-Cortex-Key": seeded}, lambda client: client.call_tool("dispatch", asked), mode)

    assert answer.content[0].text.startswith("[simulated]")


def test_a_dispatch_brings_the_answer_and_is_written_down(call):
    answer = call("dispatch", task_type="code_generation", prompt="Write.", session="s-1", metadata={"pr": "12"})
    assert drain.flush()

    told = answer.structured_content
    assert answer.content[0].text == told["output"]
    assert (told["provider"], told["model"], told["simulated"]) == ("anthropic", "sonnet", True)
    row = Call.objects.get(id=told["request_id"])
    assert (row.wire, row.session, row.task_type, row.metadata) == ("mcp", "s-1", "code_generation", {"pr": "12"})


def test_a_route_is_explained_without_a_call(call):
    plan = call("explain_route", task_type="code_generation").structured_content
    assert drain.flush()

    assert (plan["candidates"][0]["provider"], plan["candidates"][0]["model"]) == ("anthropic", "sonnet")
    assert not Call.objects.exists()


def test_a_sessions_route_is_explained_as_its_next_call_would_go(call):
    begun = Pin("openai:codex", Role.PRIMARY)  # as the route was when the session began; it says sonnet now
    ask = Ask("code_generation", client="ci")
    sessions.begin(item_of("code_generation", "ci", "s-1"), scope_of(ask), begun, datetime.now(UTC))
    for session, first in (("s-1", "codex"), ("s-2", "sonnet")):
        plan = call("explain_route", task_type="code_generation", session=session).structured_content
        assert plan["candidates"][0]["model"] == first


@pytest.mark.django_db(transaction=True)  # asked in a thread of its own
def test_the_status_is_told(call):
    state = call("status").structured_content
    assert {"anthropic", "openai"} <= {each["provider"] for each in state["providers"]}


@pytest.mark.django_db(transaction=True)  # asked in a thread of its own
def test_a_verdict_is_kept(call):
    told = call("dispatch", task_type="code_generation", prompt="Write.").structured_content
    assert drain.flush()
    answer = call("record_verdict", request_id=told["request_id"], verdict="bad", source="ci", comment="2 tests fail")

    assert answer.content[0].text == "1 work item judged bad."
    assert list(Label.objects.values_list("verdict", "source", "comment")) == [("bad", "ci", "2 tests fail")]


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("dispatch", {"task_type": "code_genration", "prompt": "x"}, "Nearest: code_generation"),
        ("dispatch", {"task_type": "zzz", "prompt": "x"}, "Name one of: "),
        (
            "dispatch",
            {"prompt": "x", "task_type": "code_generation", "override": "gpt-0"},
            "There is no model 'gpt-0'.",
        ),
        ("dispatch", {"task_type": "embeddings", "prompt": "x"}, "name one that answers in words"),
        ("dispatch", {"task_type": "code_generation"}, "prompt: Field required"),
        ("dispatch", {"prompt": "x", "model": "opus"}, "model: Extra inputs are not permitted"),
        ("dispatch", {"prompt": "a\0b"}, "prompt: Value error, must hold neither NUL"),
        ("record_verdict", {"verdict": "good", "source": "ci"}, "exactly one of request_id, session and metadata"),
        ("record_verdict", {"verdict": "good", "source": "ci", "request_id": "none"}, "There is no call that matches."),
        ("record_verdict", {"verdict": "fine", "source": "ci", "session": "s"}, "verdict: Input should be 'good' or"),
        ("reboot", {}, "There are: dispatch, explain_route, status, record_verdict."),
    ],
)
def test_what_goes_wrong_is_told_to_the_model_that_called(call, tool, arguments, says):
    answer = call(tool, **arguments)
    assert answer.is_error
    assert says in answer.content[0].text


def test_a_key_sees_and_does_only_what_its_scopes_allow(address, seeded):  # noqa: F811
    reader = clients.create_key("reader", by=SYSTEM, scopes=(Scope.READ,)).key
    snapshot.load_now()

    async def talk(client: Client) -> Any:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        return tools, await client.call_tool("dispatch", {"task_type": "code_generation", "prompt": "x"})

    tools, answer = speak(address, {"X-Cortex-Key": reader}, talk)
    assert tools == ["explain_route", "status"]
    assert answer.is_error
    assert "lacks the scope 'dispatch'" in answer.content[0].text


@pytest.mark.django_db(transaction=True)  # asked in a thread of its own
def test_a_key_judges_the_calls_of_its_own_client_alone(address, call):
    told = call("dispatch", task_type="code_generation", prompt="Write.").structured_content
    assert drain.flush()
    other = clients.create_key("other", by=SYSTEM, scopes=(Scope.VERDICT,)).key
    snapshot.load_now()
    verdict = {"request_id": told["request_id"], "verdict": "bad", "source": "ci"}
    answer = speak(address, {"X-Cortex-Key": other}, lambda client: client.call_tool("record_verdict", verdict))

    assert answer.is_error
    assert not Label.objects.exists()


@pytest.mark.parametrize(
    ("method", "headers", "body", "status"),
    [
        ("POST", {}, b"{}", 401),
        ("POST", {"X-Cortex-Key": "ck_no"}, b"{}", 401),
        ("POST", None, b"{", 400),
        ("POST", None, b"[]", 400),
        ("POST", None, b"{}", 400),
        ("GET", None, b"", 405),
        ("DELETE", None, b"", 405),
    ],
)
def test_what_is_no_message_is_refused_with_words(address, seeded, method, headers, body, status):  # noqa: F811
    known = {"X-Cortex-Key": seeded} if headers is None else headers
    sent = {**BY_HAND, "Content-Type": "application/json", **known}
    answer = httpx2.request(method, f"{address}/mcp", headers=sent, content=body, timeout=60)

    assert answer.status_code == status
    assert answer.json()["error"]["message"]
