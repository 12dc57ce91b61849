"""What leaves the house: by mail and to a webhook on a real socket; usage interrupts once a day and provider, the rest is a digest."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core import mail
from django.test import override_settings

from routing import alerts, notifications, people, usage
from routing.models import Alert, Provider
from routing.terms.words import Group, ProviderKind, Severity

# apprise looks for imghdr, which Python 3.11 has and deprecates.
pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")]
MORNING = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CONSOLE = "django.core.mail.backends.console.EmailBackend"


@pytest.fixture(autouse=True)
def _morning() -> Iterator[None]:
    """Alerts are raised by the clock: it is MORNING, whenever the tests are run."""
    with time_machine.travel(MORNING):
        yield


@pytest.fixture(autouse=True)
def _people(db: None) -> None:
    for name, group in (("anna", Group.ADMIN), ("bert", Group.VIEWER)):
        people.put(User.objects.create_user(name, f"{name}@example.org"), group)
    for slug in ("anthropic", "openai"):
        Provider.objects.create(slug=slug, kind=ProviderKind(slug))


@pytest.fixture
def webhook(settings, monkeypatch) -> Iterator[list[dict[str, Any]]]:
    """What a receiver of apprise's JSON gets; it refuses what is called "refused"."""
    got: list[dict[str, Any]] = []
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            is_refused = "refused" in told["title"]
            if not is_refused:
                got.append(told)
            self.send_response(500 if is_refused else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    settings.NOTIFY_URLS = f"json://127.0.0.1:{server.server_port}/hook"
    yield got
    server.shutdown()
    server.server_close()
    thread.join()


def said(key: str, severity: Severity = Severity.WARNING) -> bool:
    return alerts.raise_alert(key, kind="credential", title=f"{key} is not ready", severity=severity, url="/models/")


def push(percent: float, at: datetime, provider: str = "anthropic") -> None:
    usage.record(provider, "weekly", percent, None, at)
    Alert.objects.filter(kind="usage", notified_at=None).update(created_at=at)  # as if it were that time now


def titles() -> list[str]:
    return [message.subject for message in mail.outbox]


def test_the_admins_get_one_mail_about_what_is_new() -> None:
    said("openai/main")
    said("another")
    said("just so you know", Severity.INFO)
    assert notifications.send(MORNING) == 2
    (message,) = mail.outbox
    assert (message.to, message.subject) == (["anna@example.org"], "Cortex: 2 alerts")
    assert "WARNING: openai/main is not ready" in message.body
    assert notifications.send(MORNING) == 0


def test_a_webhook_gets_the_same_words_once(webhook: list[dict[str, Any]]) -> None:
    said("openai/main")
    assert [notifications.send(MORNING), notifications.send(MORNING)] == [1, 0]
    (told,) = webhook
    assert (told["title"], told["message"]) == ("Cortex: openai/main is not ready", "WARNING: openai/main is not ready")
    assert titles() == ["Cortex: openai/main is not ready"]


def test_a_webhook_needs_no_mail_server(webhook: list[dict[str, Any]]) -> None:
    said("openai/main")
    with override_settings(EMAIL_BACKEND=CONSOLE):
        assert notifications.send(MORNING) == 1
    assert (len(webhook), mail.outbox) == (1, [])


def test_without_a_channel_nothing_is_sent_and_nothing_is_marked() -> None:
    said("openai/main")
    with override_settings(EMAIL_BACKEND=CONSOLE):
        assert notifications.send(MORNING) == 0
    assert Alert.objects.get().notified_at is None


def test_what_no_channel_took_is_tried_again(webhook: list[dict[str, Any]]) -> None:
    said("refused")
    with override_settings(EMAIL_BACKEND=CONSOLE), pytest.raises(notifications.Undelivered, match="CORTEX_NOTIFY_URLS"):
        notifications.send(MORNING)
    assert Alert.objects.get().notified_at is None
    assert notifications.send(MORNING) == 1, "by mail"


def test_what_one_channel_took_is_not_sent_again_over_the_other(webhook: list[dict[str, Any]]) -> None:
    said("refused")
    assert [notifications.send(MORNING), notifications.send(MORNING)] == [1, 0]
    assert (len(mail.outbox), webhook) == (1, [])


def test_usage_interrupts_once_a_day_and_provider_and_the_rest_comes_next_morning() -> None:
    push(10, MORNING)
    push(85, MORNING + HOUR)
    assert notifications.send(MORNING + HOUR) == 1
    assert titles() == ["Cortex: anthropic weekly has reached 80 % of its usage"]

    push(96, MORNING + 2 * HOUR)
    push(81, MORNING + 2 * HOUR, "openai")
    notifications.send(MORNING + 2 * HOUR)
    assert titles()[1:] == ["Cortex: openai weekly has reached 80 % of its usage"], "anthropic has had its day"

    assert notifications.send(MORNING + DAY - 2 * HOUR) == 1, "a new day: 95 % interrupts, before the digest's hour"
    assert notifications.send(MORNING + DAY) == 7  # 20, 40, 60 and 90 of anthropic; 20, 40, 60 of openai
    assert titles()[2:] == [
        "Cortex: anthropic weekly has reached 95 % of its usage",
        "Cortex: usage digest, 7 alerts",
    ]
    assert notifications.send(MORNING + DAY + HOUR) == 0


def test_what_comes_and_goes_all_day_is_told_once_a_day_unless_it_is_critical() -> None:
    for severity in (Severity.WARNING, Severity.CRITICAL):
        said(severity, severity)
        notifications.send(datetime.now(UTC))
        alerts.resolve(severity)
        said(severity, severity)
    assert notifications.send(datetime.now(UTC)) == 1
    assert titles()[-1] == "Cortex: critical is not ready"
    Alert.objects.filter(key="warning").update(notified_at=datetime.now(UTC) - DAY - HOUR)
    assert notifications.send(datetime.now(UTC)) == 1
