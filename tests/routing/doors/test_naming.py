"""What the model that a client names means, and what is written of it."""

import json
from collections.abc import Iterator

import pytest

from routing import recorder, snapshot
from routing.doors import naming
from routing.models import Client, ModelMapping, TaskType
from routing.terms.record import Intent
from routing.terms.words import ClientMode
from tests.cortex.test_asgi import Exchange
from tests.routing.seeded import seeded  # noqa: F401

HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture
def ci(seeded: str, settings, tmp_path) -> Iterator[str]:  # noqa: F811
    """The key; the client maps Claude's names to code generation. What it calls is written to a spool of its own."""
    settings.DATA_DIR = tmp_path
    recorder.close()
    client = Client.objects.get(slug="ci")
    ModelMapping.objects.create(
        client=client, requested="claude-sonnet-*", task_type=TaskType.objects.get(slug="code_generation")
    )
    snapshot.load_now()
    yield seeded
    recorder.close()


@pytest.fixture
def observing(ci: str) -> str:
    Client.objects.filter(slug="ci").update(mode=ClientMode.OBSERVE)
    snapshot.load_now()
    return ci


@pytest.fixture
def with_default(ci: str) -> str:
    Client.objects.filter(slug="ci").update(default_task_type=TaskType.objects.get(slug="quick_capture"))
    snapshot.load_now()
    return ci


async def ask(key: str, model: str, **headers: str) -> Exchange:
    body = json.dumps({"model": model, "messages": HELLO}).encode()
    pairs = [(b"authorization", f"Bearer {key}".encode())]
    pairs += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return await Exchange("POST", "/v1/chat/completions", body, pairs).run()


def told(exchange: Exchange) -> dict[str, str]:
    assert exchange.status == 200, exchange.content
    return {name.decode(): value.decode() for name, value in exchange.sent[0]["headers"]}


async def test_no_wish_that_fills_memory_is_remembered(ci: str) -> None:
    """A task's name is one however many dashes are in it, so a client could have each spelling kept."""
    for dashes in (1, 1_000, 60_000):
        found = told(await ask(ci, "auto", x_cortex_task=f"code{'-' * dashes}generation"))
        assert "code_generation" in found["x-cortex-reason"]
    kept = [word for words in snapshot.current().memo for word in (words if isinstance(words, tuple) else ())]
    assert all(len(word) <= naming.NAME_CHARS for word in kept if isinstance(word, str))


MANY = 10_000
UNKNOWN = {
    "/v1/chat/completions": {"messages": HELLO, **{f"field_{number}": 1 for number in range(MANY)}},
    "/v1/messages": {"messages": HELLO, "max_tokens": 9, **{f"field_{number}": 1 for number in range(MANY)}},
    "/v1/responses": {"input": [*HELLO, *({"type": f"item_{number}"} for number in range(MANY))]},
}


@pytest.mark.parametrize("path", UNKNOWN)
async def test_of_thousands_of_fields_that_nobody_knows_a_few_are_told(ci: str, path: str) -> None:
    """Each is a need, told for each model that lacks it and kept with the plan: 4 MB of them took 187 MB and 2.3 s."""
    body = json.dumps({"model": "task:coding", **UNKNOWN[path]}).encode()
    found = await Exchange("POST", path, body, [(b"x-cortex-key", ci.encode())]).run()
    assert found.status in (200, 422)
    assert len(found.content) < len(body)
    assert all(len(each) < 100 for key in snapshot.current().plans for each in key[0] if isinstance(each, frozenset))


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Intent]:
    """The intents of the calls that were made."""
    intents: list[Intent] = []
    start = recorder.start
    monkeypatch.setattr(recorder, "start", lambda intent: (intents.append(intent), start(intent)))
    return intents


@pytest.mark.parametrize(
    ("model", "headers", "task_type", "role", "served"),
    [
        ("task:vibe_coding", {}, "vibe_coding", "primary", "codex"),
        ("task:coding", {}, "vibe_coding", "primary", "codex"),  # an alias
        ("claude-sonnet-5-5", {}, "code_generation", "primary", "sonnet"),  # the client's mapping
        ("haiku", {}, "", "observed", "haiku"),  # nothing maps it: served as asked
        ("haiku", {"x_cortex_task": "vibe_coding"}, "vibe_coding", "primary", "codex"),
        ("task:vibe_coding", {"x_cortex_override": "opus"}, "vibe_coding", "override", "opus"),
    ],
)
async def test_in_route_mode_the_mapping_decides(ci, written, model, headers, task_type, role, served):
    assert told(await ask(ci, model, **headers))["x-cortex-model"] == served
    intent = written[0]
    assert (intent.task_type, intent.role, intent.requested_model) == (task_type, role, model)
    assert intent.wire == "openai_chat"


async def test_in_observe_mode_the_model_that_is_asked_for_serves_and_what_routing_would_have_done_is_kept(
    observing, written
):
    upstream = snapshot.fresh().table.models["anthropic:haiku"].upstream_id
    assert told(await ask(observing, upstream, x_cortex_task="vibe_coding"))["x-cortex-model"] == "haiku"
    intent = written[0]
    assert (intent.role, intent.propensity, intent.would_route) == ("observed", None, "openai:codex")
    assert (intent.task_type, intent.candidates) == ("vibe_coding", ("anthropic:haiku",))


async def test_auto_is_the_clients_default_task_type(with_default):
    assert told(await ask(with_default, "auto"))["x-cortex-model"] == "haiku"


async def test_auto_without_a_default_is_refused(ci):
    assert (await ask(ci, "auto")).status == 422


@pytest.mark.parametrize("header", ["x-cortex-session", "x-claude-code-session-id", "session-id", "thread-id"])
async def test_a_session_is_read_from_where_the_client_carries_it(ci, written, header):
    await ask(ci, "task:vibe_coding", **{header.replace("-", "_"): "s-4711"})
    assert written[0].session == "s-4711"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b'{"model": NaN}',
        b"[" * 100_000,
        b"\xff\xfe",
        b"{}",
        b'{"model": "auto", "messages": 7, "input": 7}',
    ],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages"])
async def test_whatever_comes_in_is_told_in_json_and_never_500(ci, path, raw):
    exchange = await Exchange("POST", path, raw, [(b"x-api-key", ci.encode())]).run()
    assert exchange.status == 400, exchange.content
    assert isinstance(json.loads(exchange.content), dict)


async def test_characters_that_no_row_holds_are_carried_all_the_same(ci):
    body = json.dumps({"model": "task:vibe_coding", "messages": [{"role": "user", "content": "\ud800\0"}]}).encode()
    told(await Exchange("POST", "/v1/chat/completions", body, [(b"x-api-key", ci.encode())]).run())


async def test_a_wire_takes_only_its_method(ci):
    assert (await Exchange("GET", "/v1/messages").run()).status == 405


async def test_what_a_name_of_any_length_means_is_not_remembered(ci):
    known = snapshot.fresh()
    told(await ask(ci, "claude-sonnet-5-5"))
    before = dict(known.memo)
    told(await ask(ci, "claude-sonnet-" + "5" * 1_000_000))
    assert [key for key in known.memo if key not in before] == []
