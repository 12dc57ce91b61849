"""Alerts: once per key, until resolved; mailed once."""

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import override_settings

from routing import alerts, people
from routing.models import Alert
from routing.terms.words import Group, Severity

pytestmark = pytest.mark.django_db


def said(key: str = "credential:openai/main", severity: Severity = Severity.WARNING) -> bool:
    return alerts.raise_alert(key, kind="credential", title=f"{key} is not ready", severity=severity)


def test_an_alert_is_said_once() -> None:
    assert [said(), said(), said("another")] == [True, False, True]
    assert Alert.objects.count() == 2


def test_a_resolved_alert_is_said_again_when_it_happens_again() -> None:
    said()
    assert alerts.resolve("credential:openai/main")
    assert not alerts.resolve("credential:openai/main")
    assert not alerts.open_alerts()
    assert said()
    assert len(alerts.open_alerts()) == 1


def test_the_admins_get_one_mail_about_what_is_new() -> None:
    for name, group in (("anna", Group.ADMIN), ("bert", Group.VIEWER)):
        people.put(User.objects.create_user(name, f"{name}@example.org"), group)
    said()
    said("another")
    said("just so you know", Severity.INFO)
    assert alerts.notify() == 2
    (message,) = mail.outbox
    assert message.to == ["anna@example.org"]
    assert message.subject == "Cortex: 2 alerts"
    assert alerts.notify() == 0


def test_without_a_mail_server_nothing_is_sent() -> None:
    people.put(User.objects.create_user("anna", "anna@example.org"), Group.ADMIN)
    said()
    with override_settings(EMAIL_BACKEND="django.core.mail.backends.console.EmailBackend"):
        assert alerts.notify() == 0
    assert Alert.objects.get().notified_at is None
