"""The audit chain: every single tampering is found."""

import json
from collections.abc import Callable

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test import override_settings

from routing import audit
from routing.audit import SYSTEM, Actor
from routing.models import AuditEvent, AuditHead

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def chain(db: None) -> None:
    with transaction.atomic():
        for number in range(1, 6):
            audit.write(
                "route.publish", f"revision:{number}", by=Actor("anna"), before={"n": number}, after=[1.5, 1e22]
            )


def tamper(sql: str) -> None:
    """As someone would who owns the database: with the trigger out of the way."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE routing_auditevent DISABLE TRIGGER USER")
        cursor.execute(sql)
        cursor.execute("ALTER TABLE routing_auditevent ENABLE TRIGGER USER")


def test_a_chain_that_nobody_touched_is_whole() -> None:
    found = audit.verify()
    assert (found.ok, found.events, found.problem) == (True, 5, "")


COLUMNS = {
    "at": "at + interval '1 microsecond'",
    "actor_id": "7",
    "actor_name": "'eve'",
    "action": "'x'",
    "subject": "'x'",
    "before": "'{\"n\": 99}'",
    "after": "'[1.5]'",
    "reason": "'x'",
    "address": "'::1'",
    "previous_hash": "repeat('1', 64)",
    "hash": "repeat('1', 64)",
    "sequence": "99",
}


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("sequence", [1, 3, 5])
def test_any_edit_is_found(column: str, sequence: int) -> None:
    tamper(f'UPDATE routing_auditevent SET "{column}" = {COLUMNS[column]} WHERE sequence = {sequence}')
    assert not audit.verify().ok


def test_every_column_is_covered() -> None:
    columns = {field.column for field in AuditEvent._meta.concrete_fields}
    assert columns == set(COLUMNS)


@pytest.mark.parametrize("sequence", [1, 3, 5])
def test_a_deletion_is_found_at_the_tail_too(sequence: int) -> None:
    tamper(f"DELETE FROM routing_auditevent WHERE sequence = {sequence}")
    assert not audit.verify().ok


def test_an_empty_chain_under_a_full_head_is_found() -> None:
    tamper("DELETE FROM routing_auditevent")
    assert not audit.verify().ok


def test_two_events_that_changed_places_are_found() -> None:
    tamper("UPDATE routing_auditevent SET sequence = -1 WHERE sequence = 2")
    tamper("UPDATE routing_auditevent SET sequence = 2 WHERE sequence = 3")
    tamper("UPDATE routing_auditevent SET sequence = 3 WHERE sequence = -1")
    assert not audit.verify().ok


def test_an_event_that_was_slipped_in_is_found() -> None:
    columns = ", ".join(f'"{column}"' for column in COLUMNS if column != "sequence")
    tamper(
        f"INSERT INTO routing_auditevent (sequence, {columns}) SELECT 6, {columns} FROM routing_auditevent WHERE sequence = 5"
    )
    assert not audit.verify().ok


@pytest.mark.parametrize(
    "forge", [lambda head: setattr(head, "hmac", "0" * 64), lambda head: setattr(head, "count", 4)]
)
def test_a_forged_head_is_found(forge: Callable[[AuditHead], None]) -> None:
    head = AuditHead.objects.get()
    forge(head)
    head.save()
    assert not audit.verify().ok


def test_a_head_put_back_together_with_its_tail_cut_needs_the_key() -> None:
    last = AuditEvent.objects.get(sequence=4)
    tamper("DELETE FROM routing_auditevent WHERE sequence = 5")
    AuditHead.objects.update(count=4, hash=last.hash)  # the HMAC cannot be made without the key
    assert not audit.verify().ok


def test_a_forged_head_stays_found_whatever_is_written_after_it() -> None:
    last = AuditEvent.objects.get(sequence=4)
    tamper("DELETE FROM routing_auditevent WHERE sequence = 5")
    AuditHead.objects.update(count=4, hash=last.hash)
    for _ in range(2):
        audit.write("x", "y", by=SYSTEM)
        assert audit.verify().problem.startswith("The head was changed")
    call_command("audit", "reseal", "--reason", "the copy of last night was put back")
    assert audit.verify().ok
    event = AuditEvent.objects.latest("sequence")
    assert (event.action, event.reason) == ("audit.reseal", "the copy of last night was put back")
    assert event.before["problem"].startswith("The head was changed")


def test_the_database_refuses_to_change_or_delete_an_event() -> None:
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        AuditEvent.objects.filter(sequence=1).update(reason="x")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        AuditEvent.objects.filter(sequence=1).delete()
    assert audit.verify().ok


def test_an_event_stands_when_its_account_goes(django_user_model: type) -> None:
    user = django_user_model.objects.create_user("bert")
    audit.write("x", "y", by=Actor.of_user(user))
    user.delete()
    event = AuditEvent.objects.order_by("-sequence")[0]
    assert event.actor_name == "bert"
    assert audit.verify().ok


def test_the_head_survives_a_rotation_of_keys() -> None:
    from django.conf import settings

    new = ["bmV3LWtleS1mb3ItdGhlLWhlYWQtMDEyMzQ1Njc4OWE="]
    with override_settings(ENCRYPTION_KEYS=[*new, *settings.ENCRYPTION_KEYS]):
        assert audit.verify().ok
    with override_settings(ENCRYPTION_KEYS=new):
        assert not audit.verify().ok


@pytest.mark.django_db(transaction=True)
def test_an_event_outside_of_its_change_is_refused() -> None:
    with pytest.raises(RuntimeError, match="transaction"):
        audit.write("x", "y", by=SYSTEM)


def test_the_command_says_whole_or_where_it_broke(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("audit", "verify")
    assert capsys.readouterr().out == "The audit chain is whole: 5 events.\n"
    tamper("UPDATE routing_auditevent SET reason = 'x' WHERE sequence = 2")
    with pytest.raises(CommandError, match="Event 2 was changed"):
        call_command("audit", "verify", "--json")
    assert json.loads(capsys.readouterr().out)["sequence"] == 2
