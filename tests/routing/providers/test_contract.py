"""What every adapter over an SDK promises alike, against a double that breaks as it is told.

Over 300 lines: one contract, each clause for every adapter.
"""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from routing.providers import exchange, pool
from routing.providers.base import Discovered
from routing.terms.fault import Failed, Fault
from routing.terms.request import Message, Timeouts
from routing.terms.secret import Secret
from routing.terms.words import ErrorKind
from tests import doubles
from tests.doubles import script
from tests.routing.providers.conftest import CANARY, REQUEST, ROOMY, Wire, patience

FAULTS = [
    ("429", script.rate_limited(), ErrorKind.RATE_LIMIT, 429),
    ("429 with seconds", script.rate_limited("7"), ErrorKind.RATE_LIMIT, 429),
    ("429 for money", script.out_of_quota(), ErrorKind.PAYMENT, 429),
    ("400 for money", script.no_credit(), ErrorKind.PAYMENT, 400),
    ("402", script.error(402), ErrorKind.PAYMENT, 402),
    ("401", script.error(401, "authentication_error", "invalid_api_key"), ErrorKind.AUTH, 401),
    ("403", script.error(403, "permission_error"), ErrorKind.AUTH, 403),
    ("400", script.error(400, "invalid_request_error"), ErrorKind.CLIENT, 400),
    ("404", script.error(404, "not_found_error"), ErrorKind.CLIENT, 404),
    ("413", script.error(413, "request_too_large"), ErrorKind.CLIENT, 413),
    ("415", script.error(415), ErrorKind.CLIENT, 415),
    ("422", script.error(422), ErrorKind.CLIENT, 422),
    ("context too long", script.context_too_long(), ErrorKind.CONTEXT_WINDOW, 400),
    ("content policy", script.refused_by_policy(), ErrorKind.CONTENT_POLICY, 400),
    ("408", script.error(408), ErrorKind.SERVER, 408),
    ("409", script.error(409), ErrorKind.SERVER, 409),
    ("500", script.error(500, "api_error"), ErrorKind.SERVER, 500),
    ("502", script.error(502), ErrorKind.SERVER, 502),
    ("503 with seconds", script.error(503, retry_after="3"), ErrorKind.SERVER, 503),
    ("504", script.error(504), ErrorKind.SERVER, 504),
    ("529", script.error(529, "overloaded_error"), ErrorKind.SERVER, 529),
    ("stall before headers", script.stalls(before_headers=True), ErrorKind.TIMEOUT, None),
    ("stall after headers", script.stalls(), ErrorKind.TIMEOUT, None),
    ("stall in the body", script.stalls(after=30), ErrorKind.TIMEOUT, None),
    ("disconnect before headers", script.disconnects(before_headers=True), ErrorKind.CONNECT, None),
    ("disconnect in the body", script.disconnects(after=30), ErrorKind.TRUNCATED, 200),
    ("no JSON", script.malformed(), ErrorKind.MALFORMED, 200),
    ("half the JSON", script.cut_short(), ErrorKind.MALFORMED, 200),
    ("no choice", script.empty(), ErrorKind.MALFORMED, 200),
    ("no finish reason", script.no_finish(), ErrorKind.TRUNCATED, 200),
    ("an error in a 200", script.error_in_200("overloaded_error"), ErrorKind.SERVER, 200),
    ("redirect", script.redirects("http://127.0.0.1:1/elsewhere"), ErrorKind.MALFORMED, 302),
]


async def fault_of(wire: Wire, double: doubles.Double, timeouts: Timeouts = ROOMY) -> Fault:
    with pytest.raises(Failed) as failed:
        await wire.complete(double, timeouts=timeouts)
    return failed.value.fault


@pytest.mark.parametrize(("act", "kind", "status"), [case[1:] for case in FAULTS], ids=[case[0] for case in FAULTS])
async def test_each_fault_has_its_kind_and_is_met_once(wire, act, kind, status):
    async with doubles.provider(act) as double:
        fault = await fault_of(wire, double, patience(kind))

        assert (fault.kind, fault.http_status) == (kind, status)
        assert fault.message
        assert len(double.requests) == 1  # the SDK has not tried again
        assert asyncio.all_tasks() - double.connections == {asyncio.current_task()}  # and has left nothing running


async def test_nobody_listening_is_no_connection(wire):
    async with doubles.provider() as double:
        pass  # its port is free again
    fault = await fault_of(wire, double)

    assert (fault.kind, fault.http_status) == (ErrorKind.CONNECT, None)


async def test_a_server_without_the_tls_that_was_asked_for_is_no_connection(wire):
    async with doubles.provider() as double:
        url = wire.endpoint(double).base_url.replace("http:", "https:")
        brief = replace(ROOMY, connect_s=0.5)  # it never says anything: whatever the time, all of it is waited
        with pytest.raises(Failed) as failed:
            await wire.adapter.complete(wire.endpoint(double, base_url=url), REQUEST, brief)

    assert failed.value.fault.kind is ErrorKind.CONNECT
    assert double.requests == []


async def test_what_a_server_says_of_itself_fits_any_row(wire):
    hostile = "\0\ud800" + "m" * 5000
    act = script.answer(read=10**15, written=10**15)
    async with doubles.provider(act, script.error(400, hostile, hostile, hostile)) as double:
        request = replace(REQUEST, max_tokens=50)
        answer = await wire.adapter.complete(wire.endpoint(double, upstream_id="\0" + "m" * 5000), request, ROOMY)
        fault = await fault_of(wire, double)

    assert answer.served_model == "?" + "m" * 199
    assert answer.usage.input_tokens == answer.usage.output_tokens == 2**31 - 1
    assert len(fault.message) == 2000
    assert len(fault.code) == 120
    assert not {"\0", "\ud800"} & set(fault.message + fault.code)


async def test_a_key_that_no_header_can_carry_is_a_configuration_error_that_does_not_quote_it(wire):
    async with doubles.provider() as double:
        with pytest.raises(Failed) as failed:
            await wire.adapter.complete(wire.endpoint(double, secret=Secret(CANARY + "\n")), REQUEST, ROOMY)

    assert failed.value.fault.kind is ErrorKind.CONFIG
    assert CANARY not in repr(failed.value.fault)
    assert double.requests == []


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("7", 7, 7),
        ("0.25", 0.25, 0.25),
        (lambda: format_datetime(datetime.now(UTC) + timedelta(seconds=3600), usegmt=True), 3000, 3600),
        (lambda: format_datetime(datetime.now(UTC) - timedelta(seconds=60), usegmt=True), 0, 0),
    ],
    ids=["seconds", "a part of one", "a date", "a date gone by"],
)
async def test_a_429_says_how_long_to_rest(wire, header, low, high):
    said = (
        header() if callable(header) else header
    )  # a date is one of the moment it is sent, not of the test's collection
    async with doubles.provider(script.rate_limited(said)) as double:
        fault = await fault_of(wire, double)

    assert fault.retry_after_s is not None
    assert low <= fault.retry_after_s <= high


@pytest.mark.parametrize("header", [None, "soon", "nan", "inf"])
async def test_a_429_that_says_nothing_readable_asks_for_nothing(wire, header):
    async with doubles.provider(script.rate_limited(header)) as double:
        assert (await fault_of(wire, double)).retry_after_s is None


async def test_milliseconds_are_read_first(wire):
    act = script.error(429, retry_after="9", retry_after_ms="1500")
    async with doubles.provider(act) as double:
        assert (await fault_of(wire, double)).retry_after_s == 1.5


async def test_a_clients_error_keeps_the_providers_own_words(wire):
    act = script.error(400, "invalid_request_error", "unknown_parameter", "Unknown parameter: 'frequenzy'.")
    async with doubles.provider(act) as double:
        fault = await fault_of(wire, double)

    assert fault.message == "Unknown parameter: 'frequenzy'."
    assert fault.body["error"]["message"] == "Unknown parameter: 'frequenzy'."
    assert fault.code in ("unknown_parameter", "invalid_request_error")


async def test_a_server_that_quotes_the_key_does_not_give_it_away(wire, caplog):
    caplog.set_level("DEBUG")
    act = script.error(401, "authentication_error", "", f"Incorrect API key provided: {CANARY}.")
    async with doubles.provider(act) as double:
        fault = await fault_of(wire, double)

    assert CANARY in double.requests[0].headers["authorization"]  # it did go to the provider
    assert CANARY not in repr(fault) + repr(wire.endpoint(double)) + caplog.text


async def test_no_log_at_debug_holds_the_prompt(wire, caplog):
    caplog.set_level("DEBUG")
    async with doubles.provider() as double:
        await wire.complete(double)

    assert "Say it." in str(double.bodies[0])
    assert "Say it." not in caplog.text


async def test_the_environment_adds_nothing(wire, monkeypatch):
    async with doubles.provider() as double, doubles.provider() as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        for vendor in ("OPENAI", "ANTHROPIC"):
            monkeypatch.setenv(f"{vendor}_API_KEY", "sk-ambient")
            monkeypatch.setenv(f"{vendor}_BASE_URL", proxy.url)
            monkeypatch.setenv(f"{vendor}_CUSTOM_HEADERS", "Authorization: Bearer sk-ambient\nX-Ambient: yes")
        monkeypatch.setenv("OPENAI_ORG_ID", "org-ambient")
        monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-ambient")
        monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "sk-ambient")
        await wire.complete(double)

    assert proxy.requests == []
    assert double.requests[0].headers["authorization"] == f"Bearer {CANARY}"
    assert "ambient" not in str(double.requests[0].headers)


async def test_a_server_without_a_key_is_sent_none(wire):
    async with doubles.provider() as double:
        await wire.adapter.complete(wire.endpoint(double, secret=None), REQUEST, ROOMY)

    assert not {"authorization", "x-api-key"} & double.requests[0].headers.keys()


async def test_cookies_of_one_credential_do_not_travel_with_another(wire):
    act = script.answer(headers={"set-cookie": "session=1; Path=/"})
    async with doubles.provider(act) as double:
        await wire.complete(double)
        await wire.complete(double)

    assert "cookie" not in double.requests[1].headers


async def test_two_credentials_share_connections_and_nothing_else(wire):
    async with doubles.provider() as double:
        await wire.complete(double)
        await wire.adapter.complete(wire.endpoint(double, secret=Secret("sk-other")), REQUEST, ROOMY)

        assert [seen.headers["authorization"] for seen in double.requests] == [f"Bearer {CANARY}", "Bearer sk-other"]
        assert len(double.connections) == 1


async def test_the_checked_address_is_connected_to_whatever_the_name_says(wire):
    async with doubles.provider() as double:
        url = wire.endpoint(double).base_url.replace("127.0.0.1", "nowhere.invalid")
        endpoint = wire.endpoint(double, base_url=url, address="127.0.0.1")
        await wire.adapter.complete(endpoint, REQUEST, ROOMY)

    assert double.requests[0].headers["host"].startswith("nowhere.invalid:")


async def test_upstreams_that_are_long_unused_are_closed(wire, monkeypatch):
    monkeypatch.setattr(pool, "MAX_UPSTREAMS", 2)
    async with doubles.provider() as double:
        for address in ("127.0.0.1", "127.0.0.1", None, "::ffff:127.0.0.1"):
            await wire.adapter.complete(wire.endpoint(double, address=address), REQUEST, ROOMY)

        await double.until(lambda: len(double.connections) == 2)
        assert len(double.requests) == 4


async def test_a_cancel_ends_the_providers_request_at_once(wire):
    async with doubles.provider(script.stalls(before_headers=True)) as double:
        task = asyncio.create_task(wire.complete(double, timeouts=Timeouts()))
        await double.until(lambda: bool(double.requests))
        cancelled_at = time.perf_counter()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await double.until(lambda: double.cancelled == 1)

        assert time.perf_counter() - cancelled_at < 0.25


async def test_an_answer_without_end_is_cut_off(wire, monkeypatch):
    monkeypatch.setattr(exchange, "MAX_ANSWER_BYTES", 1000)
    async with doubles.provider(script.answer("x" * 2000)) as double:
        fault = await fault_of(wire, double)

    assert (fault.kind, fault.message) == (ErrorKind.MALFORMED, "the answer is longer than 1,000 bytes")


async def test_broken_compression_is_malformed(wire):
    async with doubles.provider(script.answer(headers={"content-encoding": "gzip"})) as double:
        assert (await fault_of(wire, double)).kind is ErrorKind.MALFORMED


async def test_a_slow_writer_that_keeps_writing_is_let_finish(wire):
    """The wait for a first byte counts the writing too: 4,096 tokens at 35 a second, not first_token_s alone."""
    slow = script.answer(delay_s=0.3)
    async with doubles.provider(slow) as double:
        answer = await wire.complete(double, replace(REQUEST, max_tokens=None))

    assert answer.output == "It works."


async def test_closing_leaves_no_connection(wire):
    async with doubles.provider() as double:
        await wire.complete(double)
        assert len(double.connections) == 1
        await pool.close_all()
        await double.until(lambda: not double.connections)


async def test_models_are_discovered_and_a_ping_costs_nothing(wire):
    async with doubles.provider() as double:
        assert await wire.adapter.models(wire.endpoint(double), ROOMY) == (Discovered("double-1"),)
        await wire.adapter.ping(wire.endpoint(double), ROOMY)

    assert {seen.method for seen in double.requests} == {"GET"}


async def test_a_ping_with_a_refused_key_says_so(wire):
    async with doubles.provider(script.error(401)) as double:
        with pytest.raises(Failed) as failed:
            await wire.adapter.ping(wire.endpoint(double), ROOMY)

    assert failed.value.fault.kind is ErrorKind.AUTH


async def test_text_that_is_not_unicode_is_the_callers_error(wire):
    async with doubles.provider() as double:
        with pytest.raises(Failed) as failed:
            await wire.complete(double, replace(REQUEST, messages=[Message("user", "\ud800")]))

    assert failed.value.fault.kind is ErrorKind.CLIENT
    assert double.requests == []
