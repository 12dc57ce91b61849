"""Whether a credential can be used now, and if not, why: read from its row, in words that say what to do."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from routing.credentials import material
from routing.credentials.material import Material
from routing.models import Credential
from routing.policy import moments
from routing.secrets import Unreadable
from routing.terms.secret import Secret
from routing.terms.words import CredentialKind

_MISSING = {
    material.REFRESH_TOKEN: "no refresh token is stored; sign in and store one",
    material.CLIENT_SECRET: "no client secret is stored",
}


@dataclass(frozen=True, slots=True)
class Access:
    """One credential as a snapshot holds it."""

    provider: str  # slug
    name: str
    kind: CredentialKind
    ready: bool
    reason: str  # why it is not ready; "" when it is
    priority: int = 0
    secret: Secret | None = None  # None when not ready
    expires_at: datetime | None = None
    until: datetime | None = None  # of one that is not ready: when it is tried again by itself; None: a person must act
    problem: str = ""  # what keeps a ready one from being renewed


def told(access: Access) -> dict[str, Any]:
    """What status, the API and pages tell of it: all but the secret."""
    return {
        "provider": access.provider,
        "name": access.name,
        "kind": access.kind,
        "ready": access.ready,
        "reason": access.reason or None,
        "until": access.until.isoformat() if access.until else None,
        "expires_at": access.expires_at.isoformat() if access.expires_at else None,
        "problem": access.problem or None,
    }


def access_of(row: Credential, now: datetime) -> Access:
    secret, reason = secret_of(row, now)
    if not row.ready:
        secret, reason = None, row.not_ready_reason or "the provider refused it"
    return Access(
        provider=row.provider.slug,
        name=row.name,
        kind=CredentialKind(row.kind),
        ready=not reason,
        reason=reason,
        priority=row.priority,
        secret=secret,
        expires_at=row.expires_at,
        until=row.refresh_at if reason else None,
        problem="" if reason else row.problem,
    )


def secret_of(row: Credential, now: datetime) -> tuple[Secret | None, str]:
    """The secret, or the reason why there is none. A stored one wins over the environment's: it was entered on purpose."""
    if row.kind == CredentialKind.NONE:
        return None, ""
    try:
        held = material.of(row)
    except Unreadable:
        return None, "its secret was encrypted under a key that is no longer configured"
    if row.kind == CredentialKind.OAUTH:
        return _token(row, held, now)
    if row.expires_at is not None and row.expires_at <= now:
        return None, f"it expired {_told(row.expires_at, now)}"
    if held.secret is not None:
        return held.secret, ""
    return None, f"{row.env} is not set" if row.env else "no secret is stored"


def _token(row: Credential, held: Material, now: datetime) -> tuple[Secret | None, str]:
    if material.grant(row, held) is None and held.access_token is None:
        missing = _MISSING[material.entered_as(row)]
        return None, f"{row.env} is not set" if row.env else missing
    if held.access_token is None:
        return None, row.problem or "its first token is being asked for"
    if row.expires_at is not None and row.expires_at <= now:
        what = row.problem or ("a new token is being asked for" if row.refresh_at else "sign in again")
        return None, f"OAuth credential expired {_told(row.expires_at, now)}; {what}"
    return held.access_token, ""


def _told(moment: datetime, now: datetime) -> str:
    return moments.told(moment, now, timezone.get_default_timezone())
