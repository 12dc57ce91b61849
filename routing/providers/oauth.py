"""One exchange with an OAuth 2.0 token endpoint, by the grants that need no browser (RFC 6749, sections 4.4 and 6).

Over the providers' own HTTP client: pinned to the checked address, no redirects, nothing of the environment. Authlib's client is
built on another HTTP library, which would bring neither of the three.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from math import isfinite
from typing import Any
from urllib.parse import quote

import httpx2

from routing.providers.errors import plain, redacted, retry_after_s
from routing.providers.pool import http_client
from routing.terms.secret import Secret

TOTAL_S = 10.0
CONNECT_S = 5.0
MAX_BYTES = 256 * 1024
MAX_TOKEN_CHARS = 32_768
LONGEST_LIFE_S = 10 * 365 * 86_400.0
MESSAGE_CHARS = 200

# What no waiting helps: RFC 6749 section 5.2, RFC 8707, and what OpenID providers say when a person must sign in again.
FINAL_CODES = frozenset(
    {
        *("invalid_grant", "invalid_client", "invalid_request", "invalid_scope", "invalid_target"),
        *("unauthorized_client", "unsupported_grant_type", "access_denied"),
        *("interaction_required", "login_required", "consent_required"),
    }
)


_TOKEN_LIKE = re.compile(r"[A-Za-z0-9._~+/=-]{24,}")  # no word of a sentence is so long


class GrantKind(StrEnum):
    REFRESH_TOKEN = "refresh_token"  # noqa: S105 - the grant's name in the RFC
    CLIENT_CREDENTIALS = "client_credentials"


@dataclass(frozen=True, slots=True)
class Grant:
    """What is shown to the token server."""

    token_url: str
    client_id: str
    kind: GrantKind
    client_secret: Secret | None = None  # None: a public client
    refresh_token: Secret | None = None
    scope: str = ""
    audience: str = ""
    secret_in_body: bool = False  # False: HTTP Basic, which every server must take


@dataclass(frozen=True, slots=True)
class Token:
    """What it gave."""

    access_token: Secret
    lifetime_s: float | None  # None: the server does not say
    refresh_token: Secret | None = None  # None: the one that was shown stays good


class Denied(Exception):
    """The server's own, definite no: `code` is OAuth's word for it. Asking again changes nothing."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code


class Unavailable(Exception):
    """No token this time; another try may well bring one."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


async def exchange(grant: Grant, address: str) -> Token:
    """A new access token, by one request to the checked address. Raises Denied or Unavailable, and nothing else."""
    try:
        async with asyncio.timeout(TOTAL_S), http_client(address) as client:
            status, headers, raw = await _post(client, grant)
    except TimeoutError:
        raise Unavailable(f"it gave no answer within {TOTAL_S:.0f} s") from None
    except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError) as error:
        raise Unavailable(f"it cannot be reached ({type(error).__name__})") from None
    return _token(grant, status, headers, raw)


async def _post(client: httpx2.AsyncClient, grant: Grant) -> tuple[int, Mapping[str, str], bytes]:
    """Status, headers and the body, cut off where no token is that long."""
    form = _form(grant)
    auth = None
    if grant.client_secret is None or grant.secret_in_body:
        form["client_id"] = grant.client_id
        if grant.client_secret is not None:
            form["client_secret"] = grant.client_secret.reveal()
    else:
        auth = httpx2.BasicAuth(_encoded(grant.client_id), _encoded(grant.client_secret.reveal()))
    raw = b""
    timeout = httpx2.Timeout(TOTAL_S, connect=CONNECT_S)
    accept = {"Accept": "application/json"}
    async with client.stream(
        "POST", grant.token_url, data=form, auth=auth, headers=accept, timeout=timeout
    ) as response:
        async for part in response.aiter_bytes():
            raw += part
            if len(raw) > MAX_BYTES:
                raise Unavailable(f"its answer is longer than {MAX_BYTES:,} bytes")
    return response.status_code, response.headers, raw


def _encoded(part: str) -> str:
    """As section 2.3.1 wants both parts of the Basic header; a space as %20, which servers read that do not know the + of forms."""
    return quote(part, safe="")


def _form(grant: Grant) -> dict[str, str]:
    form = {"grant_type": grant.kind.value}
    if grant.kind is GrantKind.REFRESH_TOKEN and grant.refresh_token is not None:
        form["refresh_token"] = grant.refresh_token.reveal()
    return form | {name: value for name, value in (("scope", grant.scope), ("audience", grant.audience)) if value}


def _token(grant: Grant, status: int, headers: Mapping[str, str], raw: bytes) -> Token:
    body = _object(raw)
    code = body.get("error")
    if code and status < 500 and status != 429:  # some report an error with a 200
        code = plain(code if isinstance(code, str) else "error", 40)
        message = _said(grant, body.get("error_description"))
        if code in FINAL_CODES:
            raise Denied(code, message)
        raise Unavailable(f"it answered {status}, {code}{f': {message}' if message else ''}", _patience(headers))
    if 300 <= status < 400:
        raise Unavailable("it answered with a redirect, which is not followed; token_url must be the final address")
    if status != 200:
        raise Unavailable(f"it answered {status}", _patience(headers))
    return _read(body)


def _read(body: Mapping[str, Any]) -> Token:
    kind = body.get("token_type", "Bearer")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise Unavailable("it gave a token that is no bearer token")
    access = _secret(body.get("access_token"))
    if access is None:
        raise Unavailable("its answer holds no access token")
    return Token(access, _lifetime_s(body.get("expires_in")), _secret(body.get("refresh_token")))


def _secret(value: object) -> Secret | None:
    """A text that can stand in a header; None for anything else."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TOKEN_CHARS:
        return None
    return Secret(value) if value.isascii() and value.isprintable() else None


def _lifetime_s(value: object) -> float | None:
    """Seconds; None for what is no number. A number as text is common enough."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return min(seconds, LONGEST_LIFE_S) if isfinite(seconds) and seconds > 0 else None


def _object(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _said(grant: Grant, description: object) -> str:
    """The server's words, without what it was shown: some quote the token that they refuse, or another that they know of."""
    text = plain(description, 2000) if isinstance(description, str) else ""
    for shown in (grant.client_secret, grant.refresh_token):
        text = redacted(text, shown)
    return _TOKEN_LIKE.sub("…", text)[:MESSAGE_CHARS].strip()


def _patience(headers: Mapping[str, str]) -> float | None:
    return retry_after_s(headers, datetime.now(UTC))
