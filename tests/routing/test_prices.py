"""What models cost, who says so, what comes, and the alert when the catalogue says something else than before.

Expected prices are genai-prices' own of the version in the lock, read through its own calculation.
"""

import io
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.test import Client as Http
from genai_prices import Usage, calc_price

from routing import clients, document, drain, prices, snapshot
from routing.audit import SYSTEM
from routing.models import Alert, Attempt, CataloguePrice, Model
from routing.prices import Changed
from routing.terms.words import Scope, Severity
from tests.routing.seeded import load_seed

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _seed(db: None) -> None:
    load_seed()


def of(model: str, now: datetime = NOW) -> prices.Priced:
    return next(each for each in prices.listed(now) if each.model == model)


def priced(model: str, **part: Any) -> None:
    provider, _, slug = model.partition(":")
    document.load({"models": [{"provider": provider, "slug": slug, **part}]}, by=SYSTEM)


def test_the_catalogue_is_asked_by_provider_and_upstream_id() -> None:
    found = of("openai:codex")
    vendor = calc_price(Usage(input_tokens=1_000_000), "gpt-6.1-sol", provider_id="openai", genai_request_timestamp=NOW)
    assert found.source == prices.CATALOGUE
    assert found.detail.startswith("genai-prices ")
    # one million is above the first long-context bound: its price is the last tier's
    tiers = [value for name, value in found.rates.items() if name.startswith("input>")]
    assert Decimal(tiers[-1]) == vendor.total_price


def test_an_admins_price_wins_and_is_shown_as_one() -> None:
    priced("openai:codex", price={"input": "1.75", "output": "14"})
    found = of("openai:codex", datetime.now(UTC) + timedelta(minutes=1))
    # Of the catalogue stays only the fee for a search, $10 per thousand: it has nothing to do with what tokens cost.
    own = {"input": "1.75", "output": "14", "searches_1k": "10"}
    assert (found.source, found.detail, found.rates) == (prices.OWN, "", own)
    assert found.since is not None


def test_the_price_in_another_service_tier_is_told_beside() -> None:
    # developers.openai.com/api/docs/pricing: gpt-6.1-sol is $2 in and $10 out, flex half of it
    found = of("openai:codex").rates
    assert (found["input"], found["flex:input"], found["batch:output"]) == ("2", "1", "5")
    assert "priority:searches_1k" not in found  # a search costs the same in every tier
    out = io.StringIO()
    call_command("prices", stdout=out)
    (line,) = [line for line in out.getvalue().splitlines() if line.startswith("openai:codex")]
    assert line.endswith("searches_1k $10, also batch, flex, priority, fast")


def test_a_fee_or_a_tier_that_becomes_known_changes_no_price() -> None:
    prices.note_changes(NOW)
    row = CataloguePrice.objects.get(upstream_id="gpt-6.1-sol")
    row.rates = {name: value for name, value in row.rates.items() if ":" not in name and name != "searches_1k"}
    row.save()  # as it was recorded before there were any
    assert prices.note_changes(NOW + timedelta(days=1)) == []
    assert CataloguePrice.objects.filter(upstream_id="gpt-6.1-sol").count() == 2  # and is known from now on
    latest = CataloguePrice.objects.filter(upstream_id="gpt-6.1-sol").latest("seen_at")
    latest.rates |= {"searches_1k": "25", "flex:input": "0.9"}
    latest.save()
    (changed,) = prices.note_changes(NOW + timedelta(days=2))
    assert changed.words == "flex:input $0.9 → $1 per million tokens, searches_1k $25 → $10"


def test_what_nobody_knows_is_unpriced_and_not_free() -> None:
    priced("ollama:local", price=None)
    found = of("ollama:local")
    assert (found.source, found.rates, found.since) == (prices.UNPRICED, {}, None)
    assert "ollama:local" not in snapshot.load_now().rates


def test_a_price_of_zero_is_a_price() -> None:
    assert of("ollama:local", datetime.now(UTC) + timedelta(minutes=1)).rates == {"input": "0", "output": "0"}


def test_a_price_that_the_catalogue_announces_is_told_before_it_holds() -> None:
    found = of("gemini:gemini-pro")
    assert found.next_from == date(2026, 12, 1)
    after = calc_price(
        Usage(input_tokens=1_000_000),
        "gemini-4-argon",
        provider_id="google",
        genai_request_timestamp=datetime(2026, 12, 2, tzinfo=UTC),
    )
    assert Decimal(found.next_rates["input"]) == after.total_price
    assert Decimal(found.rates["input"]) < after.total_price
    assert of("anthropic:opus").next_from is None


def test_an_own_price_to_come_is_told_too() -> None:
    coming = {"input": "9", "output": "9", "valid_from": "2099-01-01"}
    priced("anthropic:opus", next_price=coming)
    found = of("anthropic:opus")
    assert (found.source, found.next_from, found.next_rates) == (
        prices.CATALOGUE,
        date(2099, 1, 1),
        {"input": "9", "output": "9"},
    )


def test_the_first_look_records_and_tells_nothing() -> None:
    assert prices.note_changes(NOW) == []
    assert CataloguePrice.objects.filter(provider="gemini", upstream_id="gemini-4-argon").count() == 1
    assert of("gemini:gemini-pro").since == NOW
    assert not Alert.objects.exists()


def test_a_change_of_the_catalogue_is_told_once_and_its_history_kept() -> None:
    prices.note_changes(NOW)
    changed = prices.note_changes(datetime(2026, 12, 1, 12, tzinfo=UTC))
    assert [each.model for each in changed] == ["gemini:gemini-pro"]
    alert = Alert.objects.get()
    assert alert.title == "The catalogue's price of gemini:gemini-pro changed"
    assert "input $2 → $4, output $10 → $20" in alert.detail
    assert alert.severity == Severity.WARNING
    assert prices.note_changes(datetime(2026, 12, 1, 13, tzinfo=UTC)) == []
    assert CataloguePrice.objects.filter(upstream_id="gemini-4-argon").count() == 2


def test_another_upstream_id_is_another_price_and_no_change() -> None:
    prices.note_changes(NOW)
    priced("openai:codex", upstream_id="gpt-6-luna")
    assert prices.note_changes(NOW + timedelta(hours=1)) == []


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({"input": "2"}, {"input": "4"}, "input $2 → $4 per million tokens"),
        ({"input": "2"}, {}, "input $2 → – per million tokens"),
        ({"input": "2", "output": "3"}, {"input": "2", "output": "3", "input>200000": "4"}, "input>200000 – → $4"),
    ],
)
def test_a_change_is_said_by_the_parts_that_differ(before: Any, after: Any, said: str) -> None:
    assert Changed("m", before, after).words.startswith(said)


def test_the_command_lists_and_checks() -> None:
    def said(*how: str) -> str:
        out = io.StringIO()
        call_command("prices", *how, stdout=out)
        return out.getvalue()

    with time_machine.travel(NOW, tick=False):
        assert said("--check") == "No price of the catalogue changed.\n"
        assert "from 2026-12-01 input $4, output $20" in said()
        assert {each["model"] for each in json.loads(said("--json"))} == {
            f"{model.provider.slug}:{model.slug}" for model in Model.objects.select_related("provider")
        }
    with time_machine.travel("2026-12-01T12:00Z", tick=False):
        snapshot.load_now()
        assert said("--check").startswith("gemini:gemini-pro: input $2 → $4")


def test_prices_over_http() -> None:
    key = clients.create_key("ops", by=SYSTEM, scopes=[Scope.READ]).key
    answer = Http().get("/api/v1/prices?limit=500", headers={"X-Cortex-Key": key}).json()
    assert len(answer["items"]) == Model.objects.count()
    assert {item["source"] for item in answer["items"]} == {prices.OWN, prices.CATALOGUE}


def test_a_change_of_price_leaves_what_calls_have_cost_alone() -> None:
    document.apply_environment()
    key = clients.create_key("ci", by=SYSTEM, scopes=[Scope.DISPATCH]).key

    def cost_of_a_call() -> tuple[str, Decimal]:
        answer = Http().post(
            "/api/v1/dispatch",
            json.dumps({"task_type": "bulk_ops", "prompt": "the same words"}),
            content_type="application/json",
            headers={"X-Cortex-Key": key},
        )
        assert answer.status_code == 200, answer.content
        return answer.json()["request_id"], Decimal(answer.json()["cost_usd"])

    priced("anthropic:haiku", price={"input": "1", "output": "1"})
    snapshot.load_now()
    call, cheap = cost_of_a_call()
    assert drain.flush()
    priced("anthropic:haiku", price={"input": "10", "output": "10"})
    snapshot.load_now()
    _, dear = cost_of_a_call()
    assert dear == 10 * cheap
    assert Attempt.objects.get(call_id=call).cost_usd == cheap
