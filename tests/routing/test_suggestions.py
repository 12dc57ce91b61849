"""What a client's observed calls ask for, what that would mean and cost; a suggestion accepted, ignored, tried."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client as Http

from routing import adoption, clients, snapshot, suggestions
from routing.audit import SYSTEM
from routing.models import AuditEvent, Client, Price
from routing.models import Model as ModelRow
from routing.suggestions import Line, Observed
from routing.terms.words import Scope
from tests.routing.observed import observed
from tests.routing.seeded import seeded  # noqa: F401

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
HAIKU = "claude-haiku-5-5"  # as the vendor names the seeds' haiku


@pytest.fixture
def ci(seeded: str) -> Client:  # noqa: F811
    """The client; haiku, the first model of quick_capture, classification and bulk_ops, costs $1 in, $5 out, $0.10 from a cache."""
    haiku = ModelRow.objects.get(provider__slug="anthropic", slug="haiku")
    Price.objects.filter(model=haiku).delete()
    Price.objects.create(model=haiku, input=1, output=5, cache_read="0.1", valid_from=JANUARY)
    clients.save_client("ci", {"mode": "observe"}, by=SYSTEM)
    snapshot.load_now()
    return Client.objects.get(slug="ci")


def found(**options: Any) -> Observed:
    return suggestions.observed(Client.objects.get(slug="ci"), **options)


def only(lines: tuple[Line, ...] | list[Line]) -> Line:
    assert len(lines) == 1
    return lines[0]


def test_what_is_asked_for_is_summed_by_its_family(ci: Client) -> None:
    for name in ("claude-sonnet-5", "claude-sonnet-5", "claude-sonnet-4-5-20250929"):
        observed(name)
    line = only(found().open)
    assert (line.requested, line.names) == ("claude-sonnet-*", ("claude-sonnet-5", "claude-sonnet-4-5-20250929"))
    assert (line.calls, line.input_tokens, line.output_tokens, line.cost_usd) == (3, 3000, 300, Decimal("0.03"))


def test_names_of_a_family_that_mean_different_work_stand_alone(ci: Client) -> None:
    observed("claude-haiku-5-5")
    observed("claude-haiku-1")  # no model of the table: nothing speaks for any task type
    assert [line.requested for line in found().open] == ["claude-haiku-1", "claude-haiku-5-5"]


def test_the_task_type_whose_route_begins_with_the_very_model_is_suggested_with_its_cost(ci: Client) -> None:
    observed(HAIKU, input_tokens=1000, output_tokens=100, cache_read_tokens=900)
    line = only(found().open)
    assert line.likely is not None
    assert (line.task_type, line.likely.why) == ("bulk_ops", "anthropic:haiku is the first model of its route.")
    assert line.likely.others == ("classification", "code_search", "quick_capture")
    assert line.routed_to == "anthropic:haiku"
    # 100 · $1 + 900 · $0.10 + 100 · $5, per million
    assert line.routed_cost_usd == Decimal("0.00069")
    assert line.added_usd == Decimal("-0.00931")


def test_long_inputs_cost_what_their_tier_says_one_by_one(ci: Client) -> None:
    price = Price.objects.get(model__slug="haiku")
    price.tiers = [{"above": 200_000, "input": "2", "output": "10"}]
    price.save()
    snapshot.load_now()
    observed(HAIKU, input_tokens=300_000, output_tokens=0)
    observed(HAIKU, input_tokens=100_000, output_tokens=0)
    # 300,000 at $2 and 100,000 at $1 a million; both at their sum's tier would be $0.80
    assert only(found().open).routed_cost_usd == Decimal("0.7")


def test_a_task_that_calls_named_themselves_decides_between_equals(ci: Client) -> None:
    observed(HAIKU)
    observed(HAIKU, task_type="quick_capture", would_route="anthropic:haiku")
    assert only(found().open).task_type == "quick_capture"


def test_success_counts_work_items_once_each_by_what_was_said_last(ci: Client) -> None:
    observed(HAIKU, verdict="good")
    observed(HAIKU, verdict="bad")
    observed(HAIKU)
    line = only(found().open)
    assert (line.good, line.graded, line.success) == (1, 2, 0.5)


def test_a_call_without_a_price_is_told_and_nothing_is_compared_with_it(ci: Client) -> None:
    observed(HAIKU)
    observed(HAIKU, cost_usd=None)
    line = only(found().open)
    assert (line.cost_usd, line.unpriced, line.added_usd) == (Decimal("0.01"), 1, None)


def test_only_this_clients_observed_calls_of_the_window_count(ci: Client) -> None:
    observed(HAIKU, client="other")
    observed(HAIKU, role="primary")
    observed(HAIKU, timedelta(days=15))
    assert found().calls == 0
    assert found(days=16).calls == 1


def test_of_very_many_calls_the_newest_are_looked_at(ci: Client) -> None:
    observed("gpt-4o", timedelta(hours=3))
    observed(HAIKU, timedelta(hours=2))
    observed(HAIKU, timedelta(hours=1))
    told = found(most=2)
    assert (told.is_capped, only(told.lines).calls) == (True, 2)


def test_observed_calls_are_found_by_their_own_index(ci: Client) -> None:
    observed(HAIKU)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        values = {"client": "ci", "since": "0" * 32, "most": 10}
        cursor.execute(f"EXPLAIN {suggestions._SEEN} SELECT count(*) FROM seen", values)
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Index Scan Backward" in plan, plan
    assert "client_id_idx" in plan, plan  # as PostgreSQL names a month's share of routing_call_observed
    assert "Sort" not in plan, plan


def test_what_is_accepted_means_the_task_type_from_then_on(ci: Client) -> None:
    observed(HAIKU)
    adoption.accept("ci", "claude-haiku-*", "bulk_ops", by=SYSTEM)
    snapshot.load_now()
    told = found()
    assert (told.open, only(told.mapped).mapped_to) == ([], "bulk_ops")
    assert only(told.mapped).routed_cost_usd is not None
    event = AuditEvent.objects.filter(action="client.save").first()
    assert event is not None
    assert event.before["mapping"] == []
    assert event.after["mapping"] == [{"requested": "claude-haiku-*", "task_type": "bulk_ops"}]


def test_what_cannot_be_accepted_is_refused(ci: Client) -> None:
    adoption.accept("ci", "gpt-4o", "quick_capture", by=SYSTEM)
    for requested, task, says in (
        ("claude-*", "nothing", "no task type 'nothing'"),
        ("", "bulk_ops", "1 to 200 characters"),
        ("x" * 201, "bulk_ops", "1 to 200 characters"),
        ("a\0b", "bulk_ops", "1 to 200 characters"),
        ("GPT-4o", "bulk_ops", "means quick_capture already"),
    ):
        with pytest.raises(clients.Refused, match=says):
            adoption.accept("ci", requested, task, by=SYSTEM)


def test_what_is_ignored_is_suggested_no_more_until_it_is_again(ci: Client) -> None:
    observed(HAIKU)
    adoption.ignore("ci", "claude-haiku-*", by=SYSTEM)
    assert (found().open, only(found().ignored).requested) == ([], "claude-haiku-*")
    adoption.ignore("ci", "claude-haiku-*", by=SYSTEM, undo=True)
    assert only(found().open).requested == "claude-haiku-*"


def test_who_read_an_older_version_of_a_client_is_told_and_changes_nothing(ci: Client) -> None:
    clients.save_client("ci", {"name": "First"}, by=SYSTEM, version=ci.version)
    with pytest.raises(clients.Stale, match="has changed since you read it"):
        clients.save_client("ci", {"name": "Second", "project": None}, by=SYSTEM, version=ci.version)
    assert Client.objects.get(slug="ci").name == "First"


# ── what would a name mean ──


def test_a_name_means_what_dispatch_would_make_of_it(ci: Client) -> None:
    mapping = [
        {"requested": "opus", "task_type": "debugging"},
        {"requested": "CLAUDE-*", "task_type": "vibe_coding"},
        {"requested": "claude-haiku-*", "task_type": "bulk_ops"},  # never reached
    ]
    for mode, name, task, rule, served, is_observed in (
        ("route", "claude-haiku-5-5", "vibe_coding", 2, "openai:codex", False),
        ("observe", "claude-haiku-5-5", "vibe_coding", 2, "anthropic:haiku", True),
        ("route", "gpt-6.1-sol", None, None, "openai:codex", True),
        ("route", "task:coding", "vibe_coding", None, "openai:codex", False),
        ("route", "auto", "bulk_ops", None, "anthropic:haiku", False),
    ):
        clients.save_client("ci", {"mode": mode, "mapping": mapping, "default_task_type": "bulk_ops"}, by=SYSTEM)
        told = adoption.meaning(Client.objects.get(slug="ci"), name)
        assert (told.task_type, told.rule, told.served_by, told.is_observed) == (task, rule, served, is_observed)
        assert told.problem == ""


def test_a_name_that_would_be_refused_says_why(ci: Client) -> None:
    for name, says in (
        ("nobody", "There is no model 'nobody'"),
        (
            "nobody",
            "With its vendor's credential beside its key that vendor would serve it all the same.",
        ),  # it observes
        ("task:nothing", "There is no task type"),
        ("auto", "no default task"),
    ):
        assert says in adoption.meaning(ci, name).problem


# ── over the API ──


def test_the_api_tells_the_same(ci: Client) -> None:
    observed(HAIKU, verdict="good")
    key = clients.create_key("ops", by=SYSTEM, scopes=[Scope.READ]).key
    snapshot.load_now()
    answer = Http().get("/api/v1/clients/ci/suggestions", headers={"X-Cortex-Key": key})
    told = answer.json()
    assert (answer.status_code, told["calls"], told["is_capped"], told["next"]) == (200, 1, False, None)
    line = only(told["items"])
    assert (line["requested"], line["state"], line["task_type"]) == ("claude-haiku-*", "open", "bulk_ops")
    assert (line["cost_usd"], line["routed_cost_usd"]) == ("0.01", "0.0015")
    assert (line["success"], line["graded"]) == (1.0, 1)


def test_bad_asks_are_told(ci: Client) -> None:
    key = clients.create_key("ops", by=SYSTEM, scopes=[Scope.READ]).key
    snapshot.load_now()
    for path, status in (("nobody/suggestions", 404), ("ci/suggestions?days=91", 422)):
        answer = Http().get(f"/api/v1/clients/{path}", headers={"X-Cortex-Key": key})
        assert answer.status_code == status


def test_a_patch_of_an_older_version_is_a_conflict(ci: Client) -> None:
    key = clients.create_key("ops", by=SYSTEM, scopes=[Scope.READ, Scope.MANAGE]).key
    snapshot.load_now()
    head = {"X-Cortex-Key": key, "If-Match": str(snapshot.fresh().table.revision)}
    old = Http().get("/api/v1/clients/ci", headers=head).json()["version"]
    for version, status in ((old, 200), (old, 409), (old + 1, 200)):
        body = {"name": "x", "version": version}
        answer = Http().patch("/api/v1/clients/ci", body, content_type="application/json", headers=head)
        assert answer.status_code == status, answer.content
