"""load and dump from a terminal, and the chores of housekeeping."""

import io
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from routing import changes, clients, document, jobs, notifications, tasks, usage
from routing.audit import SYSTEM, Actor
from routing.models import Alert, Batch, BatchItem, Client, ClientKey, IdempotencyClaim, JobRun, Provider, Revision
from routing.terms.words import JobStatus

pytestmark = pytest.mark.django_db

TABLE = {
    "providers": [{"slug": "openai", "kind": "openai"}],
    "models": [{"provider": "openai", "slug": "codex", "upstream_id": "gpt-6.1-sol"}],
    "task_types": [{"slug": "coding", "name": "Coding"}],
    "routes": [{"task_type": "coding", "steps": ["codex"]}],
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "table.json"
    path.write_text(json.dumps(TABLE))
    return path


def test_a_file_is_loaded_and_dumped(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("load", str(file))
    assert "Published as revision 1." in capsys.readouterr().out
    call_command("dump")
    dumped = json.loads(capsys.readouterr().out)
    assert dumped == document.dump()
    file.write_text(json.dumps(dumped))
    call_command("load", str(file))
    assert capsys.readouterr().out == "Nothing changed.\n"


def test_a_dry_run_prints_the_diff_and_changes_nothing(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("load", str(file), "--dry-run", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["revision"] is None
    assert "routes[coding]" in [change["path"] for change in told["changes"]]
    assert not Revision.objects.exists()


def test_a_bad_file_is_refused_with_every_path(file: Path) -> None:
    file.write_text(json.dumps({**TABLE, "routes": [{"task_type": "codng", "steps": ["codx"]}]}))
    with pytest.raises(CommandError) as caught:
        call_command("load", str(file))
    assert str(caught.value) == (
        "Nothing was loaded.\n"
        "routes[0].steps[0]: no model 'codx'; nearest: codex\n"
        "routes[0].task_type: no task type 'codng'; nearest: coding"
    )


def test_an_edit_by_hand_needs_force(file: Path) -> None:
    call_command("load", str(file), stdout=io.StringIO())
    changes.change_route("coding", ["codex"], note="mine", by=Actor("anna"), reason="")
    file.write_text(json.dumps({"routes": [{"task_type": "coding", "note": "the file's"}]}))
    with pytest.raises(CommandError, match="--force"):
        call_command("load", str(file))
    call_command("load", str(file), "--force", stdout=io.StringIO())
    assert document.dump()["routes"][0]["note"] == "the file's"


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe", b'{"models": NaN}'])
def test_what_is_no_document_is_refused_in_a_sentence(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(CommandError, match=r"^Nothing was loaded\.\n"):
        call_command("load", str(file))


def test_a_file_that_is_not_there_is_said_to_be_not_there() -> None:
    with pytest.raises(CommandError, match="No such file"):
        call_command("load", "/nowhere/table.json")


# ── housekeeping ──


def parts() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'routing_call'::regclass")
        return {row[0] for row in cursor.fetchall()}


@pytest.mark.parametrize(
    ("today", "months"),
    [
        (date(2031, 1, 31), {"routing_call_2031_01", "routing_call_2031_02"}),
        (date(2031, 12, 1), {"routing_call_2031_12", "routing_call_2032_01"}),
    ],
)
def test_this_month_and_the_next_have_their_partitions(today: date, months: set[str]) -> None:
    tasks.make_partitions(today)
    tasks.make_partitions(today)  # safe twice
    assert months <= parts()


def test_expired_claims_go_and_others_stay() -> None:
    clients.create_key("ci", by=SYSTEM)
    key, now = ClientKey.objects.get(), datetime.now(UTC)
    for name, expires_at in (("old", now - timedelta(seconds=1)), ("new", now + timedelta(hours=1))):
        IdempotencyClaim.objects.create(
            key=key,
            idempotency_key=name,
            body_mac="",
            call_id="00000000-0000-7000-8000-000000000000",
            state="done",
            expires_at=expires_at,
        )
    tasks.drop_expired()
    assert [claim.idempotency_key for claim in IdempotencyClaim.objects.all()] == ["new"]


def test_prompts_of_a_batch_are_forgotten_on_time() -> None:
    client, now = Client.objects.create(slug="ci"), datetime.now(UTC)
    for hours in (-1, 1):
        batch = Batch.objects.create(client=client, purge_at=now + timedelta(hours=hours))
        BatchItem.objects.create(batch=batch, position=0, body=b"sealed", answer=b"sealed")
    tasks.purge_batches()
    kept = [item.body for item in BatchItem.objects.order_by("batch_id")]
    assert (kept[0], bytes(kept[1] or b"")) == (None, b"sealed")


def test_a_chore_that_fails_does_not_keep_the_others_from_running(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise OSError("no disk")

    monkeypatch.setattr(tasks, "make_partitions", fail)
    told = []
    monkeypatch.setattr(tasks, "purge_batches", lambda: told.append("purged"))
    tasks.housekeeping()
    assert told == ["purged"]
    assert "Housekeeping: fail failed" in caplog.text
    assert JobRun.objects.get().error == "RuntimeError: fail failed; the log tells more"


def test_housekeeping_is_one_row_a_day_however_often_it_runs() -> None:
    tasks.housekeeping()
    tasks.housekeeping()
    assert JobRun.objects.get().status == JobStatus.DONE


def test_the_minutes_watch_reads_usage_checks_budgets_and_notifies(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = Provider.objects.create(slug="openai", kind="openai")
    usage.record("openai", "5h", 85, None, timezone.now() - timedelta(hours=7))
    sent = []
    monkeypatch.setattr(notifications, "send", sent.append)
    for _ in range(2):
        tasks.watch()
    assert JobRun.objects.get(job="watch").status == JobStatus.DONE
    assert Alert.objects.filter(kind="usage_unknown", subject=f"provider:{provider.slug}").count() == 1
    assert len(sent) == 2


def test_a_run_is_one_row_a_job_and_key_and_begins_again() -> None:
    run = jobs.start("weekly", "2026-W47")
    jobs.fail(run, OSError("no disk"))
    assert JobRun.objects.get().error == "OSError: no disk"
    assert not jobs.is_done("weekly", "2026-W47")
    jobs.finish(jobs.start("weekly", "2026-W47"), {"tasks": 3})
    assert jobs.is_done("weekly", "2026-W47")
    assert JobRun.objects.get().result == {"tasks": 3}
    JobRun.objects.update(dirty=True)
    assert not jobs.is_done("weekly", "2026-W47")


def test_one_of_two_connections_holds_the_lock_of_a_job() -> None:
    other = connection.copy()
    try:
        with jobs.lock("nightly", "2026-11-21") as held, other.cursor() as cursor:
            assert held
            cursor.execute("SELECT pg_try_advisory_lock(hashtextextended('job nightly 2026-11-21', 0))")
            assert cursor.fetchone() == (False,)
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(hashtextextended('job nightly 2026-11-21', 0))")
            assert cursor.fetchone() == (True,)
    finally:
        other.close()
