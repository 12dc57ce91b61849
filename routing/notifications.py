"""What leaves the house: alerts by mail and by apprise (Slack, webhooks and the rest), each once.

Of a provider's usage at most one interruption a day goes out; the rest of it waits for the digest of the next morning. A channel that fails
is tried again with the next run, unless another one has carried the message.
"""

import logging
from collections.abc import Iterable
from datetime import datetime, time, timedelta
from email.utils import formataddr
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import send_mail
from django.db.models import F, Q, QuerySet

from routing import alerts
from routing.models import Alert
from routing.terms.words import Group, Severity
from routing.usage.thresholds import USAGE

AT_ONCE, DIGEST = "at once", "digest"
MOST = 50  # alerts in one message

log = logging.getLogger(__name__)


class Undelivered(RuntimeError):
    """No channel took the message. Names them."""


def send(now: datetime) -> int:
    """Tell of what is open and was not told yet; how many alerts. Nothing while no channel is configured."""
    if not (_recipients() or settings.NOTIFY_URLS):
        return 0
    urgent = [*_waiting().exclude(kind=USAGE).exclude(severity=Severity.INFO)[:MOST], *_interruptions(now)]
    done = _tell(urgent, AT_ONCE, _subject(urgent), now) if urgent else 0
    digest = list(_digest(now))
    return done + (_tell(digest, DIGEST, f"Cortex: usage digest, {_count(digest)}", now) if digest else 0)


def _waiting() -> QuerySet[Alert]:
    """Open and not told; told more than a day before it came back counts as not told."""
    is_old = Q(notified_at__lt=F("created_at") - timedelta(days=1))
    return alerts.open_alerts().filter(Q(notified_at=None) | is_old)


def _interruptions(now: datetime) -> list[Alert]:
    """Usage that a person is interrupted for: of providers that have interrupted nobody today."""
    midnight = _today_at(0, now)
    told = Alert.objects.filter(kind=USAGE, notified_as=AT_ONCE, notified_at__gte=midnight)
    waiting = _waiting().filter(kind=USAGE).exclude(severity=Severity.INFO)
    return list(waiting.exclude(subject__in=told.values("subject"))[:MOST])


def _digest(now: datetime) -> Iterable[Alert]:
    """Usage that was not told at once, up to this morning."""
    morning = _today_at(settings.DIGEST_HOUR, now)
    return _waiting().filter(kind=USAGE, created_at__lt=morning)[:MOST] if now >= morning else ()


def _today_at(hour: int, now: datetime) -> datetime:
    zone = ZoneInfo(settings.TIME_ZONE)
    return datetime.combine(now.astimezone(zone).date(), time(hour), zone)


def _subject(told: list[Alert]) -> str:
    return f"Cortex: {told[0].title}" if len(told) == 1 else f"Cortex: {_count(told)}"


def _count(told: list[Alert]) -> str:
    return "1 alert" if len(told) == 1 else f"{len(told)} alerts"


def _tell(told: list[Alert], how: str, subject: str, now: datetime) -> int:
    """Send one message about these alerts over every channel and mark them told. Raises Undelivered when none took it."""
    body = "\n\n".join(f"{each.severity.upper()}: {each.title}\n{each.detail}\n{_link(each)}".strip() for each in told)
    channels = {"mail": _mail, "apprise": _push}
    took = [channel(subject, body) for name, channel in channels.items() if _is_configured(name)]
    if not any(took):
        raise Undelivered(f"Neither EMAIL_URL nor CORTEX_NOTIFY_URLS took the message about {_count(told)}.")
    return Alert.objects.filter(pk__in=[each.pk for each in told]).update(notified_at=now, notified_as=how)


def _is_configured(channel: str) -> bool:
    return bool(_recipients()) if channel == "mail" else bool(settings.NOTIFY_URLS)


def _recipients() -> list[str]:
    """The admins' addresses; none without EMAIL_URL."""
    if settings.EMAIL_BACKEND.rpartition(".")[0].endswith(".console"):
        return []
    admins = User.objects.filter(Q(is_superuser=True) | Q(groups__name=Group.ADMIN), is_active=True)
    return sorted({formataddr((user.get_full_name(), user.email)) for user in admins.exclude(email="").distinct()})


def _mail(subject: str, body: str) -> bool:
    try:
        send_mail(subject, body, None, _recipients())
    except OSError as error:  # refused, timed out, or an answer of SMTP: smtplib's errors are OSErrors
        log.warning("The mail about alerts could not be sent: %s", error)
        return False
    return True


def _push(subject: str, body: str) -> bool:
    import apprise  # a hundred modules, which only the process that notifies needs

    service = apprise.Apprise()
    if not service.add(settings.NOTIFY_URLS):
        log.warning("CORTEX_NOTIFY_URLS holds an address that apprise does not know")
    if not service.notify(title=subject, body=body):
        log.warning("Not every address of CORTEX_NOTIFY_URLS took the message about alerts")
        return False
    return True


def _link(alert: Alert) -> str:
    return f"{settings.PUBLIC_URL}{alert.url}" if alert.url and settings.PUBLIC_URL else ""
