"""Calls over HTTP: who sees what, filters and pages, files in and out, verdicts."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client as Http

from routing import clients, feedback
from routing.audit import SYSTEM
from routing.models import Attempt, Call, Label
from routing.terms.words import Scope
from tests.routing.files import csv_of, imported, row

pytestmark = pytest.mark.django_db
Send = Callable[..., Any]


@pytest.fixture(autouse=True)
def _nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback, "WAIT_S", 0.0)


@pytest.fixture
def send() -> Send:
    keys: dict[str, str] = {}

    def go(
        method: str, path: str, body: object = b"", kind: str = "application/json", who: str = "ops"
    ) -> HttpResponse:
        if who not in keys:
            scopes = [Scope.READ, Scope.VERDICT, *([Scope.MANAGE] if who == "ops" else [])]
            keys[who] = clients.create_key(who, by=SYSTEM, scopes=scopes).key
        data = body if isinstance(body, bytes | str) else json.dumps(body)
        headers = {"X-Cortex-Key": keys[who]}
        response: Any = Http().generic(method, f"/api/v1{path}", data, content_type=kind, headers=headers)
        if response.status_code >= 400:
            assert {"code", "message", "request_id", "retryable"} <= set(response.json()["error"])
        return response  # type: ignore[no-any-return]

    return go


def names(response: Any) -> list[str]:
    return [call["request_id"] for call in response.json()["items"]]


def test_calls_come_newest_first_in_pages(send: Send) -> None:
    imported(*(row(request_id=f"r{n}", ts=f"2026-11-20T10:00:0{n}Z") for n in range(5)))
    first = send("GET", "/calls?limit=2").json()
    assert [call["request_id"] for call in first["items"]] == ["r4", "r3"]
    assert names(send("GET", f"/calls?limit=3&cursor={first['next']}")) == ["r2", "r1", "r0"]
    assert send("GET", "/calls?limit=5").json()["next"] is None


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("task_type=triage", ["b", "a"]),
        ("provider=acme", ["c", "b", "a"]),
        ("provider=else", ["c"]),
        ("model=big", ["b"]),
        ("model=acme:big", ["b"]),
        ("model=else:big", []),
        ("role=explore", ["b"]),
        ("status=error", ["c"]),
        ("client=ci", ["a"]),
        ("session=s", ["a"]),
        ("since=2026-11-20T11:00:00Z", ["c", "b"]),
        ("until=2026-11-20T11:00:00Z", ["a"]),
        ("since=2026-11-20&until=2026-11-21", ["b", "a"]),
        ("metadata.pr=41", []),
    ],
)
def test_calls_are_filtered(send: Send, query: str, found: list[str]) -> None:
    imported(
        row(request_id="a", client="ci", session="s"),
        row(request_id="b", model="big", role="explore", propensity="0.1", ts="2026-11-20T11:00:00Z"),
        row(request_id="c", task_type="other", status="error", error_kind="server", ts="2026-11-21T01:00:00Z"),
        row(request_id="c", task_type="other", attempt="2", provider="else", status="error", ts="2026-11-21T01:00:01Z"),
    )
    assert names(send("GET", f"/calls?{query}")) == found


@pytest.mark.parametrize(
    "query",
    ["role=main", "status=fine", "since=yesterday", "since=2026-11-20T10:00:00", "limit=0", "limit=501", "cursor=!", "cursor=YQ==",
     "task_type=%00", "metadata.a=%00"],
)  # fmt: skip
def test_a_filter_that_means_nothing_is_refused(send: Send, query: str) -> None:
    assert send("GET", f"/calls?{query}").status_code == 422


def test_a_cost_is_told_with_its_parts(send: Send) -> None:
    imported(row(request_id="p", cost_usd="0.0128", searches="1", cache_read_tokens="800", service_tier="flex"))
    Attempt.objects.update(rates="input 8, output 10, cache_read 1.25, searches_1k 10")  # as dispatch freezes them
    (told,) = send("GET", "/calls/p").json()["attempts"]
    # row(): 900 in, 100 out
    assert [(part["part"], part["quantity"], part["rate_usd"], part["usd"]) for part in told["cost_parts"]] == [
        ("input", 100, "8", "0.0008"),
        ("cache_read", 800, "1.25", "0.001"),
        ("output", 100, "10", "0.001"),
        ("searches_1k", 1, "10", "0.01"),
    ]
    assert (told["cost_usd"], told["service_tier"], told["estimated"]) == ("0.0128", "flex", False)


def test_one_call_is_told_with_its_attempts_and_verdicts(send: Send) -> None:
    imported(
        row(request_id="f", status="error", error_kind="timeout", success="", cost_usd="0.001"),
        row(request_id="f", attempt="2", model="big", role="fallback", propensity="", ts="2026-11-20T10:00:02Z"),
    )
    told = send("GET", "/calls/f").json()
    assert (told["used_fallback"], told["served_model"], told["cost_usd"]) == (True, "acme:big", "0.0025")
    assert [(one["attempt"], one["status"], one["error_kind"]) for one in told["attempts"]] == [
        (1, "error", "timeout"),
        (2, "ok", None),
    ]
    assert [one["cost_parts"] for one in told["attempts"]] == [[], []]  # an import tells the sum alone
    assert [(one["source"], one["verdict"]) for one in told["verdicts"]] == [("import", "good")]
    assert send("GET", f"/calls/{told['id']}").json() == told
    assert send("GET", "/calls/nobody").status_code == 404
    assert send("GET", "/calls/01a1f866-0d00-75ca-ba2e-f08341255975").status_code == 404


def test_a_client_sees_its_own_calls_alone(send: Send) -> None:
    imported(row(request_id="mine", client="ci"), row(request_id="theirs", client="else"))
    assert names(send("GET", "/calls", who="ci")) == ["mine"]
    assert send("GET", "/calls?client=else", who="ci").status_code == 403
    assert send("GET", "/calls/theirs", who="ci").status_code == 404
    assert send("POST", "/calls/theirs/verdict", {"verdict": "good", "source": "ci"}, who="ci").status_code == 404
    assert "theirs" not in b"".join(send("GET", "/calls/export", who="ci").streaming_content).decode()
    assert send("POST", "/calls/import", csv_of(row()), "text/csv", who="ci").status_code == 403


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_is_imported_over_http(send: Send, packed: bool) -> None:
    content = csv_of(row(), row())
    kind = "application/gzip" if packed else "text/csv"
    told = send("POST", "/calls/import", gzip.compress(content) if packed else content, kind).json()
    assert (told["added"], told["bad"], told["written"]) == (2, 0, True)
    assert Label.objects.first().by.startswith("key ck_")  # type: ignore[union-attr]


def test_a_file_with_a_bad_line_is_refused_with_its_number(send: Send) -> None:
    content = csv_of(row(), row(ts="never"))
    refused = send("POST", "/calls/import", content, "text/csv")
    assert refused.status_code == 422
    assert refused.json()["error"]["code"] == "bad_lines"
    assert refused.json()["error"]["details"]["errors"] == [
        {"line": 3, "reason": "ts: 'never' is not an ISO 8601 time"}
    ]
    assert not Call.objects.exists()
    assert send("POST", "/calls/import?skip_bad=true", content, "text/csv").json()["added"] == 1


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"\n", "text/csv", 422),
        (b"\xff\xfe\x00", "text/csv", 422),
        (b"\x1f\x8b\x08broken", "application/gzip", 422),
        (b"<html>", "text/html", 415),
        (b"{}", "application/json", 415),
    ],
    ids=["empty", "utf-16", "torn gzip", "html", "json"],
)
def test_what_is_no_log_is_refused(send: Send, content: bytes, kind: str, status: int) -> None:
    assert send("POST", "/calls/import", content, kind).status_code == status


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_an_export_can_be_imported_again(send: Send, form: str) -> None:
    imported(row(request_id="a"), row(request_id="b", task_type="other"))
    response = send("GET", f"/calls/export?format={form}&task_type=triage")
    content = b"".join(response.streaming_content)
    kind = {"csv": "text/csv", "ndjson": "application/x-ndjson"}[form]
    assert response["Content-Type"].startswith(kind)
    told = send("POST", "/calls/import", content, kind).json()
    assert (told["lines"], told["unchanged"]) == (1, 1)


def test_a_verdict_is_kept_once(send: Send) -> None:
    imported(row(request_id="r", success="", client="ci"))
    body = {"verdict": "bad", "source": "person", "score": 0.2, "comment": "missed the owner"}
    assert send("POST", "/calls/r/verdict", body, who="ci").json()["is_new"] is True
    assert send("POST", "/calls/r/verdict", body, who="ci").json()["is_new"] is False
    (verdict,) = send("GET", "/calls/r", who="ci").json()["verdicts"]
    assert (verdict["verdict"], verdict["score"], verdict["comment"]) == ("bad", 0.2, "missed the owner")
    assert verdict["by"].endswith("of ci")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"verdict": "fine", "source": "ci"},
        {"verdict": "unknown", "source": "ci"},
        {"verdict": "good", "source": "import"},
        {"verdict": "good", "source": "moon"},
        {"verdict": "good", "source": "ci", "observed_at": "2026-11-20T10:00:00"},
        {"verdict": "good", "source": "ci", "observed_at": "2999-01-01T00:00:00Z"},
        {"verdict": "good", "source": "ci", "extra": 1},
        {"verdict": "good", "source": "ci", "comment": "x" * 2001},
    ],
)
def test_a_verdict_that_says_nothing_is_refused(send: Send, body: dict[str, str]) -> None:
    imported(row(request_id="r", success=""))
    assert send("POST", "/calls/r/verdict", body).status_code == 422
    assert send("POST", "/verdicts", {"match": {"request_id": "r"}, **body}).status_code == 422
    assert not Label.objects.exists()


def test_a_session_is_judged_at_once(send: Send) -> None:
    imported(*(row(session="s", client="ci", task_type=task, success="") for task in ("triage", "other")))
    body = {"match": {"session": "s"}, "verdict": "good", "source": "validators"}
    assert len(send("POST", "/verdicts", body, who="ci").json()["items"]) == 2
    assert send("POST", "/verdicts", {**body, "match": {"session": "t"}}).status_code == 404
    assert send("POST", "/verdicts", {**body, "match": {}}).status_code == 422
    assert send("POST", "/verdicts", {**body, "match": {"session": "s", "client": "else"}}, who="ci").status_code == 403


def test_many_verdicts_come_as_ndjson(send: Send) -> None:
    now = datetime.now(UTC).isoformat()  # a verdict on a call of long ago is late
    imported(*(row(request_id=name, success="", ts=now) for name in ("r1", "r2")))
    lines = [{"match": {"request_id": f"r{n}"}, "verdict": "good", "source": "ci"} for n in (1, 2)]
    good = "\n".join(json.dumps(line) for line in lines)
    bad = good + '\n{"verdict": "good"}\n{'
    refused = send("POST", "/verdicts", bad, "application/x-ndjson")
    assert refused.status_code == 422
    assert [one["line"] for one in refused.json()["error"]["details"]] == [3, 4]
    assert not Label.objects.exists()
    assert send("POST", "/verdicts", good, "application/x-ndjson").json() == {
        "new": 2,
        "repeated": 0,
        "late": 0,
        "bad": [],
    }
    told = send("POST", "/verdicts?skip_bad=true", bad, "application/x-ndjson").json()
    assert (told["new"], told["repeated"], len(told["bad"])) == (0, 2, 2)
