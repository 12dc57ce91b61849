"""Credentials: which are ready, and that their material is nowhere to be seen."""

import copy
import json
import logging
import pickle
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.fernet import Fernet
from django.test import override_settings

from routing import credentials
from routing.audit import SYSTEM
from routing.credentials import Access
from routing.models import AuditEvent, Credential, Provider, StateVersion

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
CANARY = "sk-canary-0123456789abcdef"


@pytest.fixture
def row() -> Credential:
    provider = Provider.objects.create(slug="openai", kind="openai", simulate=True)
    return Credential.objects.create(provider=provider, name="main", kind="api_key", env="OPENAI_API_KEY")


def only() -> Access:
    (access,) = credentials.read_all(NOW)
    return access


def test_without_a_secret_it_is_not_ready_and_says_what_is_missing(row: Credential) -> None:
    assert (only().ready, only().reason) == (False, "OPENAI_API_KEY is not set")
    assert credentials.ready_credentials(NOW) == ()
    Credential.objects.update(env="")
    assert only().reason == "no secret is stored"


def test_the_environment_makes_it_ready(row: Credential, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f" {CANARY}\n")
    (access,) = credentials.ready_credentials(NOW)
    assert access.secret is not None
    assert access.secret.reveal() == CANARY


def test_a_stored_secret_wins_over_the_environment_and_makes_the_provider_real(
    row: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    credentials.store("openai", "main", CANARY, by=SYSTEM)
    assert credentials.reveal("openai", "main").reveal() == CANARY
    assert not Provider.objects.get().simulate


def test_the_canary_is_nowhere(row: Credential, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    credentials.store("openai", "main", CANARY, by=SYSTEM)
    access = only()
    logging.getLogger("test").debug("%s %r", access, access)
    rows = [*Credential.objects.values(), *AuditEvent.objects.values()]
    seen = caplog.text + repr(access) + str(access) + json.dumps(rows, default=repr) + repr(copy.deepcopy(access))
    assert CANARY not in seen
    with pytest.raises(TypeError):
        pickle.dumps(access)


def test_a_refused_credential_is_not_ready_until_a_test_or_another_secret(row: Credential) -> None:
    credentials.store("openai", "main", CANARY, by=SYSTEM)
    assert credentials.mark_not_ready("openai", "main", "401: no such key")
    assert not credentials.mark_not_ready("openai", "main", "again")  # one of many callers raises the alert
    assert (only().ready, only().reason, only().secret) == (False, "401: no such key", None)
    with pytest.raises(credentials.Unknown, match="401: no such key"):
        credentials.reveal("openai", "main")
    assert credentials.mark_ready("openai", "main")
    assert only().ready
    credentials.mark_not_ready("openai", "main", "401")
    credentials.store("openai", "main", "sk-new", by=SYSTEM)
    assert only().ready


def test_a_refusal_of_the_key_that_was_replaced_leaves_the_new_one_ready(row: Credential) -> None:
    credentials.store("openai", "main", "sk-old", by=SYSTEM)
    old = only().secret
    credentials.store("openai", "main", "sk-new", by=SYSTEM)
    assert not credentials.refused("openai", "main", "401: no such key", status=401, shown=old, now=NOW)
    assert only().ready
    assert credentials.refused("openai", "main", "401: no such key", status=401, shown=only().secret, now=NOW)
    assert (only().ready, only().until) == (False, None)  # an API key is not renewed by itself


def test_what_changes_readiness_tells_all_processes(row: Credential) -> None:
    def state() -> int:
        return StateVersion.objects.get().state

    before = state()
    credentials.store("openai", "main", CANARY, by=SYSTEM)
    assert state() == before + 1
    credentials.mark_not_ready("openai", "main", "401")
    assert state() == before + 2
    credentials.clear("openai", "main", by=SYSTEM)
    assert state() == before + 3


def test_an_expired_credential_is_not_ready(row: Credential) -> None:
    credentials.store("openai", "main", CANARY, by=SYSTEM)
    Credential.objects.update(expires_at=NOW)
    assert only().reason == "it expired 12:00"
    Credential.objects.update(expires_at=NOW + timedelta(seconds=1))
    assert only().ready


def test_a_secret_of_a_key_that_is_gone_is_not_ready_but_no_error(row: Credential) -> None:
    credentials.store("openai", "main", CANARY, by=SYSTEM)
    with override_settings(ENCRYPTION_KEYS=[Fernet.generate_key().decode()]):
        assert only().reason == "its secret was encrypted under a key that is no longer configured"


def test_an_unknown_credential_is_said_to_be_unknown() -> None:
    with pytest.raises(credentials.Unknown, match="no credential openai/main"):
        credentials.store("openai", "main", CANARY, by=SYSTEM)
