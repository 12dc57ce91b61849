"""Ways into the providers: which are ready, why the others are not, and their material, decrypted in memory only.

access      whether one can be used now, and why not
material    what is inside the encrypted column
renewal     OAuth tokens, asked for anew ahead of their end by one process only
background  the thread of a web worker that does so
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from routing import alerts, audit
from routing.audit import Actor
from routing.credentials import material
from routing.credentials.access import Access, access_of, secret_of, told
from routing.credentials.material import Material
from routing.models import Credential, Provider
from routing.secrets import Unreadable
from routing.terms.secret import Secret
from routing.terms.words import CredentialKind, Severity
from routing.versions import bump_state

__all__ = [
    "EMPTY",
    "USABLE",
    "Access",
    "Given",
    "Unknown",
    "alert_key",
    "clear",
    "mark_not_ready",
    "mark_ready",
    "material_now",
    "raise_alert",
    "read",
    "read_all",
    "ready_credentials",
    "refused",
    "reveal",
    "store",
    "store_all",
    "told",
]

# A token that is refused so soon after the one before it was: another would be refused as well.
REFUSED_AGAIN = timedelta(minutes=2)
# What is left of a row when what it held must not be used any more.
EMPTY = {
    "secret": None,
    "expires_at": None,
    "refresh_at": None,
    "leased_until": None,
    "refresh_failures": 0,
    "problem": "",
    "refused_at": None,
}
# Nothing stands against it.
USABLE = {"ready": True, "not_ready_reason": "", "refresh_failures": 0, "problem": "", "refused_at": None}


class Unknown(LookupError):
    """A credential that does not exist."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a document or a person brings for one credential."""

    secret: Secret | None = None  # an API key, a refresh token or, of client_credentials, the client's secret
    client_secret: Secret | None = None  # beside a refresh token, of a client that has one

    def __bool__(self) -> bool:
        return self.secret is not None or self.client_secret is not None

    @classmethod
    def out_of(cls, part: dict[str, Any]) -> "Given":
        """What a part of a document brings, taken out of it."""
        secret, client_secret = (part.pop(name, None) for name in (material.SECRET, material.CLIENT_SECRET))
        return cls(Secret(secret) if secret else None, Secret(client_secret) if client_secret else None)


def read_all(now: datetime | None = None) -> tuple[Access, ...]:
    """Every credential with its readiness, by provider and priority. One query; secrets are decrypted here and nowhere else."""
    moment = now or timezone.now()
    rows = Credential.objects.select_related("provider").order_by("provider__slug", "priority", "name")
    return tuple(access_of(row, moment) for row in rows)


def ready_credentials(now: datetime | None = None) -> tuple[Access, ...]:
    """The credentials that a call may use."""
    return tuple(access for access in read_all(now) if access.ready)


def read(provider: str, name: str, now: datetime | None = None) -> Access:
    """One credential with its readiness. Raises Unknown."""
    return access_of(_row(provider, name), now or timezone.now())


def reveal(provider: str, name: str) -> Secret:
    """The material of one ready credential. Raises Unknown when there is none, or it is not ready."""
    access = read(provider, name)
    if access.secret is None:
        raise Unknown(f"The credential {provider}/{name} is not ready: {access.reason}.")
    return access.secret


def material_now(provider: str, name: str, now: datetime | None = None) -> tuple[Secret | None, str]:
    """The secret even of one that is marked not ready, as a test needs it; or why there is none. Raises Unknown."""
    return secret_of(_row(provider, name), now or timezone.now())


@transaction.atomic
def store(provider: str, name: str, given: Given | str, *, by: Actor) -> None:
    """Keep what is given encrypted, and speak to the provider for real from now on. The audit event tells that, never what.

    OAuth asks for a token with it at once. Raises Unknown.
    """
    row = _row(provider, name, lock=True)
    given = Given(Secret(given)) if isinstance(given, str) else given
    row.secret = material.sealed(_with(row, given))
    refresh_at = timezone.now() if row.kind == CredentialKind.OAUTH else None
    _set(row, **USABLE, secret=row.secret, checked_at=None, expires_at=None, refresh_at=refresh_at, leased_until=None)
    Provider.objects.filter(pk=row.provider_id).update(simulate=False)
    alerts.resolve(alert_key(provider, name))
    audit.write("credential.store", f"credential:{provider}/{name}", by=by)
    bump_state()


def store_all(secrets: Mapping[tuple[str, str], Given], *, by: Actor) -> None:
    """Store what a document brought, by (provider, name)."""
    for (provider, name), given in secrets.items():
        store(provider, name, given, by=by)


@transaction.atomic
def clear(provider: str, name: str, *, by: Actor) -> None:
    """Forget the stored secret. Raises Unknown."""
    _set(_row(provider, name, lock=True), **EMPTY)
    audit.write("credential.clear", f"credential:{provider}/{name}", by=by)
    bump_state()


@transaction.atomic
def refused(
    provider: str,
    name: str,
    reason: str,
    *,
    status: int | None = None,
    shown: Secret | None = None,
    now: datetime | None = None,
) -> bool:
    """After a 401 or 403; True when a person must now see to it, so that one of many callers raises the alert.

    `shown` is what was refused: a credential that has another secret by now is left alone. A 401 of an OAuth token is mended by a new
    one, asked for at once; the second 401 in REFUSED_AGAIN is not.
    """
    moment = now or timezone.now()
    row = Credential.objects.select_for_update(of=("self",)).select_related("provider")
    found = row.filter(provider__slug=provider, name=name, ready=True).first()
    if found is None or (shown is not None and secret_of(found, moment)[0] != shown):
        return False
    is_first = found.refused_at is None or found.refused_at + REFUSED_AGAIN < moment
    if status == 401 and is_first and _is_renewable(found):
        told = f"{reason[:240]}; a new token is being asked for"
        _set(found, ready=False, not_ready_reason=told, checked_at=moment, refused_at=moment, refresh_at=moment)
        bump_state()
        return False
    return mark_not_ready(provider, name, reason)


def mark_not_ready(provider: str, name: str, reason: str) -> bool:
    """Until a person has seen to it; True when it was ready until now."""
    changed = Credential.objects.filter(provider__slug=provider, name=name, ready=True).update(
        ready=False, not_ready_reason=reason[:300], checked_at=timezone.now(), refresh_at=None
    )
    if changed:
        bump_state()
    return bool(changed)


def mark_ready(provider: str, name: str) -> bool:
    """After a successful test; True when it was not ready until now."""
    now = timezone.now()
    here = Credential.objects.filter(provider__slug=provider, name=name)
    changed = here.filter(ready=False).update(**USABLE, checked_at=now)
    if not changed:
        here.update(checked_at=now, refused_at=None)
        return False
    alerts.resolve(alert_key(provider, name))
    bump_state()
    return True


def raise_alert(provider: str, name: str, title: str, detail: str, severity: Severity = Severity.CRITICAL) -> bool:
    """The one alert about this credential, until it is ready again."""
    return alerts.raise_alert(
        alert_key(provider, name),
        kind="credential",
        severity=severity,
        title=title,
        detail=detail,
        subject=f"provider:{provider}",
    )


def alert_key(provider: str, name: str) -> str:
    return f"credential:{provider}/{name}"


def _row(provider: str, name: str, *, lock: bool = False) -> Credential:
    rows = Credential.objects.select_related("provider")
    row = (rows.select_for_update(of=("self",)) if lock else rows).filter(provider__slug=provider, name=name).first()
    if row is None:
        raise Unknown(f"There is no credential {provider}/{name}.")
    return row


def _set(row: Credential, **values: object) -> None:
    for name, value in values.items():
        setattr(row, name, value)
    row.save(update_fields=list(values))


def _with(row: Credential, given: Given) -> Material:
    """What the row is to hold: a new refresh token keeps the client's secret, and the other way round; an access token goes."""
    try:
        old = material.of(row)
    except Unreadable:
        old = Material()
    if row.kind != CredentialKind.OAUTH:
        return Material(secret=given.secret)
    client_secret, entered = given.client_secret or old.client_secret, material.entered_as(row)
    if given.secret is None:
        return replace(old, access_token=None, client_secret=client_secret)
    return replace(old, access_token=None, env="", **{material.CLIENT_SECRET: client_secret, entered: given.secret})


def _is_renewable(row: Credential) -> bool:
    try:
        return material.grant(row, material.of(row)) is not None
    except Unreadable:
        return False
