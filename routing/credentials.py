"""Ways into the providers: which are ready, why the others are not, and their material, decrypted in memory only."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from routing import audit
from routing.audit import Actor
from routing.models import Credential, Provider
from routing.secrets import Unreadable, decrypt, encrypt, rotate
from routing.terms.secret import Secret
from routing.terms.words import CredentialKind
from routing.versions import bump_state


class Unknown(LookupError):
    """A credential that does not exist."""


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


def read_all(now: datetime | None = None) -> tuple[Access, ...]:
    """Every credential with its readiness, by provider and priority. One query; secrets are decrypted here and nowhere else."""
    moment = now or timezone.now()
    rows = Credential.objects.select_related("provider").order_by("provider__slug", "priority", "name")
    return tuple(_access(row, moment) for row in rows)


def ready_credentials(now: datetime | None = None) -> tuple[Access, ...]:
    """The credentials that a call may use."""
    return tuple(access for access in read_all(now) if access.ready)


def reveal(provider: str, name: str) -> Secret:
    """The material of one ready credential. Raises Unknown when there is none, or it is not ready."""
    access = _access(_row(provider, name), timezone.now())
    if access.secret is None:
        raise Unknown(f"The credential {provider}/{name} is not ready: {access.reason}.")
    return access.secret


@transaction.atomic
def store(provider: str, name: str, secret: str, *, by: Actor) -> None:
    """Keep the secret encrypted, and speak to the provider for real from now on. The audit event tells that, never what."""
    row = _row(provider, name)
    row.secret = encrypt(json.dumps({"secret": secret}))
    row.ready, row.not_ready_reason, row.checked_at, row.expires_at = True, "", None, None
    row.save(update_fields=["secret", "ready", "not_ready_reason", "checked_at", "expires_at"])
    Provider.objects.filter(pk=row.provider_id).update(simulate=False)
    audit.write("credential.store", f"credential:{provider}/{name}", by=by)
    bump_state()


def store_all(secrets: Mapping[tuple[str, str], str], *, by: Actor) -> None:
    """Store what a document brought, by (provider, name)."""
    for (provider, name), secret in secrets.items():
        store(provider, name, secret, by=by)


@transaction.atomic
def clear(provider: str, name: str, *, by: Actor) -> None:
    """Forget the stored secret. Raises Unknown."""
    row = _row(provider, name)
    row.secret, row.expires_at = None, None
    row.save(update_fields=["secret", "expires_at"])
    audit.write("credential.clear", f"credential:{provider}/{name}", by=by)
    bump_state()


def mark_not_ready(provider: str, name: str, reason: str) -> bool:
    """After a 401 or 403; True when it was ready until now, so that one of many callers raises the alert."""
    changed = Credential.objects.filter(provider__slug=provider, name=name, ready=True).update(
        ready=False, not_ready_reason=reason[:300], checked_at=timezone.now()
    )
    if changed:
        bump_state()
    return bool(changed)


def mark_ready(provider: str, name: str) -> bool:
    """After a successful test or a reset; True when it was not ready until now."""
    changed = Credential.objects.filter(provider__slug=provider, name=name, ready=False).update(
        ready=True, not_ready_reason="", checked_at=timezone.now()
    )
    if changed:
        bump_state()
    return bool(changed)


@transaction.atomic
def rotate_all(*, by: Actor) -> int:
    """Re-encrypt every stored secret under the newest key; how many there were. Raises Unreadable, and then changes none."""
    rows = list(Credential.objects.select_for_update().exclude(secret=None))
    for row in rows:
        row.secret = rotate(row.secret or b"")
        row.save(update_fields=["secret"])
    if rows:
        audit.write("credential.rotate", "credentials", by=by, after={"count": len(rows)})
    return len(rows)


def _row(provider: str, name: str) -> Credential:
    row = Credential.objects.select_related("provider").filter(provider__slug=provider, name=name).first()
    if row is None:
        raise Unknown(f"There is no credential {provider}/{name}.")
    return row


def _access(row: Credential, now: datetime) -> Access:
    secret, reason = _material(row, now)
    if not row.ready:
        secret, reason = None, row.not_ready_reason or "the provider refused it"
    kind = CredentialKind(row.kind)
    return Access(
        provider=row.provider.slug,
        name=row.name,
        kind=kind,
        ready=not reason,
        reason=reason,
        priority=row.priority,
        secret=secret,
        expires_at=row.expires_at,
    )


def _material(row: Credential, now: datetime) -> tuple[Secret | None, str]:
    """The secret, or the reason why there is none. A stored one wins over the environment's: it was entered on purpose."""
    if row.kind == CredentialKind.NONE:
        return None, ""
    if row.expires_at is not None and row.expires_at <= now:
        return None, f"it expired at {row.expires_at:%Y-%m-%d %H:%M} UTC"
    if row.secret is not None:
        return _stored(row)
    value = os.environ.get(row.env, "").strip() if row.env else ""
    if value:
        return Secret(value), ""
    return None, f"{row.env} is not set" if row.env else "no secret is stored"


def _stored(row: Credential) -> tuple[Secret | None, str]:
    try:
        kept = json.loads(decrypt(row.secret or b""))
    except Unreadable:
        return None, "its secret was encrypted under a key that is no longer configured"
    if row.kind != CredentialKind.OAUTH:
        return Secret(kept["secret"]), ""
    if kept.get("access_token"):
        return Secret(kept["access_token"]), ""
    return None, "no access token yet"
