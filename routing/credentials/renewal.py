"""OAuth tokens, asked for anew ahead of their end. Of all processes one asks: it holds the row's lease, taken by compare-and-set.

A token server's definite no makes the credential not ready and tells a person what to do. Anything else is tried again, ever more
slowly, while the old token is used up to its end.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from routing import alerts, credentials, upstreams
from routing.credentials import material
from routing.credentials.material import Material
from routing.models import Credential
from routing.providers import oauth
from routing.providers.oauth import Denied, Grant, Token, Unavailable
from routing.secrets import Unreadable
from routing.terms.words import CredentialKind, Severity
from routing.versions import bump_state

LEASE = timedelta(seconds=3 * oauth.TOTAL_S)  # a process that died while it asked gives the lease up after that
AHEAD_SHARE = 0.2  # of a token's life: it is renewed when so much is left …
AHEAD_S = 60.0  # … or this, where that is more; a token that lives no two minutes is renewed at half its life
FIRST_WAIT_S, LONGEST_WAIT_S = 5.0, 300.0  # between two tries of a server that does not answer
LONGEST_ASKED_S = 3600.0  # whatever its Retry-After says
WORRYING = 3  # failures in a row after which a person is told, although the old token is still good

_ADVICE = {
    "invalid_grant": "sign in again and store the new refresh token",
    "interaction_required": "sign in again and store the new refresh token",
    "login_required": "sign in again and store the new refresh token",
    "consent_required": "sign in again and store the new refresh token",
    "access_denied": "sign in again and store the new refresh token",
    "invalid_client": "check the client_id, and store the client's secret anew",
    "unauthorized_client": "allow this grant for the client at the token server, or change the credential's grant",
    "unsupported_grant_type": "change the credential's grant",
    "invalid_scope": "change the credential's scope",
    "invalid_target": "change the credential's audience",
    "invalid_request": "compare the credential's oauth fields with what the token server asks for",
}

logger = logging.getLogger(__name__)

Keep = Callable[[Callable[[], bool]], bool]  # runs what writes an outcome; may try again while PostgreSQL is away


@dataclass(frozen=True, slots=True)
class Taken:
    """A renewal that this process alone may make."""

    pk: int
    label: str  # "openai/main"
    held: Material
    grant: Grant
    address: str  # of the token server, checked
    begun: datetime


def renew_due(now: datetime | None = None, keep: Keep = lambda write: write()) -> int:
    """Ask for every token that is due and that no other process is asking for; how many were asked for."""
    moment = now or timezone.now()
    asked = 0
    for row in _due(moment):
        asked += renew(row, now or timezone.now(), keep)
    return asked


def renew_now(provider: str, name: str, now: datetime | None = None) -> bool:
    """Ask for a token whether it is due or not; False when another process is asking, or there is nothing to ask with."""
    rows = Credential.objects.select_related("provider").filter(provider__slug=provider, name=name)
    row = rows.filter(kind=CredentialKind.OAUTH).first()
    return row is not None and renew(row, now or timezone.now())


def renew(row: Credential, now: datetime, keep: Keep = lambda write: write()) -> bool:
    """Ask for the row's token, and keep what became of it; False when another process is asking or has asked."""
    try:
        taken = _take(row, now)
    except upstreams.Refused as error:
        return _put_off(row, f"the token server's address: {error}", now)
    if taken is None:
        return False
    try:
        token = asyncio.run(oauth.exchange(taken.grant, taken.address))
    except Denied as error:
        denied = error
        keep(lambda: _stop(taken, denied))
    except Unavailable as error:
        problem, wait_s = f"the token server: {error}", error.retry_after_s
        keep(lambda: _wait(taken, problem, wait_s))
    else:
        keep(lambda: _renewed(taken, token))
    return True


def refresh_at(begun: datetime, lifetime_s: float | None) -> datetime | None:
    """When to ask for the next token; None for one whose end nobody told."""
    if lifetime_s is None:
        return None
    ahead_s = min(max(lifetime_s * AHEAD_SHARE, AHEAD_S), lifetime_s / 2)
    return begun + timedelta(seconds=lifetime_s - ahead_s)


def wait_s(failures: int, asked_s: float | None = None) -> float:
    """Seconds to the next try after so many failures in a row; never less than the server asked for, an hour at most."""
    own = min(FIRST_WAIT_S * 2.0 ** min(failures - 1, 10), LONGEST_WAIT_S)
    return max(own, min(asked_s or 0.0, LONGEST_ASKED_S))


def _due(now: datetime) -> Iterator[Credential]:
    rows = Credential.objects.select_related("provider").filter(kind=CredentialKind.OAUTH, provider__enabled=True)
    free = Q(leased_until=None) | Q(leased_until__lt=now)
    soon = Q(refresh_at__lte=now) | Q(refresh_at=None, ready=True)
    return (row for row in rows.filter(free & soon).order_by("pk") if row.refresh_at is not None or _has_none(row, now))


def _has_none(row: Credential, now: datetime) -> bool:
    """Whether there is no token, or it ends soon, although nobody planned a renewal: the environment names what to ask with, or a reset."""
    try:
        held = material.of(row)
    except Unreadable:
        return False
    ends_soon = row.expires_at is not None and row.expires_at <= now + timedelta(seconds=AHEAD_S)
    return held.access_token is None or ends_soon


def _take(row: Credential, now: datetime) -> Taken | None:
    """The lease, if it is free and the row is as it was read. Raises Refused for an address that must not be called."""
    try:
        held = material.of(row)
    except Unreadable:
        return None
    grant = material.grant(row, held)
    if grant is None:
        return None
    address = upstreams.pin(grant.token_url).address  # before the lease: a resolver may be slow
    return Taken(row.pk, _label(row), held, grant, address, now) if _lease(row, now) else None


def _lease(row: Credential, now: datetime) -> bool:
    """Compare-and-set: who comes second finds another lease, or the row already renewed."""
    return _same(row, now).update(leased_until=now + LEASE) == 1


def _same(row: Credential, now: datetime) -> QuerySet[Credential]:
    """The row, if it is as it was read and nobody holds its lease."""
    free = Q(leased_until=None) | Q(leased_until__lt=now)
    return Credential.objects.filter(free, pk=row.pk, refresh_at=row.refresh_at, secret=row.secret)


def _renewed(taken: Taken, token: Token) -> bool:
    with transaction.atomic():
        row = _still(taken)
        if row is None:
            return False
        life_s = token.lifetime_s
        row.secret = material.sealed(material.renewed(taken.held, token))
        row.expires_at = None if life_s is None else taken.begun + timedelta(seconds=life_s)
        # One that a person must see to stays as it is: a token alone does not lift a 403.
        is_ready = row.ready or row.refresh_at is not None
        row.refresh_at = refresh_at(taken.begun, life_s)
        row.refresh_failures, row.problem = 0, ""
        if is_ready:
            row.ready, row.not_ready_reason = True, ""
            alerts.resolve(credentials.alert_key(row.provider.slug, row.name))
        _save(row)
    logger.info("%s: a new token, good until %s", taken.label, row.expires_at or "the provider refuses it")
    return True


def _stop(taken: Taken, error: Denied) -> bool:
    """The definite no: not ready until a person has seen to it."""
    with transaction.atomic():
        row = _still(taken)
        if row is None:
            return False
        advice = _ADVICE.get(error.code, _ADVICE["invalid_request"])
        reason = f"the token server refuses it ({error.code}); {advice}"
        row.ready, row.not_ready_reason, row.refresh_at = False, reason[:300], None
        row.refresh_failures, row.problem, row.checked_at = 0, "", timezone.now()
        credentials.raise_alert(
            row.provider.slug,
            row.name,
            f"The OAuth credential {taken.label} is not renewed any more: {advice}",
            f"{taken.grant.token_url} answered {error}",
        )
        _save(row)
    logger.warning("%s: %s", taken.label, reason)
    return True


def _wait(taken: Taken, problem: str, asked_s: float | None) -> bool:
    """No token this time. The old one is used to its end."""
    with transaction.atomic():
        row = _still(taken)
        if row is None:
            return False
        _postpone(row, problem, asked_s, taken.begun)
    logger.warning("%s: %s; next try at %s", taken.label, problem, row.refresh_at)
    return True


def _put_off(row: Credential, problem: str, now: datetime) -> bool:
    """As `_wait`, where nothing was asked because nothing may be."""
    with transaction.atomic():
        locked = _same(row, now).select_for_update(of=("self",)).select_related("provider").first()
        if locked is not None:
            _postpone(locked, problem, None, now)
    return locked is not None


def _postpone(row: Credential, problem: str, asked_s: float | None, now: datetime) -> None:
    row.refresh_failures += 1
    row.refresh_at = now + timedelta(seconds=wait_s(row.refresh_failures, asked_s))
    row.problem = f"{problem}; tried {row.refresh_failures} times"[:300] if row.refresh_failures > 1 else problem[:300]
    has_ended = not row.ready or row.expires_at is None or row.expires_at <= now
    if has_ended or row.refresh_failures >= WORRYING:
        credentials.raise_alert(
            row.provider.slug,
            row.name,
            f"The OAuth credential {_label(row)} cannot be renewed",
            f"{row.problem}. Cortex keeps trying; see that {row.oauth['token_url']} answers.",
            Severity.WARNING,
        )
    _save(row)


def _still(taken: Taken) -> Credential | None:
    """The row, locked, if what was shown is still what it holds: whoever stored or forgot a secret meanwhile wins."""
    rows = Credential.objects.select_for_update(of=("self",)).select_related("provider")
    row = rows.filter(pk=taken.pk).first()
    if row is None:
        return None
    try:
        held = material.of(row)
    except Unreadable:
        return None
    return row if held == taken.held and material.grant(row, held) == taken.grant else None


def _save(row: Credential) -> None:
    row.leased_until = None
    row.save()
    bump_state()


def _label(row: Credential) -> str:
    return f"{row.provider.slug}/{row.name}"
