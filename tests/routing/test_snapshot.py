"""What a process knows: the table of one revision, without a query, and how it follows the database."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError

from routing import changes, clients, quotas, snapshot
from routing.audit import SYSTEM
from routing.circuits import noting
from routing.models import Exploration, Model, Price, Provider, Quota, TaskType, UsageReading
from routing.snapshot import background
from routing.terms.request import Ask
from tests.routing.seeded import seeded  # noqa: F401

pytestmark = pytest.mark.usefixtures("seeded")


def first(task):
    return snapshot.fresh().plan(Ask(task), datetime.now(UTC)).candidates[0]


def test_the_seeds_table_is_known_as_the_policy_takes_it():
    known = snapshot.current()
    assert known.version == snapshot.current().version
    assert known.table.routes["vibe_coding", None, ""].steps == ("openai:codex", "anthropic:sonnet")
    assert known.table.names["claude"] == ("anthropic:opus",)
    assert known.table.curve.steps[-1].allowed == ("gemini:gemini-flash", "ollama:local")


def test_reading_it_takes_no_query(django_assert_num_queries):
    with django_assert_num_queries(0):
        snapshot.current().plan(Ask("vibe_coding"), datetime.now(UTC))


def test_a_published_change_moves_the_next_plan_and_its_revision():
    before = snapshot.fresh().table.revision
    changes.change_route("vibe_coding", ["anthropic:haiku"], by=SYSTEM, reason="try", source="console")
    assert first("vibe_coding").model == "haiku"
    assert snapshot.current().table.revision == before + 1


def test_an_unchanged_version_reads_nothing_anew():
    assert snapshot.fresh() is snapshot.fresh()


def test_a_new_key_is_known_and_a_revoked_one_is_not():
    made = clients.create_key("new", by=SYSTEM)
    assert snapshot.fresh().keys[clients.digest(made.key)].client == "new"
    clients.revoke_key(made.prefix, by=SYSTEM)
    assert clients.digest(made.key) not in snapshot.fresh().keys


def test_prices_come_from_the_override_else_from_the_published_list_else_not_at_all():
    known = snapshot.current()
    assert known.rates["anthropic:opus"].source.startswith("genai-prices")
    model = Model.objects.get(slug="opus")
    row = Price.objects.create(model=model, input=1, output=2, valid_from=datetime.now(UTC) - timedelta(days=1))
    Price.objects.create(model=model, input=9, output=9, valid_from=datetime.now(UTC) + timedelta(days=1))
    Model.objects.filter(slug="haiku").update(upstream_id="nobody-knows-this")
    again = snapshot.load_now()
    assert (again.rates["anthropic:opus"].source, again.rates["anthropic:opus"].input.base) == (f"override {row.pk}", 1)
    assert "anthropic:haiku" not in again.rates


def test_an_exhausted_quota_leaves_its_models_out_until_it_resets():
    quotas.spend("codex-cli", datetime.now(UTC) + timedelta(hours=1), "weekly limit")
    assert first("vibe_coding").model == "sonnet"
    Quota.objects.update(resets_at=datetime.now(UTC) - timedelta(seconds=1))
    snapshot.touch_state()
    assert first("vibe_coding").model == "codex"


def test_a_usage_reading_moves_the_degradation():
    provider = Provider.objects.get(slug="anthropic")
    UsageReading.objects.create(
        provider=provider, window="weekly", percent=96, read_at=datetime.now(UTC), source="pushed"
    )
    UsageReading.objects.create(provider=provider, window="5h", percent=10, read_at=datetime.now(UTC), source="pushed")
    snapshot.touch_state()
    assert first("complex_reasoning").model == "codex"


def test_an_exploration_in_force_gives_shares():
    today = datetime.now(UTC).date()
    task = TaskType.objects.get(slug="vibe_coding")
    row = Exploration.objects.create(task_type=task, share=0.1, usd_cap=5, starts_on=today, until=today)
    row.challengers.add(Model.objects.get(slug="haiku"))
    snapshot.touch_state()
    plan = snapshot.fresh().plan(Ask("vibe_coding"), datetime.now(UTC))
    assert dict(plan.shares) == pytest.approx({"anthropic:haiku": 0.1, "openai:codex": 0.9})


def test_a_private_address_makes_a_provider_not_ready(settings):
    settings.ALLOW_PRIVATE_UPSTREAMS = []
    Provider.objects.filter(slug="openai").update(simulate=False, base_url="https://10.0.0.7/v1")
    known = snapshot.load_now()
    assert "not a public address" in known.health.not_ready["openai", ""]
    assert known.is_old(datetime.now(UTC) + timedelta(minutes=1)), "it is looked up again soon"
    assert first("vibe_coding").model == "sonnet"


def test_a_provider_without_a_key_is_not_ready_and_its_secret_is_never_shown(monkeypatch):
    Provider.objects.update(simulate=False)
    assert snapshot.load_now().health.not_ready["openai", "main"] == "OPENAI_API_KEY is not set"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789")
    known = snapshot.load_now()
    assert known.endpoints["openai", "main"].secret.reveal() == "sk-canary-0123456789"
    assert "canary" not in repr(known)


def test_an_endpoint_knows_the_most_that_its_model_writes():
    Model.objects.filter(slug="codex").update(max_output_tokens=128_000)
    known = snapshot.load_now()
    candidate = known.plan(Ask("vibe_coding"), datetime.now(UTC)).candidates[0]

    assert candidate.model == "codex"
    assert known.endpoint(candidate).max_output_tokens == 128_000


def test_while_the_database_is_away_the_last_snapshot_stands(monkeypatch, caplog):
    known = snapshot.current()

    def away():
        raise OperationalError("connection refused")

    monkeypatch.setattr(background.connection, "close", lambda: None)
    refresher = background._Refresher(away)
    refresher.tick()
    refresher.tick()
    assert snapshot.current().table is known.table
    assert refresher.is_away
    assert len([each for each in caplog.records if "database is away" in each.message]) == 1
    refresher.refresh = snapshot.refresh
    refresher.tick()
    assert not refresher.is_away


def test_what_a_process_learns_stands_beside_what_was_read():
    candidate = first("vibe_coding")
    noting._rest(candidate, "codex", circuits_fault(), 300, datetime.now(UTC))
    assert first("vibe_coding").model == "sonnet"
    snapshot.load_now()
    assert first("vibe_coding").model == "sonnet", "a reading does not forget what is not written yet"


def circuits_fault():
    from routing.terms.fault import Fault
    from routing.terms.words import ErrorKind

    return Fault(ErrorKind.RATE_LIMIT, "slow down")
