"""Quotas: exhausted by a person or by a provider's word, released, reset when their date has passed; each told once."""

from datetime import UTC, datetime, timedelta

import pytest

from routing import quotas, snapshot
from routing.audit import SYSTEM, Actor
from routing.models import Alert, AuditEvent, Quota

ANNA = Actor("anna")


def now() -> datetime:
    return datetime.now(UTC)


def events() -> list[tuple[str, str]]:
    return list(AuditEvent.objects.order_by("sequence").values_list("action", "actor_name"))


@pytest.fixture
def pool(db: None) -> str:
    Quota.objects.create(slug="codex-cli", name="Codex CLI")
    return "codex-cli"


@pytest.mark.parametrize(
    "text", ["Feb 3", "2026-13-01", "", "tomorrow", "2026-11-30T99:00Z", "2026-02-30", "0", "２０９９-０２"]
)
def test_what_is_no_date_is_refused_with_what_to_write_instead(text: str) -> None:
    with pytest.raises(quotas.NoMoment, match=r"is no date: write 20\d\d-02-03 .* or 20\d\d-02-03T12:00Z"):
        quotas.moment(text)


def test_a_date_is_midnight_in_the_configured_zone_and_a_zone_is_kept(settings) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    assert quotas.moment("2026-07-01").astimezone(UTC) == datetime(2026, 6, 30, 22, tzinfo=UTC)
    assert quotas.moment("2026-07-01T12:00Z") == datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert quotas.moment("2026-07-01T12:00").astimezone(UTC) == datetime(2026, 7, 1, 10, tzinfo=UTC)


def test_a_moment_that_is_over_exhausts_nothing() -> None:
    with pytest.raises(quotas.NoMoment, match="is over"):
        quotas.moment_ahead("2020-01-01")


def test_a_person_says_exactly_until_when(pool: str) -> None:
    late, soon = now() + timedelta(days=9), now() + timedelta(days=2)
    assert quotas.exhaust(pool, late, "typed wrong", by=ANNA)
    assert quotas.exhaust(pool, soon, "weekly limit", by=ANNA)
    assert not quotas.exhaust(pool, soon, "weekly limit", by=ANNA)
    assert Quota.objects.get().resets_at == soon
    assert events() == [("quota.exhausted", "anna")] * 2


def test_a_providers_word_never_shortens_what_stands_and_is_one_event(pool: str) -> None:
    long = now() + timedelta(days=3)
    quotas.exhaust(pool, long, "", by=ANNA)
    assert not quotas.spend(pool, now() + timedelta(minutes=5), "402")
    assert Quota.objects.get().resets_at == long
    quotas.release(pool, by=ANNA)
    assert quotas.spend(pool, now() + timedelta(minutes=5), "402")
    assert quotas.spend(pool, now() + timedelta(minutes=9), "402 again")
    assert [action for action, _ in events()] == ["quota.exhausted", "quota.released", "quota.exhausted"]
    quotas.exhaust(pool, None, "for good", by=ANNA)
    assert not quotas.spend(pool, now() + timedelta(minutes=9), "402")
    assert Quota.objects.get().resets_at is None


def test_it_resets_at_read_time_with_one_event_whoever_reads_and_the_alert_is_over(pool: str) -> None:
    quotas.spend(pool, now() + timedelta(hours=1), "402")
    (stale,) = Quota.objects.all()
    assert list(quotas.exhausted(now())) == [pool]
    later = now() + timedelta(hours=2)
    assert [quotas.exhausted(later), quotas.exhausted(later)] == [{}, {}]
    quotas._reset(stale)  # a process that had read the row before the others reset it
    assert events()[1:] == [("quota.reset", "system")]
    assert Alert.objects.get(kind="quota").resolved_at is not None


def test_a_date_outlives_every_process(pool: str) -> None:
    until = quotas.moment("2099-02-03")
    quotas.exhaust(pool, until, "", by=SYSTEM)
    snapshot.forget()
    assert snapshot.load_now().health.quotas[pool].until == until


def test_a_process_reads_anew_as_soon_as_a_quota_is_due(pool: str) -> None:
    quotas.exhaust(pool, now() + timedelta(hours=1), "", by=SYSTEM)
    known = snapshot.load_now()
    assert not known.is_old(now())
    assert known.is_old(now() + timedelta(hours=1, seconds=1))


def test_an_unknown_quota_is_named_with_those_that_there_are(pool: str) -> None:
    with pytest.raises(quotas.Unknown, match="Known: codex-cli"):
        quotas.release("codex", by=ANNA)
    assert not quotas.spend("codex", now() + timedelta(hours=1), "402"), "the table has no such pool any more"
