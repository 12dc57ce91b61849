"""What a stranger may send to /api/v1: every answer is JSON with the contract's error body, none is a 5xx, none is HTML."""

import gzip
import json

import pytest

from routing.models import Call, Revision
from tests.hostile.conftest import Api
from tests.hostile.front import KIND, Request, answers, post

WRITES = (
    "/dispatch",
    "/route/explain",
    "/providers",
    "/routes",
    "/clients",
    "/clients/ci/keys",
    "/verdicts",
    "/calls/x/verdict",
    "/explorations",
    "/proposals/1/approve",
    "/revisions/1/restore",
)
MATCH = (b"if-match", b"1")
CALL = {"task_type": "coding", "prompt": "x"}
BODIES = {
    "NaN": (b'{"temperature": NaN}', 400),
    "Infinity": (b'{"temperature": -Infinity}', 400),
    "raw NUL": (b'{"prompt": "\x00"}', 400),
    "deep list": (b"[" * 100_000, 400),
    "deep object": (b'{"a":' * 100_000, 400),
    "5,000 digits": (b'{"max_tokens": ' + b"9" * 5_000 + b"}", 400),
    "duplicate key": (b'{"prompt": "x", "prompt": "y"}', 400),
    "invalid UTF-8": (b'{"prompt": "\xff"}', 400),
    "UTF-16": ('{"prompt": "\\u0000"}'.encode("utf-16"), 400),
    "UTF-32": ('{"prompt": "x"}'.encode("utf-32-le"), 400),
    "cut short": (b'{"prompt": ', 400),
    "a list": (b"[]", 422),
    "null": (b"null", 422),
    "a number": (b"1", 422),
    "a text": (b'"x"', 422),
    "a field that nobody knows": (b'{"base_url": "http://169.254.169.254/"}', 422),
}


@pytest.mark.parametrize("path", WRITES)
def test_a_bad_body_is_refused_with_the_error_body(api: Api, path: str) -> None:
    before = Revision.objects.count(), Call.objects.count()
    for name, (raw, status) in BODIES.items():
        answer = api.ask("POST", path, raw, MATCH)
        assert answer.status == status, f"{path} {name}: {answer.status} {answer.content[:200]!r}"
        assert answer.error
        assert len(answer.content) < 5_000, f"{path} {name}: the answer repeats what was sent"
    assert (Revision.objects.count(), Call.objects.count()) == before


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize(
    "raw", [b'{"a": "\\u0000"}', b'{"\\ud800": 1}', b'{"reason": "\\u0000"}', b'{"reason": "\\udfff"}']
)
def test_a_text_that_no_column_holds_is_refused(api: Api, path: str, raw: bytes) -> None:
    answer = api.ask("POST", path, raw, MATCH)
    assert answer.status in (400, 422), answer.content[:200]
    assert answer.error


@pytest.mark.parametrize("path", WRITES)
def test_only_plain_json_is_read(api: Api, path: str) -> None:
    packed = gzip.compress(b"0" * 10_000_000)
    coded = api.ask("POST", path, packed, MATCH, (b"content-encoding", b"gzip"))
    assert (coded.status, coded.error["code"]) == (415, "unsupported_media_type")
    for kind in (b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data", b"\xff\xfe"):
        (answer,) = answers(
            [Request("POST", b"/api/v1" + path.encode(), (api.key, MATCH, (b"content-type", kind)), (b"{}",))]
        )
        assert (answer.status, answer.error["code"]) == (415, "unsupported_media_type"), kind


@pytest.mark.parametrize("path", ["/dispatch", "/quotas", "/calls/import"])
def test_a_body_over_the_limit_is_refused_announced_or_not(api: Api, path: str) -> None:
    target = b"/api/v1" + path.encode()
    announced = Request("POST", target, (api.key, KIND, (b"content-length", b"67108864")), (b"{", b"}"))
    chunked = Request("POST", target, (api.key, KIND), (b" " * 2**20,) * 64)
    at_once, after_a_while = answers([announced, chunked])
    assert (at_once.status, at_once.error["code"], at_once.chunks_read) == (413, "too_large", 0)
    assert (after_a_while.status, after_a_while.error["code"]) == (413, "too_large")
    assert after_a_while.chunks_read == 33  # one more than the limit of 32 MB


def test_a_long_name_is_not_sent_back_whole(api: Api) -> None:
    many = json.dumps({str(number): 1 for number in range(5_000)}).encode()
    for raw in (b'{"' + b"k" * 100_000 + b'": 1}', many):
        answer = api.ask("POST", "/dispatch", raw)
        assert answer.status == 422
        assert len(answer.content) < 20_000


def test_json_that_is_merely_odd_is_served(api: Api) -> None:
    schema = b'{"a":' * 200 + b"1" + b"}" * 200
    for raw in (
        b"\xef\xbb\xbf" + json.dumps(CALL).encode(),
        json.dumps({**CALL, "prompt": "\u202e\U0001f600\u0001"}).encode(),
        b'{"task_type": "coding", "prompt": "x", "tools": [{"name": "a", "schema": ' + schema + b"}]}",
    ):
        assert api.ask("POST", "/dispatch", raw).status == 200


def test_metadata_carries_no_line_ends(api: Api) -> None:
    for metadata in (
        {"a": "b\r\nSet-Cookie: x=y"},
        {"a\r\nb": "c"},
        {"a": "b\nc"},
        {str(n): "" for n in range(17)},
        {"a": "b" * 257},
    ):
        answer = api.ask("POST", "/dispatch", json.dumps({**CALL, "metadata": metadata}).encode())
        assert (answer.status, answer.error["code"]) == (422, "invalid"), metadata


@pytest.mark.parametrize(
    "value", [b"", b" ", b"a b", b"a" * 256, b"\x00", b"a\r\nb", b"\x7f", b"\xff", "é".encode(), b"a\tb"]
)
def test_an_idempotency_key_that_is_none_is_refused_by_every_door(api: Api, value: bytes) -> None:
    answer = api.ask("POST", "/dispatch", json.dumps(CALL).encode(), (b"idempotency-key", value))
    assert (answer.status, answer.error["code"]) == (400, "invalid_idempotency_key")
    for path in ("/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/embeddings"):
        answer = answers([post(path, {}, api.key, (b"idempotency-key", value))])[0]
        assert answer.status == 400
        assert "Idempotency-Key must be" in json.loads(answer.content)["error"]["message"]


def test_two_idempotency_keys_are_none(api: Api) -> None:
    pairs = ((b"idempotency-key", b"a"), (b"idempotency-key", b"a"))
    answer = api.ask("POST", "/dispatch", json.dumps(CALL).encode(), *pairs)
    assert (answer.status, answer.error["code"]) == (400, "invalid_idempotency_key")


def test_an_idempotency_key_of_any_visible_bytes_is_taken(api: Api) -> None:
    for value in (b"!", b"~" * 255, b"a" * 255, b'"quoted"', b"../../etc/passwd", b"%00", b"';DROP/**/TABLE/**/x;--"):
        first, again = (
            api.ask("POST", "/dispatch", json.dumps(CALL).encode(), (b"idempotency-key", value)) for _ in range(2)
        )
        assert (first.status, again.status, again.content) == (200, 200, first.content), value
        assert again.headers[b"idempotent-replayed"] == b"true"


def test_an_idempotency_key_means_nothing_where_nothing_is_dispatched(api: Api) -> None:
    for method, target, body in (("GET", "/status", None), ("POST", "/route/explain", json.dumps(CALL).encode())):
        assert api.ask(method, target, body, (b"idempotency-key", b"\xff")).status == 200


@pytest.mark.parametrize(
    "name", [b"accept", b"host", b"cookie", b"content-length", b"origin", b"x-forwarded-for", b"range"]
)
def test_headers_of_any_bytes_and_size_change_nothing(api: Api, name: bytes) -> None:
    for value in (b"\xff", b"", b"-5", b"j" * 500_000, "１".encode()):
        answer = api.ask("GET", "/boot", None, (name, value))
        assert answer.status in (200, 413), (name, value[:10], answer.content[:200])


ODD = (
    b"%00",
    b"%ff",
    b"\xff",
    b"garbage",
    b"-1",
    b"0",
    b"9" * 30,
    b"9" * 5_000,
    b"%ed%a0%80",
    b"%2e%2e%2f",
    b"0000-W01",
)
FILTERS = b"cursor since until task_type model client role status limit metadata.a metadata.%00".split()
LISTS = b"proposals comparisons guards alerts explorations reviews revisions models routes clients".split()
PARTS = b"providers models task-types routes clients calls proposals reviews revisions".split()
ADDRESSES = [
    *(b"/calls?" + name + b"=" + value for name in FILTERS for value in ODD),
    *(
        b"/" + name + b"?" + size + b"=" + value
        for name in LISTS
        for size in (b"cursor", b"limit")
        for value in ODD[:7]
    ),
    *(b"/" + name + b"/" + value for name in PARTS for value in ODD),
    *(b"/preflight?task=" + value for value in (*ODD, b"")),
    *(b"/preflight", b"/nothing", b"/", b"", b"/comparisons?as_of=9999-99-99", b"/calls/export?since=garbage"),
    b"/calls?since=0001-01-01T00:00:00%2B14:00&until=9999-12-31T23:59:59-14:00",
    b"/revisions/1?against=99999999999999999999",
]


@pytest.mark.parametrize("method", ["GET", "DELETE", "PATCH", "POST"])
def test_an_address_of_any_bytes_is_found_or_refused(api: Api, method: str) -> None:
    head = (api.key, MATCH, *([] if method == "GET" else [KIND]))
    requests = [Request(method, b"/api/v1" + each, head, (b"" if method == "GET" else b"{}",)) for each in ADDRESSES]
    for request, answer in zip(requests, answers(requests), strict=True):
        assert answer.status < 500, f"{request}: {answer.content[:300]!r}"
        assert answer.kind.startswith(("application/json", "text/csv")), f"{request}: {answer.kind}"
        if answer.status >= 400:
            assert answer.error


@pytest.mark.parametrize("reason", [b"%00", b"%ff", b"r" * 100_000])
def test_a_reason_that_cannot_be_kept_is_refused_and_nothing_changes(api: Api, reason: bytes) -> None:
    assert api.ask("POST", "/quotas", b'{"slug": "q", "name": "q"}', MATCH).status == 201
    for method, body in (("PATCH", b'{"name": "other"}'), ("DELETE", None)):
        answer = api.ask(method, b"/quotas/q?reason=" + reason, body, (b"if-match", b"2"))
        if reason == b"%ff":  # read as the replacement character, which is a text like another
            assert answer.status in (200, 409)
        else:
            assert answer.status == 422, answer.content[:200]
            assert "reason" in answer.error["message"]
            assert Revision.objects.count() == 2


def test_what_is_wrong_is_named_as_it_was_sent(api: Api) -> None:
    assert api.ask("GET", "/calls?since=garbage").error["details"][0]["field"] == "since"
    assert api.ask("GET", "/proposals?cursor=x").error["details"][0]["field"] == "cursor"
    budget = api.ask("POST", "/explorations", b'{"task_type": "coding", "shere": 1}').error
    assert {each["field"] for each in budget["details"]} == {"share", "challengers", "usd_cap", "until", "shere"}


def test_the_api_page_loads_nothing_from_elsewhere(api: Api) -> None:
    answer = api.ask("GET", "/docs")
    assert answer.status == 200
    assert b"//cdn" not in answer.content
    assert b"https://" not in answer.content


def test_no_answer_may_be_read_as_another_kind(api: Api) -> None:
    for target in ("/boot", "/nothing", "/docs", "/calls/export"):
        assert api.ask("GET", target).headers.get(b"x-content-type-options") == b"nosniff", target
