"""The first page, and the pages that need no test file of their own: they open for whom they are, fit a phone, and say what is."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from playwright.sync_api import Page, expect

from analytics import pulse
from routing import alerts, audit, clients
from routing.audit import SYSTEM
from routing.models import AuditEvent, ClientKey, Cooldown, TaskType
from routing.terms.words import Group, Severity
from routing.versions import bump_state
from tests.pages.conftest import NARROW, World
from tests.pages.test_calls import record

ClientOf = Callable[[Group], Client]
PAGES = (
    *(
        "/",
        "/routing/",
        "/route-test/?task_type=coding",
        "/history/",
        "/history/compare",
        "/history/1/",
        "/calls/",
        "/alerts/",
        "/reviews/",
    ),
    *("/models/", "/models/openai:codex/", "/providers/", "/quotas/", "/task-types/", "/clients/"),
)


def rest(provider: str, model: str = "") -> datetime:
    until = datetime.now(UTC) + timedelta(minutes=5)
    Cooldown.objects.create(provider=provider, credential="", model=model, until=until)
    bump_state()
    return until


def test_it_is_safe_to_start_when_only_what_is_switched_off_has_no_model(client_of: ClientOf) -> None:
    said = client_of(Group.VIEWER).get("/").content.decode()
    assert "Every task has a model to go to; switched off: Embeddings." in said  # ollama has no address yet


def test_a_task_whose_models_all_rest_is_named(client_of: ClientOf) -> None:
    rest("anthropic", "opus")
    answer = client_of(Group.VIEWER).get("/")
    assert answer.context["blocked"] == [("security_audit", "Security audit")]
    assert "Yes, but not for" in answer.content.decode()


def test_it_is_not_safe_when_no_task_has_a_model(client_of: ClientOf) -> None:
    for provider in ("anthropic", "gemini", "openai"):
        rest(provider)
    assert "No task has a model to go to." in client_of(Group.VIEWER).get("/").content.decode()


def test_a_resting_model_counts_down_in_the_first_card(client_of: ClientOf) -> None:
    until = rest("openai", "codex")
    providers = {each.slug: each for each in client_of(Group.VIEWER).get("/").context["providers"]}
    assert [(model.slug, model.until) for model in providers["openai"].resting] == [("codex", until)]


def test_the_last_day_stands_against_the_same_day_a_week_before(client_of: ClientOf) -> None:
    for hours in (1, 2, 24 * 7 + 1, 24 * 3):
        record(timedelta(hours=hours), cost_usd=Decimal("0.5"))
    measured = pulse.pulse(datetime.now(UTC))
    assert (measured.now.calls, measured.before.calls) == (2, 1)
    assert (measured.now.cost_usd, measured.now.fallbacks) == (Decimal(1), 2)
    calls = next(stat for stat in client_of(Group.VIEWER).get("/").context["stats"] if stat.label.startswith("Calls"))
    assert (calls.value, calls.delta) == (2, 1.0)


def test_an_unknown_is_not_nought(client_of: ClientOf) -> None:
    stats = {stat.label: stat.value for stat in client_of(Group.VIEWER).get("/").context["stats"]}
    assert stats == {"Calls, 24 h": 0, "Success, 7 nights": None, "p95, 24 h": None, "Spend, 24 h": None}


@pytest.mark.parametrize("address", [*PAGES, "/routing/bulk_ops/edit", "/routing/new", "/audit/"])
def test_a_page_opens_for_an_admin_and_sends_a_visitor_to_the_log_in(client_of: ClientOf, address: str) -> None:
    assert client_of(Group.ADMIN).get(address).status_code == 200
    assert Client().get(address).headers["location"].startswith("/account/login/?next=/")


@pytest.mark.parametrize(
    ("address", "least"),
    [
        ("/routing/bulk_ops/edit", Group.OPERATOR),
        ("/routing/bulk_ops/remove", Group.OPERATOR),
        ("/routing/new", Group.OPERATOR),
        ("/history/1/restore", Group.OPERATOR),
        ("/calls/x/verdict", Group.OPERATOR),
        ("/providers/openai/reset", Group.OPERATOR),
        ("/clients/keys", Group.ADMIN),
        ("/clients/keys/ck_none/revoke", Group.ADMIN),
        ("/audit/", Group.ADMIN),
        ("/audit/verify", Group.ADMIN),
    ],
)
@pytest.mark.parametrize("group", list(Group))
def test_who_may_what(client_of: ClientOf, address: str, least: Group, group: Group) -> None:
    may = list(Group).index(group) >= list(Group).index(least)
    client = client_of(group)
    statuses = {client.get(address).status_code, client.post(address, {"verdict": "?"}).status_code}
    assert statuses & {403} == (set() if may else {403})


@pytest.mark.parametrize(
    "address", ["/history/1/restore", "/calls/x/verdict", "/providers/openai/reset", "/clients/keys", "/audit/verify"]
)
def test_what_changes_something_is_no_get(client_of: ClientOf, address: str) -> None:
    assert client_of(Group.ADMIN).get(address).status_code == 405


def test_a_reset_ends_a_providers_rests(client_of: ClientOf) -> None:
    rest("openai", "codex")
    answer = client_of(Group.OPERATOR).post("/providers/openai/reset", follow=True)
    assert "1 rest ended" in answer.content.decode()
    assert not Cooldown.objects.exists()


def test_a_key_is_shown_once_and_revoked(client_of: ClientOf) -> None:
    admin = client_of(Group.ADMIN)
    answer = admin.post("/clients/keys", {"client": "ci", "scopes": ["dispatch", "read"]})
    key = answer.context["made"].key
    assert key in answer.content.decode()
    assert answer.headers["Cache-Control"] == "no-store"
    assert key not in admin.get("/clients/").content.decode()
    assert clients.lookup(clients.digest(key)) is not None
    admin.post(f"/clients/keys/{ClientKey.objects.get().prefix}/revoke")
    assert clients.lookup(clients.digest(key)) is None


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"client": "Not A Slug", "scopes": ["read"]}, "cannot name a client"),
        ({"client": "ci", "scopes": ["read"], "project": "nowhere"}, "no project"),
        ({"client": "ci", "scopes": ["everything"]}, "Select a valid choice"),
        ({"client": "ci", "scopes": ["read"], "budget_usd": "-1"}, "greater than or equal to 0"),
    ],
)
def test_a_key_that_cannot_be_is_told(client_of: ClientOf, typed: dict[str, object], said: str) -> None:
    answer = client_of(Group.ADMIN).post("/clients/keys", typed)
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not ClientKey.objects.exists()


def test_the_chain_of_events_is_verified_on_the_page(client_of: ClientOf) -> None:
    admin = client_of(Group.ADMIN)
    assert "The chain is whole" in admin.post("/audit/verify").content.decode()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE routing_auditevent DISABLE TRIGGER USER")
        AuditEvent.objects.filter(sequence=1).update(reason="edited")
    assert "The chain is broken" in admin.post("/audit/verify").content.decode()


def test_alerts_are_open_or_over(client_of: ClientOf) -> None:
    alerts.raise_alert("a", kind="credential", title="OpenAI refused the key", severity=Severity.CRITICAL)
    viewer = client_of(Group.VIEWER)
    assert "OpenAI refused the key" in viewer.get("/alerts/").content.decode()
    alerts.resolve("a")
    assert "OpenAI refused the key" not in viewer.get("/alerts/").content.decode()
    assert "OpenAI refused the key" in viewer.get("/alerts/?state=resolved").content.decode()


def test_an_operator_acknowledges_an_alert_and_it_says_who_did(client_of: ClientOf) -> None:
    alerts.raise_alert("a", kind="credential", title="OpenAI refused the key")
    number = alerts.open_alerts().get().pk
    operator, viewer = client_of(Group.OPERATOR), client_of(Group.VIEWER)
    assert "Acknowledge" not in viewer.get("/alerts/").content.decode()
    operator.post(f"/alerts/{number}/acknowledge")
    text = viewer.get("/alerts/").content.decode()
    assert "OpenAI refused the key" in text
    assert "acknowledged by operator" in text
    assert viewer.get("/alerts/").context["console"]["open_alerts"] == 0
    assert operator.post("/alerts/99999/acknowledge").status_code == 404


def test_stored_text_is_text(client_of: ClientOf) -> None:
    TaskType.objects.filter(slug="bulk_ops").update(name="<script>alert(1)</script>")
    alerts.raise_alert("x", kind="x", title="<img src=x onerror=alert(1)>")
    admin = client_of(Group.ADMIN)
    for address in ("/", "/routing/", "/alerts/", "/routing/bulk_ops/edit", "/route-test/?task_type=bulk_ops"):
        said = admin.get(address).content.decode()
        assert "<script>alert" not in said
        assert "<img src=x" not in said


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_are_accessible_in_both_themes_and_on_a_phone(
    sign_in: Callable[[Group], Page], live: World, accessible: Callable[[Page], None], theme: str
) -> None:
    record()
    alerts.raise_alert("a", kind="credential", title="OpenAI refused the key", severity=Severity.CRITICAL)
    clients.create_key("ci", by=SYSTEM)
    page = sign_in(Group.ADMIN)
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    for address in (*PAGES, "/audit/"):
        page.set_viewport_size({"width": 1440, "height": 900})
        page.goto(address)
        expect(page.locator("html")).to_have_attribute("data-bs-theme", theme)
        accessible(page)
        page.set_viewport_size(NARROW)  # type: ignore[arg-type]
        assert page.evaluate("document.documentElement.scrollWidth") == NARROW["width"], address
    assert audit.verify().ok
