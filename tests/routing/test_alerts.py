"""Alerts: once per key, until resolved."""

import pytest

from routing import alerts
from routing.audit import Actor
from routing.models import Alert, AuditEvent
from routing.terms.words import Severity

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


def test_two_long_keys_that_begin_alike_are_two_alerts() -> None:
    long = "model:" + "x" * 300
    assert [said(f"{long}a"), said(f"{long}b"), said(f"{long}a")] == [True, True, False]
    assert alerts.resolve(f"{long}a")
    assert len(alerts.open_alerts()) == 1


def test_what_is_about_one_subject_ends_and_its_namesakes_stay() -> None:
    for model in ("llama3.1", "llama3.1:8b"):
        alerts.raise_alert(f"circuit:ollama:{model}:1", kind="circuit", title="x", subject=f"model:ollama:{model}")
    assert alerts.resolve_about("circuit", "model:ollama:llama3.1") == 1
    assert alerts.open_alerts().get().subject == "model:ollama:llama3.1:8b"


def test_an_acknowledged_alert_stays_open_and_waits_for_nobody_until_it_happens_anew() -> None:
    said()
    number = Alert.objects.get().pk
    assert [alerts.acknowledge(number, by=Actor("anna")), alerts.acknowledge(number, by=Actor("ben"))] == [True, False]
    row = Alert.objects.get()
    assert (row.seen_by, row.seen_at is not None) == ("anna", True)
    assert (alerts.open_alerts().count(), alerts.waiting().count()) == (1, 0)
    event = AuditEvent.objects.get()
    assert (event.action, event.subject, event.actor_name) == ("alert.acknowledge", f"alert:{row.key}", "anna")
    alerts.resolve(row.key)
    assert not alerts.acknowledge(number, by=Actor("ben"))
    said()
    assert (alerts.waiting().count(), Alert.objects.get().seen_by) == (1, "")
