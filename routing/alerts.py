"""What a person may want to know: said once per key, until it is resolved and happens again."""

from email.utils import formataddr

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import send_mail
from django.db.models import Q, QuerySet
from django.utils import timezone

from routing.models import Alert
from routing.terms.words import Group, Severity

MOST_IN_A_MAIL = 50


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
    words = {"kind": kind, "title": title[:300], "detail": detail, "severity": severity, "subject": subject, "url": url}
    now = timezone.now()
    reopened = Alert.objects.filter(key=key).exclude(resolved_at=None)
    if reopened.update(resolved_at=None, notified_at=None, seen_by="", created_at=now, **words):
        return True
    _, created = Alert.objects.get_or_create(key=key[:200], defaults=words)
    return created


def resolve(key: str) -> bool:
    """It is over; True when it was open."""
    return bool(Alert.objects.filter(key=key, resolved_at=None).update(resolved_at=timezone.now()))


def resolve_all(prefix: str) -> int:
    """All whose key begins so are over; how many were open."""
    return Alert.objects.filter(key__startswith=prefix, resolved_at=None).update(resolved_at=timezone.now())


def open_alerts() -> QuerySet[Alert]:
    """What is not over, the newest first."""
    return Alert.objects.filter(resolved_at=None).order_by("-created_at", "-pk")


def notify() -> int:
    """One mail to the admins about what is open and was not mailed yet; how many alerts it told of. Nothing without EMAIL_URL."""
    if settings.EMAIL_BACKEND.rpartition(".")[0].endswith(".console"):
        return 0
    admins = User.objects.filter(Q(is_superuser=True) | Q(groups__name=Group.ADMIN), is_active=True)
    to = sorted({formataddr((user.get_full_name(), user.email)) for user in admins.exclude(email="").distinct()})
    alerts = list(open_alerts().filter(notified_at=None).exclude(severity=Severity.INFO)[:MOST_IN_A_MAIL])
    if not to or not alerts:
        return 0
    lines = [f"{alert.severity.upper()}: {alert.title}\n{alert.detail}\n{_link(alert)}".strip() for alert in alerts]
    send_mail(
        f"Cortex: {alerts[0].title}" if len(alerts) == 1 else f"Cortex: {len(alerts)} alerts",
        "\n\n".join(lines),
        None,
        to,
    )
    return Alert.objects.filter(pk__in=[alert.pk for alert in alerts]).update(notified_at=timezone.now())


def _link(alert: Alert) -> str:
    return f"{settings.PUBLIC_URL}{alert.url}" if alert.url and settings.PUBLIC_URL else ""
