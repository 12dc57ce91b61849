"""The front door: who is answered by what, and what nobody has to read."""

import json

import pytest

from tests.hostile.front import KIND, Request, answers


def test_head_of_the_root_says_that_somebody_is_here() -> None:
    (answer,) = answers([Request("HEAD", b"/")])
    assert (answer.status, answer.content) == (200, b"")


@pytest.mark.parametrize(
    ("target", "status", "code"),
    [
        (b"/v1/chat/completions", 401, "unauthorized"),
        (b"/v1/nothing", 404, "not_found"),
        (b"/v1/\xff", 404, "not_found"),
        (b"/mcp", 401, "unauthorized"),
        (b"/mcp/x", 404, "not_found"),
    ],
)
def test_a_stranger_at_a_wire_is_told_as_json(target: bytes, status: int, code: str) -> None:
    (answer,) = answers([Request("POST", target, (KIND,), (b"{}",))])
    error = json.loads(answer.content)["error"]
    assert (answer.status, error["code"], bool(error["message"])) == (status, code, True)
    assert answer.headers[b"x-content-type-options"] == b"nosniff"


@pytest.mark.parametrize(
    "target", [b"/api/v1/boot?x=\xff", b"/api/v1/dispatch?x=\xff", b"/healthz?x=\xff", b"/metrics?x=\xff"]
)
def test_an_address_that_is_not_utf8_is_told_as_json(target: bytes) -> None:
    (answer,) = answers([Request("GET", target)])
    assert (answer.status, answer.error["code"]) == (400, "malformed")


def test_of_a_dispatch_without_a_key_no_byte_is_read() -> None:
    endless = Request("POST", b"/api/v1/dispatch", (KIND,), (b"x" * 400,) * 1000)
    (answer,) = answers([endless])
    assert (answer.status, answer.error["code"], answer.chunks_read) == (401, "unauthorized", 0)


@pytest.mark.parametrize("target", [b"/api/v1/providers", b"/routing/new", b"/nothing"])
def test_a_body_over_the_limit_is_not_read(target: bytes, settings: object) -> None:
    settings.SIZE_LIMIT_BYTES = 1000  # type: ignore[attr-defined]
    announced = Request("POST", target, (KIND, (b"content-length", b"1001")), (b"x" * 1001,))
    endless = Request("POST", target, (KIND,), (b"x" * 400,) * 1000)
    lying = Request("POST", target, (KIND, (b"content-length", b"5")), (b"x" * 2000,))
    read = []
    for answer in answers([announced, endless, lying]):
        assert (answer.status, answer.error["code"]) == (413, "too_large")
        assert answer.headers[b"connection"] == b"close"
        read.append(answer.chunks_read)
    assert read == [0, 3, 1]


@pytest.mark.parametrize("value", [b"", b"x", b"-1", b"1" * 10_000, "１２".encode()])
def test_an_announcement_that_is_no_number_announces_nothing(value: bytes) -> None:
    (answer,) = answers([Request("GET", b"/healthz", ((b"content-length", value),))])
    assert answer.status in (200, 413)
    if answer.status == 200:
        assert json.loads(answer.content) == {"status": "ok"}
