"""What a load does, and what it never does."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import time_machine

from routing import changes, document, snapshot
from routing.audit import SYSTEM
from routing.document.table import as_table, compare, path_of
from routing.models import Credential, Model, Price, Provider, Revision, TaskType
from routing.policy.cost import cost
from routing.terms.request import Usage
from tests.routing.document.tables import PERSON, SMALL, problems_of, with_part

pytestmark = pytest.mark.django_db


def test_a_load_is_all_or_nothing(small: None) -> None:
    raw = {"projects": [{"slug": "site"}], "routes": [{"task_type": "coding", "steps": ["nobody"]}]}
    problems_of(raw)
    assert document.dump()["projects"] == []
    assert Revision.objects.count() == 1


def test_loading_what_was_dumped_changes_nothing(seed: None) -> None:
    before = document.dump()
    done = document.load(json.loads(json.dumps(before)), by=SYSTEM)
    assert not done.is_new
    assert done.changes == ()
    assert document.dump() == before
    assert Revision.objects.count() == 1


def test_a_dump_makes_the_same_table_in_an_empty_database(seed: None) -> None:
    dumped = document.dump()
    changes.publish(lambda whole: {section: [] for section in whole}, by=PERSON, reason="", source="console")
    assert not any(document.dump().values())
    assert not Provider.objects.exists()
    document.load(dumped, by=SYSTEM)
    assert document.dump() == dumped


def test_what_a_file_does_not_name_stays(small: None) -> None:
    document.load(with_part("models", provider="openai", slug="codex", tier="premium"), by=SYSTEM)
    codex = Model.objects.get(slug="codex")
    assert (codex.tier, codex.upstream_id, codex.aliases) == ("premium", "gpt-6.1-sol", ["gpt-codex"])
    assert Model.objects.count() == 3


def test_one_timeout_changes_alone(small: None) -> None:
    document.load(with_part("routes", task_type="coding", timeouts={"idle_s": 5}), by=SYSTEM)
    (route,) = document.dump()["routes"]
    assert route["timeouts"] == {"connect_s": 2, "first_token_s": 30, "idle_s": 5, "total_s": 600}


def test_what_a_person_edited_is_not_overwritten_unasked(small: None) -> None:
    changes.change_route("coding", ["openai:small"], by=PERSON, reason="cheaper")
    (problem,) = problems_of(SMALL)
    assert problem.startswith("routes[0]: was edited by hand at ")
    assert document.load(SMALL, by=SYSTEM, force=True).changes
    assert not document.load(SMALL, by=SYSTEM).is_new  # the edit by hand is forgotten with it


def test_a_file_that_agrees_with_the_edit_needs_no_force(small: None) -> None:
    changes.change_route("coding", ["openai:small"], by=PERSON, reason="cheaper")
    agreeing = with_part("routes", task_type="coding", steps=["small"])
    assert not document.load(agreeing, by=SYSTEM).is_new


def test_a_dry_run_tells_the_diff_and_writes_nothing(small: None) -> None:
    raw = with_part("routes", task_type="coding", steps=["small"])
    (change,) = document.preview(raw)
    assert change.as_dict() == {
        "path": "routes[coding].steps",
        "before": ["openai:codex", "openai:small"],
        "after": ["openai:small"],
    }
    assert Revision.objects.count() == 1


def test_a_secret_is_taken_in_kept_and_never_given_out(small: None) -> None:
    canary = "sk-canary-0123456789"
    document.load(with_part("credentials", provider="openai", name="main", secret=canary), by=SYSTEM)
    document.load(SMALL, by=SYSTEM)
    row = Credential.objects.get()
    assert row.secret is not None
    everything = json.dumps(document.dump()) + json.dumps(list(Revision.objects.values()), default=str)
    assert canary not in everything
    assert canary.encode() not in bytes(row.secret)


def test_a_malformed_credential_is_refused_without_repeating_its_secret(small: None) -> None:
    raw = with_part("credentials", provider="openai", secret="sk-canary\0", priority="first")
    assert not any("canary" in problem for problem in problems_of(raw))


def test_a_stored_secret_never_goes_to_a_new_host(small: None) -> None:
    document.load(with_part("credentials", provider="openai", name="main", secret="sk-1"), by=SYSTEM)
    moved = {"providers": [{"slug": "openai", "base_url": "https://elsewhere.example"}]}
    changes.publish(moved, by=PERSON, reason="moved", source="console")
    row = Credential.objects.get()
    assert row.secret is None
    assert row.env == ""  # nor does the environment's
    assert not row.ready


def test_another_kind_of_provider_clears_the_secret_too(small: None) -> None:
    document.load(with_part("credentials", provider="openai", name="main", secret="sk-1"), by=SYSTEM)
    document.load(with_part("providers", slug="openai", kind="anthropic"), by=SYSTEM)
    assert Credential.objects.get().secret is None


def test_an_override_of_a_price_holds_from_now_on_and_can_be_taken_back(small: None) -> None:
    price = {"input": "1.75", "output": "14", "cache_read": "0.175"}
    rest = ("cache_write", "cache_write_1h", "reasoning", "searches_1k", "requests_1k")
    document.load(with_part("models", provider="openai", slug="codex", price=price), by=SYSTEM)
    codex = next(part for part in document.dump()["models"] if part["slug"] == "codex")
    assert codex["price"] == {**price, **dict.fromkeys(rest), "tiers": [], "service_tiers": {}}
    document.load(with_part("models", provider="openai", slug="codex", price=None), by=SYSTEM)
    assert not Price.objects.exists()


def codex() -> dict[str, Any]:
    return next(part for part in document.dump()["models"] if part["slug"] == "codex")


def test_a_price_to_come_waits_for_its_day_and_comes_out_as_it_went_in(small: None) -> None:
    raw = with_part(
        "models",
        provider="openai",
        slug="codex",
        price={"input": "2", "output": "10"},
        next_price={"input": "4", "output": "20", "valid_from": "2099-01-01"},
    )
    document.load(raw, by=SYSTEM)
    assert codex()["price"]["input"] == "2"
    assert codex()["next_price"]["valid_from"] == "2099-01-01"
    assert not document.load(document.dump(), by=SYSTEM).is_new  # type: ignore[arg-type]
    with time_machine.travel("2099-01-01T00:00:01Z", tick=False):
        assert (codex()["price"]["input"], codex()["next_price"]) == ("4", None)
        assert not document.load(
            raw | {"models": [raw["models"][0] | {"price": {"input": "4", "output": "20"}}]}, by=SYSTEM
        ).is_new
    document.load(with_part("models", provider="openai", slug="codex", next_price=None), by=SYSTEM)
    assert Price.objects.count() == 1


def test_long_contexts_and_one_hour_writes_have_prices_of_their_own(small: None) -> None:
    tiers = [{"above": 200000, "input": "6", "output": "22.5", "cache_read": "0.6"}]
    price = {"input": "3", "output": "15", "cache_read": "0.3", "cache_write_1h": "6", "tiers": tiers}
    document.load(with_part("models", provider="openai", slug="codex", price=price), by=SYSTEM)
    rates = snapshot.load_now().rates["openai:codex"]
    # 300,000 read, of which 100,000 from the cache, and 10,000 written: 0.2 × $6 + 0.1 × $0.6 + 0.01 × $22.5
    used = Usage(input_tokens=300_000, output_tokens=10_000, cache_read_tokens=100_000)
    assert cost(rates, used) == Decimal("1.485")
    # 200,000 are not more than 200,000: 0.2 × $3 + 0.01 × $15
    assert cost(rates, Usage(input_tokens=200_000, output_tokens=10_000)) == Decimal("0.75")
    document.load(with_part("models", provider="openai", slug="codex", price={"input": "2", "output": "10"}), by=SYSTEM)
    assert len(codex()["price"]["tiers"]) == 1  # what a file does not name stays


def test_a_service_tier_is_a_price_of_its_own_and_a_search_a_fee(small: None) -> None:
    flex = {"input": "1", "output": "5", "tiers": [{"above": 200000, "input": "2", "output": "7.5"}]}
    price = {"input": "2", "output": "10", "reasoning": "12", "searches_1k": "10", "service_tiers": {"flex": flex}}
    document.load(with_part("models", provider="openai", slug="codex", price=price), by=SYSTEM)
    rates = snapshot.load_now().rates["openai:codex"]
    # 0.1 × $2 + 0.006 × $10 + 0.004 × $12 + 3 searches at $10 per thousand
    used = Usage(input_tokens=100_000, output_tokens=10_000, reasoning_tokens=4_000, searches=3)
    assert cost(rates, used) == Decimal("0.338")
    # in flex: 0.3 × $2 + 0.01 × $7.5, all of it above 200,000, and the search at the model's own fee
    used = Usage(input_tokens=300_000, output_tokens=10_000, searches=1, service_tier="flex")
    assert cost(rates, used) == Decimal("0.685")
    assert cost(rates, Usage(1, 1, service_tier="priority")) is None  # nobody said what it costs there
    assert not document.load(document.dump(), by=SYSTEM).is_new
    document.load(with_part("models", provider="openai", slug="codex", price={"input": "3", "output": "10"}), by=SYSTEM)
    assert list(codex()["price"]["service_tiers"]) == ["flex"]  # what a file does not name stays


def test_a_price_from_before_there_were_service_tiers_is_dumped_whole(small: None) -> None:
    document.load(with_part("models", provider="openai", slug="codex", price={"input": "2", "output": "10"}), by=SYSTEM)
    Price.objects.update(tiers=[{"above": 9, "input": "4", "output": "20", "cache_read": None}])  # as 0008 wrote it
    assert codex()["price"]["tiers"][0]["reasoning"] is None


def test_another_upstream_model_is_another_version(small: None) -> None:
    document.load(with_part("models", provider="openai", slug="codex", tags=["code"]), by=SYSTEM)
    assert Model.objects.get(slug="codex").version == 1
    document.load(with_part("models", provider="openai", slug="codex", upstream_id="gpt-7"), by=SYSTEM)
    assert Model.objects.get(slug="codex").version == 2


def test_another_success_definition_restarts_the_evidence(small: None) -> None:
    document.load(with_part("task_types", slug="coding", margin=0.05), by=SYSTEM)
    assert TaskType.objects.get(slug="coding").definition_version == 1
    document.load(with_part("task_types", slug="coding", label_horizon_days=5), by=SYSTEM)
    assert TaskType.objects.get(slug="coding").definition_version == 2


def test_an_exploration_is_fixed_within_a_night(small: None) -> None:
    raw = with_part(
        "explorations", task_type="coding", share=0.1, challengers=["small"], usd_cap="3", until="2099-01-01"
    )
    document.load(raw, by=SYSTEM)
    first = document.dump()["explorations"][0]
    assert date.fromisoformat(first["starts_on"]) > date.today()  # noqa: DTZ011 - nights are UTC, and so is the test
    document.load(with_part("explorations", task_type="coding", usd_cap="5"), by=SYSTEM)
    (same,) = document.dump()["explorations"]
    assert same == {**first, "usd_cap": "5"}


def test_equal_tables_have_no_differences_and_a_path_says_where() -> None:
    table = as_table({"projects": [{"slug": "a"}]})
    assert compare(table, as_table({"projects": [{"slug": "a"}]})) == ()
    assert path_of(("routes", 3, "steps", 1)) == "routes[3].steps[1]"
