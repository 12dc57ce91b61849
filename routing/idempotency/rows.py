"""Claims in PostgreSQL. Every change is one compare-and-set statement."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import IntegrityError, InterfaceError, OperationalError, close_old_connections, connection
from django.utils import timezone

from routing.idempotency.claim import Claim, Name
from routing.models import ClientKey, IdempotencyClaim
from routing.terms.words import ClaimState

AWAY_S = 1.0  # after a failure nobody asks again for so long: each try may cost its time limit
_away_until = 0.0  # of time.monotonic


class Away(Exception):
    """PostgreSQL does not answer. `was_tried`: what was sent to it may have been done all the same."""

    def __init__(self, *, was_tried: bool) -> None:
        super().__init__("PostgreSQL does not answer now.")
        self.was_tried = was_tried


class KeyGone(Exception):
    """The client key was deleted a moment ago, and its claims with it."""


@contextmanager
def _asking() -> Iterator[None]:
    global _away_until
    if time.monotonic() < _away_until:
        raise Away(was_tried=False)
    close_old_connections()  # this thread outlives the call, and its connection may have broken meanwhile
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        _away_until = time.monotonic() + AWAY_S
        connection.close()
        raise Away(was_tried=True) from error


def take(claim: Claim) -> Claim | None:
    """Make the row; None when that was done, else the one that is there. Raises Away and KeyGone."""
    with _asking():
        key = ClientKey.objects.filter(sha256=claim.name.client_key).values_list("pk", flat=True).first()
        if key is None:
            raise KeyGone
        try:
            row, is_new = IdempotencyClaim.objects.select_related("key").get_or_create(
                key_id=key, idempotency_key=claim.name.word, defaults=_columns(claim)
            )
        except IntegrityError:
            raise KeyGone from None
        if is_new:
            return None
        if row.expires_at <= timezone.now():  # its day is over, and nobody has swept it away yet
            old = IdempotencyClaim.objects.filter(pk=row.pk, call_id=row.call_id, expires_at=row.expires_at)
            if old.update(**_columns(claim), created_at=timezone.now()) == 1:
                return None
            row.refresh_from_db()
        return _claim(row)


def find(name: Name) -> Claim | None:
    """Raises Away."""
    with _asking():
        row = _named(name).select_related("key").first()
        return None if row is None or row.expires_at <= timezone.now() else _claim(row)


def put(claim: Claim) -> None:
    """How the claim's call has ended, in its row, which is made if PostgreSQL was away until now. Raises Away."""
    with _asking():
        if _named(claim.name).filter(call_id=claim.call).update(state=claim.state, replay=claim.replay) == 1:
            return
        key = ClientKey.objects.filter(sha256=claim.name.client_key).first()
        if key is not None and not _named(claim.name).exists():
            row = IdempotencyClaim(key=key, idempotency_key=claim.name.word, **_columns(claim))
            IdempotencyClaim.objects.bulk_create([row], ignore_conflicts=True)


def drop(claim: Claim) -> None:
    """The key is free again. Raises Away."""
    with _asking():
        _named(claim.name).filter(call_id=claim.call).delete()


def running(host: str | None) -> list[Claim]:
    """Those that no outcome is known of, on that host or on all. Raises Away."""
    with _asking():
        rows = IdempotencyClaim.objects.filter(state=ClaimState.RUNNING).select_related("key")
        return [_claim(row) for row in (rows.filter(owner__startswith=f"{host}/") if host else rows)]


def purge(now: datetime) -> None:
    """Forget those whose day is over."""
    IdempotencyClaim.objects.filter(expires_at__lte=now).delete()


def _named(name: Name) -> Any:
    return IdempotencyClaim.objects.filter(key__sha256=name.client_key, idempotency_key=name.word)


def _columns(claim: Claim) -> dict[str, Any]:
    return {
        "body_mac": claim.body_mac,
        "call_id": claim.call,
        "state": claim.state,
        "replay": claim.replay,
        "owner": claim.owner[-120:],
        "expires_at": claim.expires_at,
    }


def _claim(row: IdempotencyClaim) -> Claim:
    return Claim(
        name=Name(row.key.sha256, row.idempotency_key),
        body_mac=row.body_mac,
        call=row.call_id,
        owner=row.owner,
        expires_at=row.expires_at,
        state=ClaimState(row.state),
        replay=None if row.replay is None else bytes(row.replay),
    )
