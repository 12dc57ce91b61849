"""Keys: told once, kept as hashes, worth no more than their maker, dead when revoked."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import RequestFactory
from hypothesis import given, settings
from hypothesis import strategies as st

from routing import callers, clients, people
from routing.api import auth
from routing.audit import SYSTEM
from routing.models import AuditEvent, Budget, Client, ClientKey, Project, StateVersion, TaskType
from routing.terms.words import Group, Scope

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def person(name: str, group: Group) -> User:
    user = User.objects.create_user(name)
    people.put(user, group)
    return user


def test_a_key_is_told_once_and_kept_as_its_hash() -> None:
    made = clients.create_key("ci", by=SYSTEM)
    row = ClientKey.objects.get()
    assert made.key.startswith(made.prefix)
    assert len(made.prefix) == len("ck_") + 4
    assert row.sha256 == clients.digest(made.key)
    kept = json.dumps([*ClientKey.objects.values(), *AuditEvent.objects.values()], default=str)
    assert made.key not in kept
    assert made.key not in repr(made)


def test_the_scopes_are_those_of_the_contract_unless_said() -> None:
    assert set(clients.create_key("ci", by=SYSTEM).scopes) == {Scope.DISPATCH, Scope.READ, Scope.VERDICT}


def test_a_new_key_is_known_to_all_processes_and_a_revoked_one_is_not() -> None:
    before = StateVersion.objects.get().state
    made = clients.create_key("ci", by=SYSTEM)
    sha256 = clients.digest(made.key)
    assert clients.all_keys()[sha256].client == "ci"
    assert clients.revoke_key(made.prefix, by=SYSTEM)
    assert sha256 not in clients.all_keys()
    assert clients.lookup(sha256) is None
    assert StateVersion.objects.get().state > before + 1
    assert not clients.revoke_key(made.prefix, by=SYSTEM)


def test_the_keys_of_a_disabled_client_are_dead() -> None:
    made = clients.create_key("ci", by=SYSTEM)
    clients.save_client("ci", {"enabled": False}, by=SYSTEM)
    assert clients.lookup(clients.digest(made.key)) is None


def test_a_key_ends_at_its_expiry_whatever_the_snapshots_age() -> None:
    caller = clients.Caller("ci", "ck_ab12", frozenset(), expires_at=NOW)
    assert clients.is_alive(caller, NOW - timedelta(seconds=1))
    assert not clients.is_alive(caller, NOW)


def test_all_keys_take_no_more_queries_for_more_keys(django_assert_max_num_queries: Any) -> None:
    maker = person("anna", Group.ADMIN)
    for number in range(5):
        clients.create_key(f"client-{number}", by=SYSTEM, maker=maker)
    with django_assert_max_num_queries(5):
        assert len(clients.all_keys()) == 5


@pytest.mark.parametrize(
    ("group", "scope", "may"),
    [
        (Group.VIEWER, Scope.READ, True),
        (Group.VIEWER, Scope.DISPATCH, False),
        (Group.OPERATOR, Scope.MANAGE, True),
        (Group.OPERATOR, Scope.APPROVE, False),
        (Group.APPROVER, Scope.APPROVE, True),
        (Group.ADMIN, Scope.APPROVE, True),
    ],
)
def test_no_key_exceeds_its_maker(group: Group, scope: Scope, may: bool) -> None:
    maker = person("anna", group)
    if may:
        assert clients.create_key("ci", by=SYSTEM, scopes=[scope], maker=maker).scopes == (scope,)
    else:
        with pytest.raises(clients.Refused, match="No key exceeds its maker"):
            clients.create_key("ci", by=SYSTEM, scopes=[scope], maker=maker)


def test_a_key_loses_what_its_maker_loses() -> None:
    maker = person("anna", Group.APPROVER)
    made = clients.create_key("ci", by=SYSTEM, scopes=[Scope.READ, Scope.APPROVE], maker=maker)
    people.put(maker, Group.VIEWER)
    assert clients.all_keys()[clients.digest(made.key)].scopes == {Scope.READ}
    maker.is_active = False
    maker.save()
    assert clients.all_keys()[clients.digest(made.key)].scopes == frozenset()


def test_a_key_counts_as_its_maker() -> None:
    maker = person("anna", Group.OPERATOR)
    made = clients.create_key("ci", by=SYSTEM, maker=maker)
    actor = clients.all_keys()[clients.digest(made.key)].actor("::1")
    assert (actor.name, actor.user_id) == (f"key {made.prefix} of ci", maker.pk)


def test_a_client_is_what_its_callers_are() -> None:
    Project.objects.create(slug="site")
    TaskType.objects.create(slug="coding", name="Coding")
    made = clients.create_key("ci", by=SYSTEM)
    fields = {
        "mode": "observe",
        "project": "site",
        "default_task_type": "coding",
        "allowed_models": ["openai:codex"],
        "mapping": [{"requested": "claude-*", "task_type": "coding"}],
        "requests_per_minute": 60,
    }
    clients.save_client("ci", fields, by=SYSTEM)
    caller = clients.lookup(clients.digest(made.key))
    assert caller is not None
    assert (caller.mode, caller.project, caller.default_task_type) == ("observe", "site", "coding")
    assert caller.allowed_models == {"openai:codex"}
    assert caller.mapping == (("claude-*", "coding"),)
    assert caller.requests_per_minute == 60
    clients.save_client("ci", {"project": None, "mapping": []}, by=SYSTEM)
    assert Client.objects.get().project is None


def test_a_client_cannot_be_of_a_project_that_is_not() -> None:
    with pytest.raises(clients.Refused, match="no project 'site'"):
        clients.create_key("ci", by=SYSTEM, project="site")
    assert not Client.objects.exists()


# ── the command ──


def test_the_command_prints_the_key_once_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("client_key", "create", "--client", "ci", "--scopes", "read,manage", "--budget-usd", "5", "--json")
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {"client", "key", "prefix", "scopes"}
    assert told["scopes"] == ["manage", "read"]
    budget = Budget.objects.get()
    assert (budget.scope, budget.monthly_usd, budget.at_limit) == (f"key:{told['prefix']}", Decimal(5), "block")


@pytest.mark.parametrize(
    "wrong",
    [
        ("--client", "CI bot"),
        ("--client", "ci", "--scopes", "fly"),
        ("--client", "ci", "--budget-usd", "NaN"),
        ("--client", "ci", "--budget-usd", "-1"),
        ("--client", "ci", "--budget-usd", "much"),
        ("--client", "ci", "--project", "none"),
    ],
)
def test_the_command_refuses_in_a_sentence_and_makes_nothing(wrong: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        call_command("client_key", "create", *wrong)
    assert not ClientKey.objects.exists()


# ── who is asking ──


@pytest.mark.parametrize("header", ["X-Cortex-Key", "Authorization", "x-api-key"])
def test_a_key_is_taken_from_any_of_three_headers_alike(header: str) -> None:
    made = clients.create_key("ci", by=SYSTEM)
    value = f"Bearer {made.key}" if header == "Authorization" else made.key
    request = RequestFactory().get("/", headers={header: value})
    assert auth.key_auth(Scope.READ)(request).client == "ci"


def test_x_cortex_key_decides_alone_the_others_are_the_providers() -> None:
    made = clients.create_key("ci", by=SYSTEM)
    headers = {"X-Cortex-Key": "ck_wrong", "Authorization": f"Bearer {made.key}"}
    with pytest.raises(callers.NoKey):
        auth.key_auth(Scope.READ)(RequestFactory().get("/", headers=headers))


def test_a_good_key_without_the_scope_is_not_allowed() -> None:
    made = clients.create_key("ci", by=SYSTEM, scopes=[Scope.READ])
    request = RequestFactory().get("/", headers={"X-Cortex-Key": made.key})
    with pytest.raises(callers.NotAllowed, match="lacks the scope 'manage'") as caught:
        auth.key_auth(Scope.MANAGE)(request)
    assert caught.value.status == 403


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40) | st.binary(max_size=40).map(lambda raw: raw.decode("latin-1")))
def test_no_other_value_lets_anyone_in(value: str) -> None:
    for headers in ({"Authorization": value}, {"Authorization": f"Bearer {value}"}, {"X-Cortex-Key": value}):
        with pytest.raises(callers.NoKey) as caught:
            callers.caller_of(callers.presented_key(headers.get))
        assert caught.value.status == 401


def test_a_megabyte_of_key_is_not_hashed_for_a_stranger() -> None:
    with pytest.raises(callers.NoKey):
        callers.caller_of("k" * 1_000_000)
