"""One reading of every vendor's errors. The bodies are as their documentation or a report of their users shows them."""

import json
from datetime import UTC, datetime

import pytest

from routing.providers.errors import fault_of_status, retry_after_s
from routing.terms.secret import Secret
from routing.terms.words import ErrorKind

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def fault(status, body, headers=None):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return fault_of_status(status, headers or {}, raw, now=NOON)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        pytest.param(400, {"error": {"message": "Input tokens exceed the configured limit of 272000 tokens."}},
                     ErrorKind.CONTEXT_WINDOW, id="OpenAI, too long"),
        pytest.param(400, {"error": {"message": "max_tokens is too large: 100000. This model supports at most 16384 completion tokens"}},
                     ErrorKind.CLIENT, id="OpenAI, asked for too much"),
        pytest.param(400, {"type": "error", "error": {"type": "invalid_request_error", "message":
                     "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000"}},
                     ErrorKind.CONTEXT_WINDOW, id="Anthropic, together too long"),
        pytest.param(400, [{"error": {"code": 400, "status": "INVALID_ARGUMENT", "message":
                     "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."}}],
                     ErrorKind.CONTEXT_WINDOW, id="Gemini, too long"),
        pytest.param(400, {"error": {"code": 400, "type": "exceed_context_size_error", "message": "too large"}},
                     ErrorKind.CONTEXT_WINDOW, id="llama.cpp, too long"),
        pytest.param(400, {"object": "error", "message": "This model's maximum context length is 4096 tokens.", "code": 400},
                     ErrorKind.CONTEXT_WINDOW, id="vLLM, too long"),
        pytest.param(403, {"error": {"code": 403, "message": "x requires moderation. Your input was flagged for \"violence\"."}},
                     ErrorKind.CONTENT_POLICY, id="OpenRouter, moderation"),
        pytest.param(400, {"error": {"code": "content_filter", "message": "filtered by Azure's content management policy"}},
                     ErrorKind.CONTENT_POLICY, id="Azure, policy"),
        pytest.param(400, {"type": "error", "error": {"type": "invalid_request_error", "message":
                     "Output blocked by content filtering policy"}}, ErrorKind.CONTENT_POLICY, id="Anthropic, policy"),
        pytest.param(402, {"error": {"code": 402, "message": "This request requires more credits"}},
                     ErrorKind.PAYMENT, id="OpenRouter, money"),
        pytest.param(402, {"type": "error", "error": {"type": "billing_error", "message": "…"}},
                     ErrorKind.PAYMENT, id="Anthropic, money"),
        pytest.param(429, [{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message":
                     "You exceeded your current quota, please check your plan and billing details."}}],
                     ErrorKind.RATE_LIMIT, id="Gemini says quota for a rate"),
        pytest.param(429, {"error": {"code": "insufficient_quota", "type": "insufficient_quota", "message":
                     "You exceeded your current quota, please check your plan and billing details."}},
                     ErrorKind.PAYMENT, id="OpenAI says quota for money"),
        pytest.param(404, {"error": 'model "llama9" not found, try pulling it first'}, ErrorKind.CLIENT, id="Ollama, no model"),
        pytest.param(422, {"detail": [{"loc": ["body"], "msg": "field required"}]}, ErrorKind.CLIENT, id="FastAPI"),
        pytest.param(502, b"<html><body>Bad gateway</body></html>", ErrorKind.SERVER, id="a page"),
        pytest.param(500, b"", ErrorKind.SERVER, id="nothing"),
        pytest.param(500, b"\xff\xfe", ErrorKind.SERVER, id="no text"),
        pytest.param(500, b"[" * 100_000, ErrorKind.SERVER, id="too deep"),
        pytest.param(200, {"error": {"code": 502, "message": "upstream"}}, ErrorKind.SERVER, id="OpenRouter, 200 for 502"),
        pytest.param(200, {"error": {"code": 429, "message": "upstream"}}, ErrorKind.RATE_LIMIT, id="OpenRouter, 200 for 429"),
        pytest.param(200, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
                     ErrorKind.SERVER, id="Anthropic, 200 for 529"),
        pytest.param(200, {"type": "error", "error": {"type": "rate_limit_error", "message": "…"}},
                     ErrorKind.RATE_LIMIT, id="Anthropic, 200 for 429"),
    ],
)  # fmt: skip
def test_each_vendors_error_has_its_kind(status, body, kind):
    found = fault(status, body)

    assert found.kind is kind
    assert found.message
    assert len(found.message) <= 2000


def test_gemini_says_in_the_body_how_long_to_rest():
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}]
    body = [{"error": {"code": 429, "message": "slow down", "details": details}}]

    assert fault(429, body).retry_after_s == 34.5
    assert fault(429, body, {"retry-after": "2"}).retry_after_s == 2  # the header is said of this very answer


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "12"}, 12.0),
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "in a while"}, None),
        ({"retry-after": "Sun, 22 Nov 2026 12:01:30 GMT"}, 90.0),
        ({"retry-after": "Sun, 22 Nov 2026 12:01:30"}, 90.0),  # without a zone it is UTC
        ({"retry-after": "Sun, 22 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "?", "retry-after": "9"}, 9.0),
    ],
)
def test_the_time_to_rest(headers, seconds):
    assert retry_after_s(headers, NOON) == seconds


def test_a_redirect_names_the_host_and_no_more():
    found = fault(307, b"", {"location": "https://elsewhere.example/path?token=secret"})

    assert found.kind is ErrorKind.MALFORMED
    assert found.message == "a redirect to elsewhere.example, which is never followed; check base_url"


def test_a_key_is_taken_out_of_message_and_body():
    body = {"error": {"message": "no such key: sk-canary", "param": ["sk-canary"]}}
    found = fault_of_status(401, {}, json.dumps(body).encode(), now=NOON, secret=Secret("sk-canary"))

    assert "sk-canary" not in repr(found)
