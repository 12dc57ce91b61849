"""The exchange with a token endpoint, against Authlib's server on loopback."""

import asyncio
import json
import logging
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from routing.providers import oauth
from routing.providers.oauth import Denied, Grant, GrantKind, Token, Unavailable
from routing.terms.secret import Secret
from tests.doubles.tokens import CLIENT_ID, CLIENT_SECRET, TokenServer, Wrong, token_server

CLIENT = GrantKind.CLIENT_CREDENTIALS


def refreshing(server: TokenServer, token: str, secret: str | None = CLIENT_SECRET) -> Grant:
    return Grant(
        server.url,
        CLIENT_ID,
        GrantKind.REFRESH_TOKEN,
        client_secret=Secret(secret) if secret is not None else None,
        refresh_token=Secret(token),
    )


def exchange(grant: Grant) -> Token:
    return asyncio.run(oauth.exchange(grant, urlsplit(grant.token_url).hostname or ""))


def said(body: object, status: int = 200, **headers: str) -> Wrong:
    return Wrong(status, json.dumps(body).encode(), {name.replace("_", "-"): value for name, value in headers.items()})


def test_a_refresh_token_is_exchanged_once_and_comes_back_as_another() -> None:
    with token_server(expires_in=120) as server:
        shown = server.sign_in()
        first = exchange(refreshing(server, shown))
        assert first.access_token.reveal() == server.issued[0]
        assert first.lifetime_s == 120
        assert first.refresh_token is not None
        assert exchange(refreshing(server, first.refresh_token.reveal())).access_token.reveal() == server.issued[1]
        with pytest.raises(Denied) as denied:
            exchange(refreshing(server, shown))
        assert denied.value.code == "invalid_grant"


def test_a_server_that_does_not_rotate_leaves_the_refresh_token_as_it_is() -> None:
    with token_server(rotates=False) as server:
        assert exchange(refreshing(server, server.sign_in())).refresh_token is None


@pytest.mark.parametrize(
    ("secret", "auth", "in_body"),
    [
        (CLIENT_SECRET, "client_secret_basic", False),
        (CLIENT_SECRET, "client_secret_post", True),
        (None, "none", False),
    ],
    ids=["basic", "post", "public"],
)
def test_a_client_shows_itself_as_the_server_wants_it(secret: str | None, auth: str, in_body: bool) -> None:
    with token_server(secret=secret, auth=(auth,)) as server:
        grant = replace(refreshing(server, server.sign_in(), secret), secret_in_body=in_body)
        assert exchange(grant).access_token.reveal() in server.issued
        assert ("client_secret" in server.requests[0]) == in_body


def test_client_credentials_carry_scope_and_audience_where_they_are_set() -> None:
    with token_server() as server:
        grant = Grant(server.url, CLIENT_ID, CLIENT, client_secret=Secret(CLIENT_SECRET))
        assert exchange(grant).refresh_token is None
        exchange(replace(grant, scope="models read", audience="https://api.example"))
        assert server.requests == [
            {"grant_type": "client_credentials"},
            {"grant_type": "client_credentials", "scope": "models read", "audience": "https://api.example"},
        ]


def test_a_wrong_client_secret_is_denied() -> None:
    with token_server() as server, pytest.raises(Denied, match="invalid_client"):
        exchange(Grant(server.url, CLIENT_ID, CLIENT, client_secret=Secret("another")))


@pytest.mark.parametrize(
    ("told", "lifetime_s"),
    [
        *((None, None), ("3600", 3600.0), (3600.5, 3600.5), (10**12, oauth.LONGEST_LIFE_S)),
        *((0, None), (-5, None), (True, None), ("soon", None), ("NaN", None), (10**400, None)),
    ],
)
def test_a_lifetime_is_what_can_be_read_as_one(told: object, lifetime_s: float | None) -> None:
    body = {"access_token": "a", "token_type": "bearer", "expires_in": told}
    with token_server() as server:
        server.will(said(body))
        assert exchange(refreshing(server, "r")).lifetime_s == lifetime_s


def test_a_server_that_does_not_say_how_long_gives_a_token_without_an_end() -> None:
    with token_server(expires_in=None) as server:
        assert exchange(refreshing(server, server.sign_in())).lifetime_s is None


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (Wrong(503, b"<html>", {"Retry-After": "7"}), "answered 503"),
        (said({"error": "temporarily_unavailable"}, 400), "temporarily_unavailable"),
        (said({"error": "invalid_grant"}, 500), "answered 500"),  # a server that is broken knows nothing for sure
        (said({"error": "slow_down"}, 429), "answered 429"),
        (Wrong(302, b"", {"Location": "http://127.0.0.1:1/"}), "redirect"),
        (Wrong(200, b"no json"), "no access token"),
        (Wrong(200, b"[" * 100_000), "no access token"),
        (Wrong(200, b"x" * (oauth.MAX_BYTES + 1)), "longer than"),
        (said({"token_type": "bearer"}), "no access token"),
        (said({"access_token": "a", "token_type": "mac"}), "no bearer token"),
        (said({"access_token": "a\r\nX-Evil: 1"}), "no access token"),
        (said({"access_token": "a" * (oauth.MAX_TOKEN_CHARS + 1)}), "no access token"),
        (said({"access_token": ["a"]}), "no access token"),
    ],
)
def test_what_may_pass_is_no_denial(wrong: Wrong, words: str) -> None:
    with token_server() as server:
        server.will(wrong)
        with pytest.raises(Unavailable, match=words) as unavailable:
            exchange(refreshing(server, "r"))
        assert unavailable.value.retry_after_s == (7 if "Retry-After" in wrong.headers else None)
        assert len(server.requests) == 1  # no redirect was followed, nothing was tried twice


def test_a_denial_with_a_200_is_one_and_quotes_nothing_that_was_shown() -> None:
    with token_server() as server:
        server.will(said({"error": "invalid_grant", "error_description": "refresh-canary-9 was revoked\0"}))
        with pytest.raises(Denied) as denied:
            exchange(refreshing(server, "refresh-canary-9"))
        assert str(denied.value) == "invalid_grant: … was revoked?"


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with token_server() as server:
        gone = refreshing(server, "r")
    with pytest.raises(Unavailable, match="cannot be reached"):
        exchange(gone)


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oauth, "TOTAL_S", 0.2)
    with token_server() as server:
        server.gate.clear()
        with pytest.raises(Unavailable):
            exchange(refreshing(server, "r"))


def test_it_connects_to_the_checked_address_and_nowhere_else() -> None:
    with token_server() as server:
        port = urlsplit(server.url).port
        named = replace(refreshing(server, server.sign_in()), token_url=f"http://tokens.invalid:{port}/token")
        assert asyncio.run(oauth.exchange(named, "127.0.0.1")).access_token.reveal() in server.issued


def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with token_server() as server:
        assert exchange(refreshing(server, server.sign_in())).access_token.reveal() in server.issued


def test_nothing_secret_is_logged_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("authlib").setLevel(logging.WARNING)  # the double itself tells what it gives
    for name in ("httpx2", "httpcore2"):
        monitored = logging.getLogger(name)
        monitored.setLevel(logging.DEBUG)
    with token_server() as server:
        token = exchange(refreshing(server, server.sign_in()))
    seen = caplog.text + repr(token)
    assert "canary" not in seen
    assert token.access_token.reveal() not in seen
