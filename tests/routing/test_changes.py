"""Publishing: one edit, one revision, one audit event; nobody overwrites what they have not seen."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from routing import audit, changes, clients, credentials, document
from routing.audit import SYSTEM, Actor
from routing.models import AuditEvent, Credential, Provider, Revision, Route, StateVersion, TaskType
from routing.versions import current_revision
from tests.routing.seeded import load_seed

pytestmark = pytest.mark.django_db

ANNA = Actor("anna")


@pytest.fixture(autouse=True)
def seed(db: None) -> None:
    load_seed()


def steps(task_type: str) -> list[str]:
    return next(
        part["steps"]
        for part in document.dump()["routes"]
        if (part["task_type"], part["project"], part["condition"]) == (task_type, None, "")
    )


def test_an_edit_is_one_revision_with_who_why_and_what() -> None:
    revision = changes.change_route("bulk_ops", ["haiku", "gemini"], by=ANNA, reason="a fallback", source="console")
    assert revision.number == current_revision() == 2
    assert (revision.by_name, revision.reason, revision.source) == ("anna", "a fallback", "console")
    assert revision.task_types == ["bulk_ops"]
    assert revision.changes == [
        {
            "path": "routes[bulk_ops].steps",
            "before": ["anthropic:haiku"],
            "after": ["anthropic:haiku", "gemini:gemini-flash"],
        }
    ]
    assert revision.document == document.dump()


def test_an_edit_that_changes_nothing_is_no_revision() -> None:
    events = AuditEvent.objects.count()
    assert changes.change_route("bulk_ops", ["haiku"], by=ANNA, reason="same").number == 1
    assert AuditEvent.objects.count() == events


def test_every_publication_tells_all_processes() -> None:
    before = StateVersion.objects.get()
    changes.change_route("bulk_ops", ["sonnet"], by=ANNA, reason="")
    after = StateVersion.objects.get()
    assert (after.revision, after.state) == (before.revision + 1, before.state + 1)


def test_an_edit_of_a_table_that_has_moved_is_refused_and_told_what_moved() -> None:
    changes.change_route("bulk_ops", ["sonnet"], by=ANNA, reason="")
    with pytest.raises(changes.Stale) as caught:
        changes.change_route("bulk_ops", ["opus"], by=SYSTEM, reason="", expected_revision=1)
    stale = caught.value
    assert (stale.current, stale.who) == (2, "anna")
    assert [change.path for change in stale.diff] == ["routes[bulk_ops].steps"]
    assert steps("bulk_ops") == ["anthropic:sonnet"]


def test_a_change_whose_audit_event_fails_does_not_happen(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **named: object) -> None:
        raise OSError("no room for events")

    monkeypatch.setattr(audit, "write", fail)
    with pytest.raises(OSError, match="no room"):
        changes.change_route("bulk_ops", ["sonnet"], by=ANNA, reason="")
    assert steps("bulk_ops") == ["anthropic:haiku"]
    assert Revision.objects.count() == 1


def test_an_edit_that_fails_halfway_leaves_no_trace() -> None:
    def edit(whole: dict[str, Any]) -> dict[str, Any]:
        whole["models"] = []  # routes still name them
        return whole

    with pytest.raises(changes.Invalid):
        changes.publish(edit, by=ANNA, reason="", source="console")
    assert Revision.objects.count() == 1
    assert steps("bulk_ops") == ["anthropic:haiku"]


def test_a_preview_tells_the_diff_and_writes_nothing() -> None:
    (change,) = changes.preview({"routes": [{"task_type": "bulk_ops", "steps": ["sonnet"]}]})
    assert (change.path, change.after) == ("routes[bulk_ops].steps", ["anthropic:sonnet"])
    assert steps("bulk_ops") == ["anthropic:haiku"]


def test_a_model_that_a_route_uses_cannot_be_deleted() -> None:
    with pytest.raises(changes.Invalid, match=r"routes\[bulk_ops\]\.steps\[0\]: no model 'anthropic:haiku'"):
        changes.remove("models", "anthropic:haiku", by=ANNA, reason="", source="console")


def test_a_task_type_goes_with_its_routes_and_rules() -> None:
    changes.remove("task_types", "code_review", by=ANNA, reason="", source="console")
    assert not TaskType.objects.filter(slug="code_review").exists()
    assert not Route.objects.filter(task_type__slug="code_review").exists()
    assert "code_review" not in [part["task_type"] for part in document.dump()["rules"]]


def test_what_does_not_exist_cannot_be_deleted() -> None:
    with pytest.raises(changes.Unknown, match="no 'nothing' in routes"):
        changes.remove("routes", "nothing", by=ANNA, reason="", source="console")


def test_a_condition_has_a_route_of_its_own() -> None:
    changes.change_route("code_generation", ["opus"], condition="batch", by=ANNA, reason="")
    assert steps("code_generation") == ["anthropic:sonnet", "openai:codex"]


def test_restore_brings_the_routes_back_as_they_were() -> None:
    before = document.dump()
    changes.change_route("bulk_ops", ["opus"], by=ANNA, reason="")
    changes.change_route("bulk_ops", ["sonnet"], condition="batch", by=ANNA, reason="")
    changes.remove("routes", "security_audit", by=ANNA, reason="", source="console")
    restored = changes.restore(1, by=ANNA, reason="that was wrong")
    assert document.dump() == before
    assert (restored.number, restored.restores, restored.source) == (5, 1, "restore")
    assert restored.task_types == ["bulk_ops", "security_audit"]


def test_restore_keeps_what_secrets_and_evidence_hang_on_but_disables_it() -> None:
    new = {
        "providers": [{"slug": "later", "kind": "openai"}],
        "credentials": [{"provider": "later", "secret": "sk-later"}],
        "models": [{"provider": "later", "slug": "model", "upstream_id": "m"}],
    }
    changes.publish(new, by=ANNA, reason="", source="console")
    changes.restore(1, by=ANNA, reason="")
    assert not Provider.objects.get(slug="later").enabled
    assert Credential.objects.get(provider__slug="later").secret is not None


def test_a_revision_that_does_not_exist_cannot_be_restored() -> None:
    with pytest.raises(changes.Unknown, match="no revision 7; the newest is 1"):
        changes.restore(7, by=ANNA, reason="")


def test_any_two_revisions_can_be_compared() -> None:
    changes.change_route("bulk_ops", ["opus"], by=ANNA, reason="")
    changes.change_route("bulk_ops", ["sonnet"], by=ANNA, reason="")
    (change,) = changes.compare(1, 3)
    assert (change.before, change.after) == (["anthropic:haiku"], ["anthropic:sonnet"])
    assert changes.compare(3, 3) == ()
    assert len(changes.compare(0, 1)) > 50  # everything is new against the empty table


def test_a_hand_marks_what_it_edits_and_a_machine_does_not() -> None:
    changes.change_route("bulk_ops", ["opus"], by=ANNA, reason="", source="console")
    changes.change_route("code_review", ["opus"], by=SYSTEM, reason="", source="import")
    edited = set(Route.objects.exclude(edited_at=None).values_list("task_type__slug", flat=True))
    assert edited == {"bulk_ops"}


@pytest.mark.django_db(transaction=True)
def test_of_two_editors_who_read_the_same_revision_one_wins() -> None:
    results: list[object] = []
    start = threading.Barrier(4)

    def edit(model: str) -> None:
        start.wait()
        try:
            revision = changes.change_route("bulk_ops", [model], by=ANNA, reason="", expected_revision=1)
            results.append(revision.number)
        except changes.Stale as error:
            results.append(error.current)
        finally:
            connection.close()

    threads = [threading.Thread(target=edit, args=(model,)) for model in ("sonnet", "opus", "codex", "gpt-4o")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [2, 2, 2, 2]
    assert Revision.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_publishing_storing_and_making_keys_at_once_never_wait_for_one_another_in_a_circle() -> None:
    """Each locks the audit head and the state version: in another order than the others, it would be a deadlock within a few rounds."""
    failures: list[Exception] = []
    start = threading.Barrier(3)

    def publish(round_: int) -> None:
        changes.change_route("bulk_ops", [("sonnet", "opus")[round_ % 2]], by=ANNA, reason="")

    def store(round_: int) -> None:
        credentials.store("openai", "main", f"sk-{round_}", by=ANNA)

    def make(round_: int) -> None:
        clients.create_key("ci", by=ANNA)

    def repeat(act: Callable[[int], None]) -> None:
        start.wait()
        try:
            for round_ in range(6):
                act(round_)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test tells it
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=repeat, args=(act,)) for act in (publish, store, make)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert audit.verify().ok


def test_the_time_of_a_stale_table_is_said() -> None:
    error = changes.Stale(4, "anna", datetime(2026, 11, 22, 14, 5, tzinfo=UTC), ())
    assert (
        str(error)
        == "The routing table is at revision 4, published by anna at 2026-11-22 14:05 UTC. Read it again, then edit."
    )


@pytest.mark.parametrize("source", ["api", "console"])
def test_over_the_network_nobody_names_a_variable_of_the_server(source: str) -> None:
    elsewhere = {
        "providers": [{"slug": "elsewhere", "kind": "openai_compatible", "base_url": "https://elsewhere.example/v1"}],
        "credentials": [{"provider": "elsewhere", "name": "main", "kind": "api_key", "env": "OPENAI_API_KEY"}],
    }
    with pytest.raises(document.Invalid, match=r"credentials\[0\]\.env: only `manage.py load`"):
        changes.publish(elsewhere, by=ANNA, reason="", source=source)
    assert not Provider.objects.filter(slug="elsewhere").exists()
    assert changes.publish(elsewhere, by=SYSTEM, reason="", source="load").number == 2
