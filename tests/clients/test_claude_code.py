"""Claude Code, as its vendor publishes it, against Cortex: served by its own vendor's wire, and by another's."""

import json
import shlex
from typing import Any

import pytest

from tests.clients.conftest import Cli, Served, exported
from tests.clients.searched import found_in_database, found_in_files
from tests.doubles import Act, script
from tests.routing.two_providers import ANTHROPIC, OPENAI, UPSTREAM

pytestmark = [pytest.mark.soak, pytest.mark.django_db(transaction=True)]
SERVED_BY = {"by its own wire": (ANTHROPIC, OPENAI), "by another's": (OPENAI, ANTHROPIC)}
CANARY = "canary-4711-of-the-client"
ASK = ("--model", "task:talk", "-p")
JSON = ("--output-format", "json")
# Of one connection, or ours: all other headers go on as they came.
OURS = {"host", "connection", "content-length", "accept-encoding", "x-cortex-key"}


@pytest.fixture
def claude(cli) -> Cli:
    return cli("@anthropic-ai/claude-code/cli-wrapper.cjs")


@pytest.fixture(params=SERVED_BY.values(), ids=SERVED_BY)
def served(request, serve) -> Served:
    return serve(request.param)


def reads(path: object) -> Act:
    """The model wants to see a file."""
    return script.answer("", tool_calls=(("Read", {"file_path": str(path)}),), finish="tool_calls")


def as_connect_says(served: Served) -> dict[str, str]:
    return exported(served.pasted("claude-code", "shell"))


def beside(served: Served, **credential: str) -> dict[str, str]:
    """A credential of its own beside the key, as Connect says."""
    return exported(served.pasted("claude-code", "shell", beside=True)) | credential


def test_it_prints_the_answer_and_counts_what_it_cost(served: Served, claude: Cli) -> None:
    served.world.primary.will(script.answer("Hello, you.", read=100, cached=60, written=20))
    told = json.loads(claude.run(*ASK, "Say hi", *JSON, env=as_connect_says(served)).out)

    assert (told["subtype"], told["is_error"], told["result"], told["stop_reason"], told["num_turns"]) == (
        *("success", False, "Hello, you.", "end_turn"),
        1,
    )
    assert {name: told["usage"][name] for name in ("input_tokens", "cache_read_input_tokens", "output_tokens")} == {
        "input_tokens": 40,
        "cache_read_input_tokens": 60,
        "output_tokens": 20,
    }
    assert told["total_cost_usd"] > 0
    assert 0 < told["ttft_ms"] <= told["duration_ms"]
    (call,) = served.calls(1)
    assert (call.session, call.wire, call.requested_model, call.status) == (
        *(told["session_id"], "anthropic", "task:talk"),
        "ok",
    )
    assert (call.input_tokens, call.output_tokens, call.stream) == (100, 20, True)
    assert call.ttft_ms is not None
    assert not served.world.fallback.requests


def test_it_knocks_first_and_tells_what_it_can_read(served: Served, claude: Cli) -> None:
    claude.run(*ASK, "Say hi", env=as_connect_says(served))
    knock, asked = served.sent()

    assert (knock.method, knock.path) == ("HEAD", "/")
    assert asked.path == "/v1/messages?beta=true"
    assert "gzip" in asked.headers["accept-encoding"]
    assert len(asked.headers["anthropic-beta"].split(",")) > 4
    assert json.loads(asked.body)["stream"] is True


def test_its_tools_are_called_and_their_results_come_back(served: Served, claude: Cli) -> None:
    note = claude.work / "note.txt"
    note.write_text("The word is marzipan.")
    served.world.primary.will(reads(note), script.answer("It says marzipan."))
    ran = claude.run(*ASK, "What does note.txt say?", env=as_connect_says(served))

    assert ran.out == "It says marzipan.\n"
    first, second = served.world.primary.bodies
    assert "marzipan" not in json.dumps(first)
    assert "The word is marzipan." in json.dumps(second["messages"][-1])
    calls = served.calls(2)
    assert len({call.session for call in calls}) == len({call.item_id for call in calls}) == 1
    assert [call.served_model for call in calls] == ["first:one"] * 2


def test_a_failing_provider_is_not_noticed_and_the_session_goes_on(served: Served, claude: Cli) -> None:
    note = claude.work / "note.txt"
    note.write_text("The word is marzipan.")
    served.world.primary.will(reads(note), script.error(529))
    served.world.fallback.will(script.answer("It says marzipan."))
    ran = claude.run(*ASK, "What does note.txt say?", env=as_connect_says(served))

    assert ran.out == "It says marzipan.\n"
    assert "The word is marzipan." in json.dumps(served.world.fallback.bodies[0]["messages"][-1])
    before, after = served.calls(2)
    assert (before.served_model, after.served_model, after.used_fallback) == ("first:one", "second:two", True)


def test_its_own_credential_goes_to_its_vendor_as_it_was_sent_and_nowhere_else(serve, claude: Cli) -> None:
    served = serve((ANTHROPIC, OPENAI))
    note = claude.work / "note.txt"
    note.write_text("The word is marzipan.")
    served.world.primary.will(reads(note), script.answer("It says marzipan."))
    claude.run(*ASK, "What does note.txt say?", env=beside(served, ANTHROPIC_AUTH_TOKEN=CANARY))

    _, *sent = served.sent()
    assert len(sent) == len(served.world.primary.requests) == 2
    for told, seen in zip(sent, served.world.primary.requests, strict=True):
        assert told.headers["authorization"] == f"Bearer {CANARY}"
        assert rest(seen.headers) == rest(told.headers)
        assert seen.path == told.path
        assert seen.raw == told.body.replace(b'"task:talk"', json.dumps(UPSTREAM[ANTHROPIC]).encode(), 1)
    served.calls(2)
    assert served.attempts() == [("first", "ok", "caller")] * 2
    nowhere(CANARY, served)
    nowhere("marzipan", served)


def test_an_api_key_of_its_own_is_relayed_too(serve, claude: Cli) -> None:
    served = serve((ANTHROPIC, OPENAI), script.error(429, message=f"slow down, {CANARY}"))
    claude.run(*ASK, "Say hi", env=beside(served, ANTHROPIC_API_KEY=CANARY))

    assert served.world.primary.requests[0].headers["x-api-key"] == CANARY
    served.calls(1)
    assert served.attempts() == [("first", "error", "caller"), ("second", "ok", "api_key")]
    assert not any(CANARY in str(seen) for seen in served.world.fallback.requests)
    nowhere(CANARY, served)


def test_a_session_stays_with_the_model_that_it_drew(serve, claude: Cli) -> None:
    served = serve((ANTHROPIC, OPENAI), explores=0.5)
    note = claude.work / "note.txt"
    note.write_text("The word is marzipan.")
    for double in (served.world.primary, served.world.fallback):
        double.will(*[reads(note)] * 3, script.answer("Done."), *[reads(note)] * 3, then=script.answer("Done."))
    for _ in range(2):
        claude.run(*ASK, "Read note.txt three times.", env=as_connect_says(served))

    served_by: dict[str, set[str]] = {}
    for call in served.calls(8):
        assert call.shares
        served_by.setdefault(call.session, set()).add(call.served_model)
    assert [len(models) for models in served_by.values()] == [1, 1]


def test_it_delegates_over_mcp_as_connect_says(serve, claude: Cli) -> None:
    served = serve((ANTHROPIC, OPENAI))
    work = {"task_type": "talk", "prompt": "A word for marchpane."}
    served.world.primary.will(
        script.answer("", tool_calls=(("mcp__cortex__dispatch", work),), finish="tool_calls"),
        script.answer("Marzipan, that is."),
        script.answer("It is marzipan."),
    )
    _, *words = shlex.split(served.pasted("mcp", "Claude Code"))
    claude.run(*words)
    assert "Connected" in claude.run("mcp", "list").out
    allowed = ("--allowedTools", "mcp__cortex__dispatch")
    ran = claude.run(*ASK, "Delegate.", *allowed, env=as_connect_says(served))

    assert ran.out == "It is marzipan.\n"
    assert [call.wire for call in served.calls(3)] == ["anthropic", "mcp", "anthropic"]
    assert "Marzipan, that is." in json.dumps(served.world.primary.bodies[2]["messages"][-1])


def rest(headers: dict[str, str]) -> dict[str, Any]:
    return {name: value for name, value in headers.items() if name not in OURS}


def nowhere(text: str, served: Served) -> None:
    assert found_in_files(text, served.folder, served.log) == []
    assert found_in_database(text) == []
