"""Fallback over real HTTP, both lanes: who serves, what is written of it, and what rests afterwards, error by error and position by position.

The expectations are the table of capabilities, section 2.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime

import pytest
from llmock.pytest_plugin import LLMock

from routing import snapshot
from routing.dispatch import Refused, Result
from routing.models import Cooldown
from routing.terms.request import Message, Request
from routing.terms.words import ErrorKind, ProviderKind
from tests.doubles import Act, script
from tests.doubles.verdict import assert_clean
from tests.routing.two_providers import (
    ANTHROPIC,
    BODIES,
    REQUEST,
    SHORT,
    UPSTREAM,
    WAYS,
    World,
    patience,
    publish,
    two_providers,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_spool")]

# id, act, error kind, HTTP status, what rests
FALLS_BACK: list[tuple[str, Act, ErrorKind, int | None, str]] = [
    ("429", script.rate_limited(), ErrorKind.RATE_LIMIT, 429, "cooldown"),
    ("429 with Retry-After", script.rate_limited("7"), ErrorKind.RATE_LIMIT, 429, "cooldown"),
    ("408", script.error(408), ErrorKind.SERVER, 408, "circuit"),
    ("409", script.error(409), ErrorKind.SERVER, 409, "circuit"),
    ("500", script.error(500), ErrorKind.SERVER, 500, "circuit"),
    ("502", script.error(502), ErrorKind.SERVER, 502, "circuit"),
    ("503", script.error(503), ErrorKind.SERVER, 503, "circuit"),
    ("503 with Retry-After", script.error(503, retry_after="7"), ErrorKind.SERVER, 503, "cooldown"),
    ("504", script.error(504), ErrorKind.SERVER, 504, "circuit"),
    ("529", script.error(529), ErrorKind.SERVER, 529, "circuit"),
    ("stall", script.stalls(before_headers=True), ErrorKind.TIMEOUT, None, "circuit"),
    ("stall in the body", script.stalls(after=30), ErrorKind.TIMEOUT, None, "circuit"),
    ("disconnect", script.disconnects(before_headers=True), ErrorKind.CONNECT, None, "circuit"),
    ("disconnect in the body", script.disconnects(after=30), ErrorKind.TRUNCATED, 200, "circuit"),
    ("malformed", script.malformed(), ErrorKind.MALFORMED, 200, "circuit"),
    ("half the JSON", script.cut_short(), ErrorKind.MALFORMED, 200, "circuit"),
    ("no choice", script.empty(), ErrorKind.MALFORMED, 200, "circuit"),
    ("no finish reason", script.no_finish(), ErrorKind.TRUNCATED, 200, "circuit"),
    ("redirect", script.redirects("http://127.0.0.1:1/"), ErrorKind.MALFORMED, 302, "circuit"),
    ("401", script.error(401), ErrorKind.AUTH, 401, "not_ready"),
    ("403", script.error(403), ErrorKind.AUTH, 403, "not_ready"),
    ("402", script.error(402), ErrorKind.PAYMENT, 402, "credential"),
    ("quota exceeded", script.out_of_quota(), ErrorKind.PAYMENT, 429, "credential"),
    ("credit balance", script.no_credit(), ErrorKind.PAYMENT, 400, "credential"),
    ("context too long", script.context_too_long(), ErrorKind.CONTEXT_WINDOW, 400, "nothing"),
]
PASSES: list[tuple[str, Act, ErrorKind, int, str]] = [
    ("400", script.error(400, "invalid_request_error"), ErrorKind.CLIENT, 400, "provider_refused"),
    ("404", script.error(404), ErrorKind.CLIENT, 404, "provider_refused"),
    ("413", script.error(413), ErrorKind.CLIENT, 413, "provider_refused"),
    ("415", script.error(415), ErrorKind.CLIENT, 415, "provider_refused"),
    ("422", script.error(422), ErrorKind.CLIENT, 422, "provider_refused"),
    ("content policy", script.refused_by_policy(), ErrorKind.CONTENT_POLICY, 400, "content_policy"),
]
OK = ("second", "fallback", "ok", "", None)


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def way(request: pytest.FixtureRequest) -> tuple[ProviderKind, ProviderKind, str]:
    return request.param


@pytest.fixture
def kinds(way: tuple[ProviderKind, ProviderKind, str]) -> tuple[ProviderKind, ProviderKind]:
    return way[:2]


@pytest.fixture
def wire(way: tuple[ProviderKind, ProviderKind, str]) -> str:
    """ "" is the SDKs' lane."""
    return way[2]


@pytest.mark.parametrize(
    ("act", "kind", "status", "rests"), [case[1:] for case in FALLS_BACK], ids=[case[0] for case in FALLS_BACK]
)
def test_the_fallback_serves_and_the_primary_rests(kinds, wire, act, kind, status, rests):
    with two_providers(first=(act,), kinds=kinds, wire=wire, timeouts=patience(kind)) as world:
        result = world.dispatch()

        assert isinstance(result, Result)
        assert (result.provider, result.model, result.used_fallback) == ("second", "two", True)
        assert result.answer.served_model == UPSTREAM[kinds[1]] + "-served"
        assert world.attempts() == [("first", "primary", "error", kind, status), OK]
        assert world.rests() == rests
        assert (len(world.primary.requests), len(world.fallback.requests)) == (1, 1)
        if wire:
            assert world.primary.bodies == [BODIES[wire] | {"model": UPSTREAM[kinds[0]]}]

        call = world.call()
        assert (call.id, call.status, call.used_fallback) == (result.request_id, "ok", True)
        assert (call.routed_model, call.served_model, call.attempts_count) == ("first:one", "second:two", 2)
        # 100 tokens read at $3 and 20 written at $15 a million
        assert call.cost_usd == Decimal("0.0006")


@pytest.mark.parametrize(
    ("act", "kind", "status", "code"), [case[1:] for case in PASSES], ids=[case[0] for case in PASSES]
)
def test_a_clients_error_passes_as_the_provider_said_it(kinds, wire, act, kind, status, code):
    with two_providers(first=(act,), kinds=kinds, wire=wire) as world:
        refused = world.dispatch()

        assert isinstance(refused, Refused)
        assert (refused.status, refused.code) == (status, code)
        assert refused.details["provider_error"]["error"]["message"] == refused.message
        assert world.attempts() == [("first", "primary", "error", kind, status)]
        assert world.rests() == "nothing"
        assert world.fallback.requests == []
        assert world.call().status == "error"


@pytest.mark.parametrize(
    ("act", "kind", "status"), [case[1:4] for case in FALLS_BACK], ids=[case[0] for case in FALLS_BACK]
)
@pytest.mark.parametrize("wire", ["", "openai_chat", "openai_responses"])
def test_when_the_last_candidate_fails_too_the_call_fails_with_both_attempts(wire, act, kind, status):
    with two_providers(first=(script.error(500),), second=(act,), timeouts=patience(kind), wire=wire) as world:
        refused = world.dispatch()

        assert isinstance(refused, Refused)
        expected = 400 if kind is ErrorKind.CONTEXT_WINDOW else 502
        assert refused.status == expected
        assert world.attempts() == [
            ("first", "primary", "error", ErrorKind.SERVER, 500),
            ("second", "fallback", "error", kind, status),
        ]
        assert [each.error_kind for each in refused.attempts] == [ErrorKind.SERVER, kind]
        assert (len(world.primary.requests), len(world.fallback.requests)) == (1, 1)


@pytest.mark.parametrize(
    ("act", "kind", "status", "code"), [case[1:] for case in PASSES], ids=[case[0] for case in PASSES]
)
def test_a_clients_error_of_the_fallback_passes_too(act, kind, status, code):
    with two_providers(first=(script.error(500),), second=(act,)) as world:
        refused = world.dispatch()

        assert isinstance(refused, Refused)
        assert (refused.status, refused.code) == (status, code)
        assert [row[3] for row in world.attempts()] == [ErrorKind.SERVER, kind]


def test_nobody_listening_falls_back(kinds, wire):
    with two_providers(kinds=kinds, wire=wire) as world:
        publish([(kinds[0], "http://127.0.0.1:1"), (kinds[1], world.fallback.url)])
        result = world.dispatch()

        assert isinstance(result, Result)
        assert world.attempts() == [("first", "primary", "error", ErrorKind.CONNECT, None), OK]


def test_context_too_long_goes_only_to_a_larger_window():
    with two_providers(first=(script.error(500),), second=(script.context_too_long(),)) as world:
        assert world.dispatch().status == 400  # type: ignore[union-attr]

    with two_providers(first=(script.context_too_long(),)) as world:
        assert isinstance(world.dispatch(), Result)  # the second's window is larger


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("7", 7),
        (lambda: format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True), None),
        (None, 120),  # the route's own cooldown_s
        ("86400", 3600),  # never more than an hour
    ],
    ids=["seconds", "a date", "the route's", "capped"],
)
def test_a_rate_limited_primary_cools_down_for_the_time_it_asked_for(kinds, wire, retry_after, seconds):
    header = retry_after() if callable(retry_after) else retry_after
    with two_providers(first=(script.rate_limited(header),), kinds=kinds, wire=wire, cooldown_s=120) as world:
        before = datetime.now(UTC)
        world.dispatch()
        took = (datetime.now(UTC) - before).total_seconds()
        cooldown = Cooldown.objects.get()

        assert (cooldown.provider, cooldown.credential, cooldown.model) == ("first", "main", "one")
        rest = (cooldown.until - before).total_seconds()
        low, high = (540, 600) if seconds is None else (seconds, seconds)
        assert low <= rest <= high + took


def test_what_cools_down_is_not_called_even_by_a_process_that_begins_anew():
    with two_providers(first=(script.rate_limited("60"),)) as world:
        world.dispatch()
        snapshot.forget()
        result = world.dispatch()

        assert isinstance(result, Result)
        assert len(world.primary.requests) == 1
        assert world.attempts() == [OK]
        assert world.call().used_fallback


def test_five_failures_in_a_row_open_the_circuit():
    with two_providers(first=(script.error(500),) * 9) as world:
        for _ in range(7):
            assert isinstance(world.dispatch(), Result)

        assert len(world.primary.requests) == 5
        assert len(world.fallback.requests) == 7


def test_without_a_fallback_one_attempt_and_then_the_error():
    with two_providers(first=(script.error(500),)) as world:
        refused = world.dispatch(fallback="none")

        assert isinstance(refused, Refused)
        assert refused.status == 502
        assert len(world.attempts()) == 1
        assert world.fallback.requests == []


def test_a_deadline_that_passes_is_not_the_providers_fault():
    timeouts = {"connect_s": 1, "first_token_s": 30, "idle_s": 30, "total_s": 0.2}
    with two_providers(first=(script.stalls(before_headers=True),), timeouts=timeouts) as world:
        refused = world.dispatch()

        assert isinstance(refused, Refused)
        assert refused.status == 504
        assert world.rests() == "nothing"
        assert world.fallback.requests == []


def test_a_history_loses_on_a_hop_only_what_the_other_provider_cannot_read():
    history = [
        Message("user", "Think."),
        Message(
            "assistant", [{"type": "thinking", "thinking": "…", "signature": "x"}, {"type": "text", "text": "So."}]
        ),
        Message("user", "And?"),
    ]
    with two_providers(first=(script.error(529),)) as world:
        world.dispatch(Request(history, thinking_budget=8000))

    sent = world.fallback.bodies[0]
    assert [message["content"] for message in sent["messages"]] == ["Think.", "So.", "And?"]
    assert sent["reasoning_effort"] == "high"


class TestAgainstLLMock:
    """Both providers are llmock, a double by others that grades its client."""

    @pytest.fixture(autouse=True)
    def _routed(self, llmock: LLMock, kinds: tuple[ProviderKind, ProviderKind], wire: str) -> None:
        snapshot.forget()
        self.kinds, self.mock = kinds, llmock
        publish([(kind, self._url(kind)) for kind in kinds])
        self.world = World(None, None, wire)  # type: ignore[arg-type]

    def _url(self, kind: ProviderKind) -> str:
        return self.mock.base_url("anthropic") if kind is ANTHROPIC else self.mock.url

    @pytest.mark.parametrize("status", [429, 500, 503, 529])
    def test_a_failing_primary_is_met_once_and_the_other_serves(self, status: int) -> None:
        self.mock.fail(status, provider=str(self.kinds[0]), retry_after=30 if status == 429 else None)
        result = self.world.dispatch(replace(REQUEST, max_tokens=50))

        assert isinstance(result, Result)
        assert result.used_fallback
        assert [row[0] for row in self.world.attempts()] == ["first", "second"]
        assert len(self.mock.requests) == 2
        assert_clean(self.mock)

    def test_a_retry_after_is_not_beaten_by_later_calls(self) -> None:
        self.mock.rate_limit(retry_after=30, provider=str(self.kinds[0]))
        for _ in range(3):
            assert isinstance(self.world.dispatch(), Result)

        assert [record.provider for record in self.mock.requests].count(str(self.kinds[0])) == 1
        assert_clean(self.mock)

    def test_a_hanging_primary_is_given_up(self) -> None:
        publish([(kind, self._url(kind)) for kind in self.kinds], timeouts=SHORT)
        self.mock.delay(2, provider=str(self.kinds[0]))
        assert isinstance(self.world.dispatch(), Result)
        assert self.world.attempts()[0][3] == ErrorKind.TIMEOUT
        assert_clean(self.mock)
