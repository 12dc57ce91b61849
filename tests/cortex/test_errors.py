"""The one error body, whatever went wrong, and what it does not repeat."""

import json
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.test import Client, RequestFactory
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from cortex import errors
from cortex.strict import Malformed, NotAnObject, UnsupportedMedia
from routing.api.errors import ApiError

API = NinjaAPI(urls_namespace="errors-of-tests")
errors.install(API)


def told(error: Exception) -> tuple[int, dict[str, Any], HttpResponse]:
    """(status, what stands under "error", the answer)."""
    answer = API.on_exception(RequestFactory().get("/api/v1/x"), error)
    return answer.status_code, json.loads(answer.content)["error"], answer


def caused_by(cause: Exception) -> HttpError:
    error = HttpError(400, "Cannot parse request body")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        pytest.param(HttpError(400, "no"), 400, "malformed", id="ninja's own"),
        pytest.param(caused_by(Malformed("no")), 400, "malformed", id="no JSON"),
        pytest.param(caused_by(UnsupportedMedia("no")), 415, "unsupported_media_type", id="another kind"),
        pytest.param(caused_by(NotAnObject("no")), 422, "invalid", id="a bare list"),
        pytest.param(caused_by(RequestDataTooBig()), 413, "too_large", id="too large, found while it was read"),
        pytest.param(RequestDataTooBig(), 413, "too_large", id="too large"),
        pytest.param(SuspiciousOperation("no"), 400, "malformed", id="suspicious"),
        pytest.param(Http404("no"), 404, "not_found", id="not there"),
        pytest.param(ApiError(409, "no", code="stale"), 409, "stale", id="ours, with its own word"),
        pytest.param(DataError("too long"), 422, "invalid", id="what no column holds"),
        pytest.param(OperationalError("away"), 503, "unavailable", id="the database is away"),
        pytest.param(InterfaceError("closed"), 503, "unavailable", id="the connection is closed"),
        pytest.param(KeyError("secret"), 500, "internal", id="a defect"),
    ],
)
def test_every_error_has_its_status_and_its_word(error: Exception, status: int, code: str) -> None:
    got, body, answer = told(error)
    assert (got, body["code"]) == (status, code)
    assert {"code", "message", "request_id", "retryable"} <= set(body)
    assert body["retryable"] is (status == 503)
    assert ("Retry-After" in answer) is (status == 503)


def test_a_defect_tells_the_log_and_not_the_caller(caplog: pytest.LogCaptureFixture) -> None:
    _, body, _ = told(KeyError("a secret"))
    assert "secret" not in json.dumps(body)
    assert body["request_id"] in caplog.text


@pytest.mark.parametrize(
    ("place", "field"),
    [
        (("body", "payload", "messages", 0, "role"), "messages.0.role"),
        (("body", "payload"), "body"),
        (("query", "limit"), "limit"),
        (("query", "asked", "since", "date"), "since"),
        (("path", "number"), "number"),
        ((), "body"),
        (("body", "payload", "k" * 100_000), "k" * 80),
    ],
)
def test_a_wrong_field_is_named_as_the_caller_wrote_it(place: tuple[object, ...], field: str) -> None:
    _, body, _ = told(ValidationError([{"loc": place, "msg": "no"}]))
    assert body["details"] == [{"field": field, "problem": "no"}]


def test_many_wrong_fields_are_cut() -> None:
    _, body, _ = told(
        ValidationError([{"loc": ("body", "payload", str(number)), "msg": "no"} for number in range(5_000)])
    )
    assert len(body["details"]) == errors.MOST_DETAILS
    assert body["message"] == "Not accepted: 0, 1, 2, 3, 4."


def settled(path: str, answer: HttpResponse) -> HttpResponse:
    found: HttpResponse = errors.JsonErrors(lambda request: answer)(RequestFactory().get(path))
    return found


def test_an_error_page_under_api_becomes_json() -> None:
    answer = settled("/api/v1/x", HttpResponse("<h1>Not allowed</h1>", status=405, headers={"Allow": "GET"}))
    assert (answer["Content-Type"], answer["Allow"]) == ("application/json", "GET")
    assert json.loads(answer.content)["error"]["code"] == "method_not_allowed"


def test_every_answer_says_how_it_may_be_read() -> None:
    for answer in (HttpResponse("{}"), HttpResponse(status=404), StreamingHttpResponse(["a"])):
        said = settled("/api/v1/x", answer)  # type: ignore[arg-type]
        assert said["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in said["Content-Security-Policy"]


def test_the_console_takes_data_errors_for_the_senders_fault() -> None:
    middleware = errors.Unstorable(lambda request: HttpResponse("fine"))
    request = RequestFactory().get("/")
    assert middleware(request).content == b"fine"
    refused = middleware.process_exception(request, DataError("NUL"))
    assert refused is not None
    assert refused.status_code == 400
    assert b"Nothing was changed" in refused.content
    assert middleware.process_exception(request, KeyError("a defect")) is None


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (OperationalError("connection refused"), 503, b"Recording to the spool"),
        (InterfaceError("connection already closed"), 503, b"Recording to the spool"),
        (RuntimeError("a defect"), 500, b"Something broke here"),
    ],
)
@pytest.mark.parametrize(
    "place", ["sessions.middleware.SessionMiddleware.process_request", "sessions.backends.db.SessionStore.load"]
)
def test_a_page_that_fails_tells_an_absent_postgresql_from_a_defect(
    client: Client, monkeypatch: pytest.MonkeyPatch, place: str, error: Exception, status: int, words: bytes
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(f"django.contrib.{place}", fails)
    client.raise_request_exception = False
    client.cookies[settings.SESSION_COOKIE_NAME] = "x" * 32
    page = client.get("/")
    assert (page.status_code, page.get("Retry-After")) == (status, "5" if status == 503 else None)
    assert words in page.content
    assert "script-src" in page["Content-Security-Policy"]
