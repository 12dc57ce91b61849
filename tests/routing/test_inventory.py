"""What there is to route to: chains with what keeps each hop, prices with their source, ends with who is hit by them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client

from routing import changes, circuits, clients, credentials, inventory, snapshot
from routing.audit import SYSTEM
from routing.models import Cooldown, Model, Price, Provider, UsageReading
from routing.terms.words import Scope
from routing.versions import bump_state
from tests.routing.seeded import load_simulated


@pytest.fixture(autouse=True)
def _seeded(db: None) -> None:
    load_simulated()
    snapshot.forget()


def with_oauth(*providers: str) -> None:
    """Each of them real, with an OAuth credential that is ready."""
    for provider in providers:
        oauth = {"token_url": "https://example.com/token", "client_id": "cortex"}
        part = {"provider": provider, "name": "subscription", "kind": "oauth", "oauth": oauth}
        changes.publish({"credentials": [part]}, by=SYSTEM, reason="", source="console")
    Provider.objects.filter(slug__in=providers).update(simulate=False)
    bump_state()


def said(model: str) -> list[tuple[str, str, str]]:
    return [(hop.model, hop.credential_kind, hop.reason) for hop in inventory.chain_of(model)]


def test_a_chain_is_that_of_the_seeds_and_ready_where_its_providers_are() -> None:
    # The chain of "GPT 5.2 Codex (OAuth)", as the table of chains has it; simulated providers need no credential.
    assert said("openai:codex") == [
        ("gemini:gemini-pro", "oauth", ""),
        ("anthropic:opus", "oauth", ""),
        ("openai:gpt-5.2", "oauth", ""),
        ("gemini:gemini-flash", "oauth", ""),
        ("openai:codex", "api_key", ""),
    ]


def test_a_hop_without_a_credential_of_its_kind_says_so() -> None:
    with_oauth("anthropic", "openai")
    reasons = {model: reason for model, _, reason in said("openai:codex")}
    assert reasons["openai:codex"].endswith("OPENAI_API_KEY is not set")
    assert "no" in reasons["anthropic:opus"]  # nothing is stored for its OAuth credential yet
    changes.remove("credentials", "openai:main", by=SYSTEM, reason="", source="console")
    assert said("openai:codex")[-1] == ("openai:codex", "api_key", "no API key")


def test_a_resting_hop_says_until_when() -> None:
    until = datetime.now(UTC) + timedelta(minutes=5)
    Cooldown.objects.create(provider="gemini", credential="", model="gemini-pro", until=until)
    bump_state()
    first = inventory.chain_of("openai:codex")[0]
    assert (first.available, first.until) == (False, until)
    assert "cooling down until" in first.reason
    circuits.reset("gemini", by=SYSTEM)
    snapshot.load_now()
    assert inventory.chain_of("openai:codex")[0].available


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"enabled": False}, "switched off"),
        ({"retire_at": datetime(2020, 1, 2, tzinfo=UTC).date()}, "retired on 2020-01-02"),
    ],
)
def test_a_hop_that_no_call_may_take_says_why(change: dict[str, object], reason: str) -> None:
    Model.objects.filter(slug="codex").update(**change)
    bump_state()
    assert said("anthropic:opus")[0 if "retire_at" in change else -1][2] in (reason, "")
    assert reason in {hop.reason for hop in inventory.chain_of("openai:codex")}


def test_what_the_curve_removes_is_told() -> None:
    UsageReading.objects.create(
        provider=Provider.objects.get(slug="openai"),
        window="5h",
        percent=96,
        read_at=datetime.now(UTC),
        source="pushed",
    )
    bump_state()
    reasons = {model: reason for model, _, reason in said("openai:codex")}
    assert "not allowed while usage is 96" in reasons["anthropic:opus"]
    assert reasons["gemini:gemini-flash"] == ""


def test_a_model_without_a_tier_has_no_chain() -> None:
    assert inventory.chain_of("anthropic:sonnet-4.5") == ()


def entry(key: str, now: datetime | None = None) -> inventory.Entry:
    return next(each for each in inventory.entries(now) if each.now.key == key)


def test_a_price_says_where_it_is_from_and_since_when() -> None:
    assert (entry("anthropic:haiku").price_source, entry("anthropic:haiku").own_price) == ("genai-prices", None)
    model = Model.objects.get(slug="haiku")
    for days, price in ((-2, "1"), (-1, "2"), (1, "3")):
        Price.objects.create(
            model=model, input=Decimal(price), output=5, valid_from=datetime.now(UTC) + timedelta(days=days)
        )
    bump_state()
    found = entry("anthropic:haiku")
    assert found.price_source == "admin"
    assert found.own_price is not None
    assert (found.own_price.input, found.now.input_usd) == (2, 2)
    assert [price.input for price in found.prices] == [3, 2, 1]


def test_what_nobody_has_priced_is_unpriced() -> None:
    Model.objects.filter(slug="haiku").update(upstream_id="nobody-knows-this")
    bump_state()
    assert entry("anthropic:haiku").price_source == ""


@pytest.mark.parametrize(
    ("day", "lifecycle", "left"),
    [
        ("2026-09-29", "current", 62),
        ("2026-10-30", "deprecated", 31),
        ("2026-10-31", "retiring", 30),
        ("2026-11-29", "retiring", 1),
        ("2026-11-30", "retired", 0),
    ],
)
def test_a_model_that_retires_says_how_long_it_is_there(day: str, lifecycle: str, left: int) -> None:
    # The seeds: "claude 4.5 sonnet retires 2026-11-30"
    found = entry("anthropic:sonnet-4.5", datetime.fromisoformat(f"{day}T12:00Z"))
    assert (found.lifecycle, found.days_left, found.routes) == (lifecycle, left, ())


def test_a_deprecated_model_says_so_from_that_day_on() -> None:
    Model.objects.filter(slug="haiku").update(deprecated_at=datetime(2026, 3, 1, tzinfo=UTC).date())
    bump_state()
    before, after = (entry("anthropic:haiku", datetime(2026, month, 28, tzinfo=UTC)) for month in (2, 3))
    assert (before.lifecycle, after.lifecycle) == ("current", "deprecated")
    assert "quick_capture" in after.routes


def test_a_credential_is_told_without_what_it_is() -> None:
    credentials.store("openai", "main", "sk-canary", by=SYSTEM)
    found = {each.key: each for each in inventory.credentials_now()}
    assert (found["openai:main"].ready, found["openai:main"].is_stored, found["openai:main"].env) == (
        True,
        True,
        "OPENAI_API_KEY",
    )
    assert (found["gemini:main"].ready, found["gemini:main"].reason) == (False, "GEMINI_API_KEY is not set")
    assert "sk-canary" not in repr(found)


@pytest.fixture
def get() -> Callable[[str], tuple[int, dict[str, object]]]:
    key = clients.create_key("ci", by=SYSTEM, scopes=(Scope.READ,)).key
    snapshot.load_now()

    def ask(path: str) -> tuple[int, dict[str, object]]:
        answer = Client().get(f"/api/v1{path}", headers={"X-Cortex-Key": key})
        return answer.status_code, answer.json()

    return ask


def test_the_api_tells_the_same_chain(get: Callable[[str], tuple[int, dict[str, object]]]) -> None:
    status, answer = get("/models/openai:codex/chain")
    assert status == 200
    assert isinstance(answer["chain"], list)
    assert answer["chain"][0] == {
        "hop": 1,
        "provider": "gemini",
        "model": "gemini-pro",
        "credential_kind": "oauth",
        "available": True,
        "reason": None,
        "until": None,
    }
    assert get("/models/codex/chain") == (status, answer)  # a slug that one model bears


def test_the_chain_of_a_model_that_is_not_there_is_404_with_the_nearest(
    get: Callable[[str], tuple[int, dict[str, object]]],
) -> None:
    status, answer = get("/models/codexx/chain")
    assert status == 404
    assert "codex" in str(answer)
