"""What a stranger or a hurried person may send to /v1 and /mcp: no 5xx, and every error in the shape of its own wire."""

import gzip
import json
import random
import zlib
from typing import Any

import pytest

from tests.hostile.conftest import Api
from tests.hostile.doors import BODIES, MCP, bent, error_of
from tests.hostile.front import KIND, Answer, Request, answers
from tests.hostile.test_api_input import BODIES as NO_BODIES

DOORS = sorted(BODIES)
WRONG: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 10**400, "", "x", "\ud800", "a\0b", [], {}),
    *([None], [[]], [{}], {"type": 1}, {"type": "x"}, {"": {}}, "x" * 10_000),
)
DEEP = "deep"  # where that many objects stand in one another
CODINGS = {
    b"gzip": gzip.compress(b"{}" + b" " * 10_000_000),
    b"deflate": zlib.compress(b"{}"),
    b"br": b"\x8b\x00\x80{}\x03",
    b"zstd": b"\x28\xb5\x2f\xfd\x04\x00\x11\x00\x00{}",
    b"x-gzip": gzip.compress(b"{}"),
    b"gzip, gzip": gzip.compress(gzip.compress(b"{}")),
    b"made-up": b"{}",
}


def post(api: Api, door: str, raw: bytes, *headers: tuple[bytes, bytes]) -> Request:
    return Request("POST", door.encode(), (api.key, KIND, *(MCP if door == "/mcp" else ()), *headers), (raw,))


def is_sound(door: str, answer: Answer, what: str) -> bool:
    """Whether the door took it; refused it has a message in its own shape."""
    # Of the seeds' table nobody embeds until a person switches the local plan on.
    is_served = answer.status < 500 or (door, answer.status) == ("/v1/embeddings", 503)
    assert is_served, f"{door} {what}: {answer.status} {answer.content[:300]!r}"
    assert len(answer.content) < 60_000, f"{door} {what}: the answer repeats what was sent"
    if answer.status >= 400:
        error_of(door, answer)
    return answer.status < 400


def test_every_door_takes_its_rich_body(api: Api) -> None:
    """Else the rest of this file would bend what is refused anyway."""
    for door in DOORS:
        (answer,) = answers([post(api, door, json.dumps(BODIES[door]).encode())])
        assert answer.status == (503 if door == "/v1/embeddings" else 200), (door, answer.content[:300])


@pytest.mark.parametrize("door", DOORS)
def test_a_body_that_is_no_json_is_refused_in_the_wires_own_shape(api: Api, door: str) -> None:
    tried = {name: raw for name, (raw, _) in NO_BODIES.items()} | {
        "nothing": b"",
        "only white": b" \n\t ",
        "two objects": b"{}{}",
        "a BOM alone": b"\xef\xbb\xbf",
        "NaN as a model": b'{"model": NaN}',
        "an open string": b'{"model": "',
        "deep in the middle": b'{"model": ' + b'{"a":[' * 50_000 + b"]}" * 50_000 + b"}",
        "a form": b"model=task%3Acoding&stream=true",
    }
    for name, raw in tried.items():
        (answer,) = answers([post(api, door, raw)])
        assert not is_sound(door, answer, name), name
        assert len(answer.content) < 5_000, f"{door} {name}: the answer repeats what was sent"


@pytest.mark.parametrize("door", DOORS)
def test_a_part_of_the_wrong_kind_is_served_or_refused_with_words(api: Api, door: str) -> None:
    refused = 0
    tried = list(bent(BODIES[door], WRONG))
    requests = [post(api, door, json.dumps(body).encode()) for _, body in tried]
    for (what, _), answer in zip(tried, answers(requests), strict=True):
        refused += not is_sound(door, answer, what)
    assert refused > len(tried) / 4


@pytest.mark.soak
@pytest.mark.parametrize("door", DOORS)
def test_two_wrong_parts_at_once_are_no_worse(api: Api, door: str) -> None:
    chance = random.Random(7)
    once = [body for _, body in bent(BODIES[door], WRONG[:12])]
    for _ in range(40):
        twice = [body for _, body in bent(chance.choice(once), (chance.choice(WRONG),))]
        some = chance.sample(twice, min(40, len(twice)))
        for body, answer in zip(
            some, answers(post(api, door, json.dumps(body).encode()) for body in some), strict=True
        ):
            is_sound(door, answer, repr(body)[:300])


@pytest.mark.parametrize("door", [door for door in DOORS if "count" not in door])  # to count no model is needed
def test_a_stream_that_cannot_begin_is_refused_whole(api: Api, door: str) -> None:
    body = BODIES[door] | {"stream": True, "model": "task:nothing_like_it"}
    if "model" not in BODIES[door]:
        body = BODIES[door] | {"method": "tools/none"}
    (answer,) = answers([post(api, door, json.dumps(body).encode())])
    error_of(door, answer)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("depth", [100, 400, 900, 990])
def test_what_is_nested_just_so_that_it_can_be_read_is_no_defect(api: Api, door: str, depth: int) -> None:
    deep = b'{"a":' * depth + b"1" + b"}" * depth
    for body in (BODIES[door] | {"metadata": DEEP}, BODIES[door] | {"tools": [DEEP]}, _with_tool(door, DEEP)):
        (answer,) = answers([post(api, door, json.dumps(body).encode().replace(b'"deep"', deep))])
        is_sound(door, answer, f"{depth} deep")


def _with_tool(door: str, deep: Any) -> dict[str, Any]:
    """A tool whose schema is that deep, as the wire writes it."""
    schema = {"type": "object", "properties": deep}
    match door:
        case "/v1/chat/completions":
            function = {"name": "weather", "parameters": schema}
            return BODIES[door] | {"tools": [{"type": "function", "function": function}]}
        case "/v1/responses":
            return BODIES[door] | {"tools": [{"type": "function", "name": "weather", "parameters": schema}]}
        case "/mcp":
            return {**BODIES[door], "params": {"name": "dispatch", "arguments": deep}}
    return BODIES[door] | {"tools": [{"name": "weather", "input_schema": schema}]}


@pytest.mark.parametrize("door", DOORS)
def test_a_packed_body_is_refused_unread(api: Api, door: str) -> None:
    requests = [post(api, door, raw, (b"content-encoding", coding)) for coding, raw in CODINGS.items()]
    for coding, answer in zip(CODINGS, answers(requests), strict=True):
        assert answer.status == 415, (coding, answer.content[:200])
        assert "Content-Encoding" in error_of(door, answer)
        assert answer.headers[b"accept-encoding"] == b"identity"
    plain = post(api, door, json.dumps(BODIES[door]).encode(), (b"content-encoding", b"identity"))
    assert answers([plain])[0].status in (200, 503)


@pytest.mark.parametrize("door", DOORS)
def test_a_body_over_the_limit_is_refused_in_the_wires_own_shape(api: Api, door: str, settings: Any) -> None:
    settings.SIZE_LIMIT_BYTES = 1000
    head = (api.key, KIND, *(MCP if door == "/mcp" else ()))
    announced = Request("POST", door.encode(), (*head, (b"content-length", b"1001")), (b"x" * 1001,))
    endless = Request("POST", door.encode(), head, (b" " * 400,) * 100)
    for answer, read in zip(answers([announced, endless]), (0, 3), strict=True):
        assert (answer.status, answer.chunks_read) == (413, read)
        assert "CORTEX_SIZE_LIMIT_BYTES" in error_of(door, answer)
        assert answer.headers[b"connection"] == b"close"


@pytest.mark.parametrize("door", [*DOORS, "/v1/models", "/v1/models/x"])
def test_another_method_is_told_which_one_is_meant(api: Api, door: str) -> None:
    meant = "GET" if door.startswith("/v1/models") else "POST"
    others = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} - {meant}
    head = (api.key, *(MCP if door == "/mcp" else ()))
    for answer in answers(Request(method, door.encode(), head) for method in sorted(others)):
        assert answer.status == 405
        assert answer.headers[b"allow"] == meant.encode()
        error_of(door, answer)


HEADERS = (
    *(b"x-cortex-task", b"x-cortex-project", b"x-cortex-session", b"x-cortex-background", b"x-cortex-override"),
    *(b"x-claude-code-session-id", b"session-id", b"anthropic-version", b"anthropic-beta", b"content-type", b"accept"),
    *(b"openai-organization", b"x-stainless-retry-count", b"user-agent", b"connection", b"idempotency-key"),
    *(b"mcp-session-id", b"mcp-protocol-version", b"last-event-id", b"origin", b"authorization", b"x-api-key"),
)


@pytest.mark.parametrize("door", DOORS)
def test_headers_of_any_bytes_and_size_are_served_or_refused_with_words(api: Api, door: str) -> None:
    values = (
        b"",
        b"\xff\xfe",
        "１".encode(),
        b"x" * 20_000,
        b'a,b;c="d',
        b"null",
        b"-1",
        b"%00",
        b"task:code_generation",
    )
    raw = json.dumps(BODIES[door]).encode()
    tried = [(name, value) for name in HEADERS for value in values]
    for pair, answer in zip(tried, answers(post(api, door, raw, pair) for pair in tried), strict=True):
        if answer.status != 503:  # embeddings: nobody to serve them
            is_sound(
                "/v1/messages" if pair[0] == b"anthropic-version" and door == "/v1/embeddings" else door,
                answer,
                repr(pair)[:80],
            )


@pytest.mark.parametrize("query", [b"beta=true", b"x=\xff", b"%00", b"x" * 20_000, b"model=gpt&api-version=2", b"?&=#"])
def test_a_query_of_any_bytes_changes_nothing(api: Api, query: bytes) -> None:
    for door in DOORS:
        raw = json.dumps(BODIES[door]).encode()
        request = post(api, door, raw)
        (answer,) = answers([Request("POST", request.target + b"?" + query, request.headers, request.chunks)])
        assert answer.status in (200, 503), (door, answer.content[:200])


PATHS = (
    *(b"/v1/models/%00", b"/v1/models/\xff", b"/v1/models/" + b"x" * 20_000, b"/v1/models/a/b/../c"),
    *(b"/v1/", b"/v1//chat", b"/v1/chat/completions/x"),
)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:30].decode("latin-1"))
def test_a_path_of_any_bytes_is_found_or_refused(api: Api, path: bytes) -> None:
    for method in ("GET", "POST"):
        (answer,) = answers([Request(method, path, (api.key, KIND), (b"{}",))])
        assert answer.status in (200, 404, 405)
        assert len(answer.content) < 5_000
        error_of("/v1/models", answer)
