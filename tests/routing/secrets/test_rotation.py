"""Changing the encryption keys while everything serves."""

import json
import threading
from collections.abc import Iterator
from io import StringIO

import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connections, models
from django.test import override_settings

from routing import audit, credentials, secrets
from routing.audit import SYSTEM
from routing.models import AuditEvent, Batch, BatchItem, Client, Credential, Provider
from routing.models._fields import Encrypted
from routing.secrets import Unreadable, rotation

pytestmark = pytest.mark.django_db

OLD, NEW, LOST = (Fernet.generate_key().decode() for _ in range(3))
CANARY = "sk-canary-0123456789abcdef"
# Bytes that no key of the server made: who may read them is said there.
NOT_OURS = {("IdempotencyClaim", "replay")}


@pytest.fixture
def stored() -> Iterator[None]:
    """A credential and a batch's item, under the old key; now the new key stands before it."""
    with override_settings(ENCRYPTION_KEYS=[OLD]):
        provider = Provider.objects.create(slug="openai", kind="openai")
        Credential.objects.create(provider=provider, name="main", kind="api_key")
        credentials.store("openai", "main", CANARY, by=SYSTEM)
        batch = Batch.objects.create(client=Client.objects.create(slug="ci", name="CI"))
        BatchItem.objects.create(batch=batch, position=0, body=secrets.encrypt("a prompt"), answer=None)
    with override_settings(ENCRYPTION_KEYS=[NEW, OLD]):
        yield


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("secrets", *arguments, stdout=out)
    return out.getvalue()


def test_every_column_of_bytes_says_whether_it_is_encrypted() -> None:
    plain = {
        (model.__name__, field.name)
        for model in apps.get_models()
        if model.__module__.startswith(("routing.", "analytics."))
        for field in model._meta.concrete_fields
        if isinstance(field, models.BinaryField) and not isinstance(field, Encrypted)
    }
    assert plain == NOT_OURS


def test_everything_moves_under_the_newest_key_which_then_is_enough(stored: None) -> None:
    assert json.loads(run("status", "--json")) == {"newest": 0, "older": 2, "unreadable": []}
    told = run("rotate")
    assert "2 secrets encrypted anew under the first of 2 keys; 0 had been already." in told
    assert "The other keys may leave CORTEX_ENCRYPTION_KEYS" in told
    with override_settings(ENCRYPTION_KEYS=[NEW]):
        assert credentials.reveal("openai", "main").reveal() == CANARY
        assert secrets.decrypt(BatchItem.objects.get().body or b"") == "a prompt"
        assert audit.verify().ok
        assert json.loads(run("status", "--json"))["newest"] == 2


def test_the_second_time_nothing_is_left_to_do(stored: None) -> None:
    run("rotate")
    before = bytes(Credential.objects.get().secret or b"")
    assert json.loads(run("rotate", "--json")) == {"rotated": 0, "newest": 2}
    assert bytes(Credential.objects.get().secret or b"") == before


def test_the_audit_tells_how_many_and_nothing_else(stored: None) -> None:
    run("rotate")
    event = AuditEvent.objects.latest("sequence")
    assert (event.action, event.actor_name, event.after) == ("secrets.rotate", "secrets", {"rotated": 2, "newest": 0})


def test_what_no_key_opens_is_named_and_nothing_is_changed(stored: None) -> None:
    with override_settings(ENCRYPTION_KEYS=[LOST]):
        provider = Provider.objects.create(slug="anthropic", kind="anthropic")
        Credential.objects.create(provider=provider, name="main", kind="api_key", secret=secrets.encrypt("{}"))
    before = {row.pk: bytes(row.secret or b"") for row in Credential.objects.all()}
    with pytest.raises(CommandError, match=r"Nothing was changed.*opens credential anthropic/main\. Add the key"):
        run("rotate")
    assert {row.pk: bytes(row.secret or b"") for row in Credential.objects.all()} == before
    with pytest.raises(CommandError, match="opens 1: credential anthropic/main"):
        run("status")
    Credential.objects.filter(provider=provider).delete()
    assert "2 secrets" in run("rotate")


def test_many_unreadable_ones_are_counted_and_not_all_listed() -> None:
    with pytest.raises(Unreadable, match=r"item 9 and 2 more\."):
        raise Unreadable(rotation._refusal(tuple(f"item {number}" for number in range(12))))


@pytest.mark.django_db(transaction=True)
def test_a_secret_that_is_stored_meanwhile_is_not_written_over(stored: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the reading and the writing of a row somebody stores another secret, still with the old key in front."""
    rotate = secrets.rotate

    def slowly(token: bytes) -> bytes:
        monkeypatch.setattr(secrets, "rotate", rotate)
        thread = threading.Thread(target=store_with_the_old_key)
        thread.start()
        thread.join(60)
        return rotate(token)

    monkeypatch.setattr(secrets, "rotate", slowly)
    assert rotation.rotate(by=SYSTEM).rotated == 2
    with override_settings(ENCRYPTION_KEYS=[NEW]):
        assert credentials.reveal("openai", "main").reveal() == "sk-meanwhile"


def store_with_the_old_key() -> None:
    try:
        token = Fernet(OLD.encode()).encrypt(json.dumps({"secret": "sk-meanwhile"}).encode())
        Credential.objects.update(secret=token)
    finally:
        connections.close_all()
