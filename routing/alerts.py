"""What a person may want to know: said once per key, until it is resolved and happens again."""

import hashlib
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from routing import audit
from routing.audit import Actor
from routing.models import Alert
from routing.terms.words import Severity

LONGEST_KEY = 200


def raise_alert(
    key: str,
    *,
    kind: str,
    title: str,
    detail: str = "",
    severity: Severity = Severity.WARNING,
    subject: str = "",
    url: str = "",
) -> bool:
    """Say it, once: True when it is new, or had been resolved. Of many callers at once one gets True."""
    key = _fitting(key)
    words: dict[str, Any] = {
        "kind": kind,
        "title": title[:300],
        "detail": detail,
        "severity": severity,
        "subject": subject,
        "url": url,
    }
    now = timezone.now()
    if severity is Severity.CRITICAL:
        words["notified_at"] = None  # what comes and goes all day is told once a day, but not this
    reopened = Alert.objects.filter(key=key).exclude(resolved_at=None)
    if reopened.update(resolved_at=None, seen_by="", seen_at=None, created_at=now, **words):
        return True
    _, created = Alert.objects.get_or_create(key=key, defaults=words)
    return created


def resolve(key: str) -> bool:
    """It is over; True when it was open."""
    return bool(Alert.objects.filter(key=_fitting(key), resolved_at=None).update(resolved_at=timezone.now()))


def resolve_about(kind: str, subject: str) -> int:
    """All of this kind about this subject are over; how many were open."""
    return Alert.objects.filter(kind=kind, subject=subject, resolved_at=None).update(resolved_at=timezone.now())


def resolve_older(kind: str, before: datetime) -> int:
    """All of this kind that were said before then are over; how many were open."""
    rows = Alert.objects.filter(kind=kind, created_at__lt=before, resolved_at=None)
    return rows.update(resolved_at=timezone.now())


@transaction.atomic
def acknowledge(number: int, *, by: Actor) -> bool:
    """A person has seen it and sees to it: it stays open, and is no longer counted as waiting. False when somebody had, or it is over.

    It waits again when it was over and happens anew.
    """
    rows = Alert.objects.filter(pk=number, resolved_at=None, seen_at=None)
    if not rows.update(seen_by=by.name[:200], seen_at=timezone.now()):
        return False
    key = Alert.objects.values_list("key", flat=True).get(pk=number)
    audit.write("alert.acknowledge", f"alert:{key}"[:200], by=by)
    return True


def waiting() -> QuerySet[Alert]:
    """What is open and acknowledged by nobody."""
    return open_alerts().filter(seen_at=None)


def open_alerts() -> QuerySet[Alert]:
    """What is not over, the newest first."""
    return Alert.objects.filter(resolved_at=None).order_by("-created_at", "-pk")


def _fitting(key: str) -> str:
    """The key, or one that fits its column and is as much its own."""
    if len(key) <= LONGEST_KEY:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f"{key[: LONGEST_KEY - len(digest) - 1]}:{digest}"
