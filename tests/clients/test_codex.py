"""Codex CLI, as its vendor publishes it, against Cortex: served by its own vendor's wire, and by another's."""

import json

import pytest

from tests.clients.conftest import Cli, Served
from tests.clients.test_claude_code import CANARY, nowhere, rest
from tests.doubles import Act, script
from tests.routing.two_providers import ANTHROPIC, OPENAI, UPSTREAM

pytestmark = [pytest.mark.soak, pytest.mark.django_db(transaction=True)]
SERVED_BY = {"by its own wire": (OPENAI, ANTHROPIC), "by another's": (ANTHROPIC, OPENAI)}
# Its sandbox wants user namespaces, which a container may not have; the folder is the test's own.
# With it the search that it offers is a live one, which its own vendor alone has: a route then skips everybody else.
EXEC = ("exec", "--skip-git-repo-check", "-s", "danger-full-access", "-c", 'web_search="disabled"')


@pytest.fixture
def codex(cli) -> Cli:
    return cli("@openai/codex/bin/codex.js")


@pytest.fixture(params=SERVED_BY.values(), ids=SERVED_BY)
def served(request, serve) -> Served:
    return serve(request.param)


def configure(codex: Cli, served: Served, more: str = "") -> None:
    """As the Connect page says, key and all; `more` is added at its end, which is the provider's own part."""
    folder = codex.home / ".codex"
    folder.mkdir()
    (folder / "config.toml").write_text(served.pasted("codex", "~/.codex/config.toml") + f"\n{more}\n")
    codex.env["CORTEX_KEY"] = served.key


def runs(command: str) -> Act:
    """The model wants a command to be run."""
    return script.answer("", tool_calls=(("exec_command", {"cmd": command}),), finish="tool_calls")


def test_it_prints_the_answer_and_counts_what_it_cost(served: Served, codex: Cli) -> None:
    configure(codex, served)
    served.world.primary.will(script.answer("Hello, you.", read=100, cached=60, written=20))
    lines = [json.loads(line) for line in codex.run(*EXEC, "--json", "Say hi").out.splitlines()]

    said = [line["item"]["text"] for line in lines if line["type"] == "item.completed" and "text" in line["item"]]
    assert said == ["Hello, you."]
    usage = next(line["usage"] for line in lines if line["type"] == "turn.completed")
    assert (usage["input_tokens"], usage["cached_input_tokens"], usage["output_tokens"]) == (100, 60, 20)
    (call,) = served.calls(1)
    thread = next(line["thread_id"] for line in lines if line["type"] == "thread.started")
    assert (call.session, call.wire, call.status) == (thread, "openai_responses", "ok")
    assert (call.input_tokens, call.output_tokens, call.stream) == (100, 20, True)
    assert not served.world.fallback.requests


def test_its_tools_are_called_and_their_results_come_back(served: Served, codex: Cli) -> None:
    configure(codex, served)
    (codex.work / "note.txt").write_text("The word is marzipan.")
    served.world.primary.will(runs("cat note.txt"), script.answer("It says marzipan."))
    ran = codex.run(*EXEC, "What does note.txt say?")

    assert ran.out == "It says marzipan.\n"
    first, second = served.world.primary.bodies
    assert "marzipan" not in json.dumps(first)
    assert "The word is marzipan." in json.dumps(second)
    calls = served.calls(2)
    assert len({call.session for call in calls}) == len({call.item_id for call in calls}) == 1
    assert [call.served_model for call in calls] == ["first:one"] * 2


def test_a_failing_provider_is_not_noticed_and_the_session_goes_on(served: Served, codex: Cli) -> None:
    configure(codex, served)
    (codex.work / "note.txt").write_text("The word is marzipan.")
    served.world.primary.will(runs("cat note.txt"), script.error(503))
    served.world.fallback.will(script.answer("It says marzipan."))
    ran = codex.run(*EXEC, "What does note.txt say?")

    assert ran.out == "It says marzipan.\n"
    assert "The word is marzipan." in json.dumps(served.world.fallback.bodies[0])
    before, after = served.calls(2)
    assert (before.served_model, after.served_model, after.used_fallback) == ("first:one", "second:two", True)


def test_its_own_credential_goes_to_its_vendor_as_it_was_sent_and_nowhere_else(serve, codex: Cli) -> None:
    served = serve((OPENAI, ANTHROPIC))
    configure(codex, served, f'http_headers = {{ "X-Cortex-Key" = "{served.key}", "X-New-Thing" = "as it is" }}')
    (codex.work / "note.txt").write_text("The word is marzipan.")
    served.world.primary.will(runs("cat note.txt"), script.answer("It says marzipan."))
    codex.run(*EXEC, "What does note.txt say?", env={"CORTEX_KEY": CANARY})

    sent = [each for each in served.sent() if each.method == "POST"]
    assert len(sent) == len(served.world.primary.requests) == 2
    for told, seen in zip(sent, served.world.primary.requests, strict=True):
        assert told.headers["authorization"] == f"Bearer {CANARY}"
        assert told.headers["x-new-thing"] == "as it is"
        assert rest(seen.headers) == rest(told.headers)
        assert seen.path == told.path
        assert seen.raw == told.body.replace(b'"task:talk"', json.dumps(UPSTREAM[OPENAI]).encode(), 1)
    served.calls(2)
    assert served.attempts() == [("first", "ok", "caller")] * 2
    nowhere(CANARY, served)
    nowhere("marzipan", served)


def test_when_its_own_credential_is_refused_the_next_step_serves_with_ours(serve, codex: Cli) -> None:
    served = serve((OPENAI, ANTHROPIC), script.error(401, message=f"bad token {CANARY}"))
    configure(codex, served, f'http_headers = {{ "X-Cortex-Key" = "{served.key}" }}')
    codex.run(*EXEC, "Say hi", env={"CORTEX_KEY": CANARY})

    served.calls(1)
    assert served.attempts() == [("first", "error", "caller"), ("second", "ok", "api_key")]
    assert not any(CANARY in str(seen) for seen in served.world.fallback.requests)
    nowhere(CANARY, served)


def test_a_session_stays_with_the_model_that_it_drew(serve, codex: Cli) -> None:
    served = serve((OPENAI, ANTHROPIC), explores=0.5)
    configure(codex, served)
    for double in (served.world.primary, served.world.fallback):
        double.will(*[runs("true")] * 3, script.answer("Done."), *[runs("true")] * 3, then=script.answer("Done."))
    for _ in range(2):
        codex.run(*EXEC, "Do nothing three times.")

    served_by: dict[str, set[str]] = {}
    for call in served.calls(8):
        assert call.shares
        served_by.setdefault(call.session, set()).add(call.served_model)
    assert [len(models) for models in served_by.values()] == [1, 1]


def test_it_delegates_over_mcp_as_connect_says(served: Served, codex: Cli) -> None:
    configure(codex, served, served.pasted("mcp", "~/.codex/config.toml"))
    work = {"task_type": "talk", "prompt": "A word for marchpane."}
    # The chat of other wires knows no namespaces: there the tool's name holds its own.
    call = ("mcp__cortex/dispatch" if served.kind is OPENAI else "mcp__cortex__dispatch", work)
    served.world.primary.will(
        script.answer("", tool_calls=(call,), finish="tool_calls"),
        script.answer("Marzipan, that is."),
        script.answer("It is marzipan."),
    )
    ran = codex.run(*EXEC, "Delegate.")

    assert ran.out == "It is marzipan.\n"
    assert [call.wire for call in served.calls(3)] == ["openai_responses", "mcp", "openai_responses"]
    assert "Marzipan, that is." in json.dumps(served.world.primary.bodies[2])
