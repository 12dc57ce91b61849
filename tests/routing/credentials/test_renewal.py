"""OAuth credentials against a real token server on loopback: renewed ahead of their end, by one process, and told when they cannot be.

Over 300 lines: one token server and one clock for all that may come of a token.
"""

import json
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from cryptography.fernet import Fernet
from django.conf import settings
from django.db import connection, connections
from django.test import override_settings
from django.utils import timezone

from routing import changes, credentials, snapshot
from routing.audit import SYSTEM
from routing.credentials import Access, Given, renewal
from routing.document import Invalid
from routing.models import Alert, AuditEvent, Credential, Revision, StateVersion
from routing.terms.request import Ask
from routing.terms.secret import Secret
from routing.terms.words import SkipReason
from tests.doubles.tokens import CLIENT_ID, CLIENT_SECRET, TokenServer, Wrong, token_server

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LIFE_S = 3600
DUE = NOW + timedelta(seconds=2880)  # 80 % of that life
END = NOW + timedelta(seconds=LIFE_S)
SECOND = timedelta(seconds=1)
BUSY = Wrong(503)


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with token_server(expires_in=LIFE_S) as made:
        yield made


def publish(server: TokenServer, **how: Any) -> None:
    """One provider with one OAuth credential, "far/main", as a document brings it."""
    oauth = {"token_url": server.url, "client_id": CLIENT_ID} | how.pop("oauth", {})
    given = {"secret": server.sign_in(), "client_secret": CLIENT_SECRET} | how
    changes.publish(
        {
            "providers": [{"slug": "far", "kind": "openai_compatible", "base_url": "http://127.0.0.1:9/v1"}],
            "credentials": [{"provider": "far", "name": "main", "kind": "oauth", "oauth": oauth, **given}],
        },
        by=SYSTEM,
        reason="a test",
        source="load",
    )
    Credential.objects.update(refresh_at=NOW)


def access(now: datetime = NOW) -> Access:
    return credentials.read("far", "main", now)


def token(now: datetime = NOW) -> str | None:
    secret = access(now).secret
    return secret.reveal() if secret else None


def row() -> Credential:
    return Credential.objects.get()


def state() -> int:
    return StateVersion.objects.get().state


# ── when ──


@pytest.mark.parametrize(
    ("life_s", "after_s"),
    [(3600, 2880), (300, 240), (120, 60), (100, 50), (60, 30), (1, 0.5)],
    ids=["a fifth ahead", "a minute ahead", "half", "half of it", "half a minute", "half a second"],
)
def test_a_token_is_renewed_a_fifth_of_its_life_ahead_and_a_minute_at_least(life_s: float, after_s: float) -> None:
    assert renewal.refresh_at(NOW, life_s) == NOW + timedelta(seconds=after_s)


def test_a_token_without_an_end_is_not_renewed_by_the_clock() -> None:
    assert renewal.refresh_at(NOW, None) is None


def test_waits_double_up_to_five_minutes_and_never_undercut_what_the_server_asks() -> None:
    assert [renewal.wait_s(n) for n in (1, 2, 3, 7, 50)] == [5, 10, 20, 300, 300]
    assert renewal.wait_s(1, 42) == 42
    assert renewal.wait_s(7, 42) == 300
    assert renewal.wait_s(1, 1e9) == 3600


# ── the life of a token ──


def test_a_stored_refresh_token_becomes_a_token_that_calls_use(server: TokenServer) -> None:
    publish(server)
    assert (access().ready, access().reason, access().until) == (False, "its first token is being asked for", NOW)
    before = state()
    assert renewal.renew_due(NOW) == 1
    assert token() == server.issued[0]
    assert (access().ready, access().expires_at, row().refresh_at) == (True, END, DUE)
    assert state() == before + 1  # every worker reads it anew
    with time_machine.travel(NOW):
        snapshot.load_now()
        endpoint = snapshot.current().endpoints["far", "main"]
    assert endpoint.secret == Secret(server.issued[0])


def test_it_is_renewed_when_it_is_due_and_not_before_with_the_refresh_token_that_came_last(server: TokenServer) -> None:
    publish(server)
    renewal.renew_due(NOW)
    assert renewal.renew_due(DUE - SECOND) == 0
    assert renewal.renew_due(DUE) == 1
    assert token(DUE) == server.issued[1]
    assert (
        renewal.renew_due(DUE + timedelta(seconds=2880)) == 1
    )  # rotated twice: the first refresh token is no good any more
    assert len(server.sessions) == 1
    assert not Alert.objects.exists()


def test_client_credentials_need_no_refresh_token(server: TokenServer) -> None:
    publish(server, secret=CLIENT_SECRET, client_secret=None, oauth={"grant": "client_credentials", "scope": "models"})
    renewal.renew_due(NOW)
    renewal.renew_due(DUE)
    assert (token(DUE), server.grants) == (server.issued[1], ["client_credentials"] * 2)
    assert server.requests[0]["scope"] == "models"


def test_the_client_s_secret_goes_by_either_name_where_it_is_the_only_one(server: TokenServer) -> None:
    publish(server, secret=None, client_secret=CLIENT_SECRET, oauth={"grant": "client_credentials"})
    renewal.renew_due(NOW)
    assert token() == server.issued[0]


def test_an_api_key_has_no_client_secret(server: TokenServer) -> None:
    publish(server)
    part = {"provider": "far", "name": "key", "kind": "api_key", "secret": "sk-1", "client_secret": "canary"}
    with pytest.raises(Invalid) as refused:
        changes.publish({"credentials": [part]}, by=SYSTEM, reason="", source="api")
    (problem,) = refused.value.problems
    assert (problem.path, "canary" in problem.message) == ("credentials[0].client_secret", False)
    assert not Credential.objects.filter(name="key").exists()


def test_a_token_whose_end_nobody_tells_is_used_until_the_provider_refuses_it(server: TokenServer) -> None:
    server.expires_in = None
    publish(server)
    renewal.renew_due(NOW)
    assert renewal.renew_due(NOW + timedelta(days=400)) == 0
    assert token(NOW + timedelta(days=400)) == server.issued[0]


def test_what_the_environment_gives_is_asked_with_and_not_copied_into_the_database(
    server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.rotates = False
    monkeypatch.setenv("FAR_REFRESH_TOKEN", first := server.sign_in())
    publish(server, secret=None, env="FAR_REFRESH_TOKEN")
    Credential.objects.update(refresh_at=None)
    renewal.renew_due(NOW)
    assert token() == server.issued[0]
    assert first not in held()
    monkeypatch.setenv("FAR_REFRESH_TOKEN", second := server.sign_in())  # somebody signed in again, and restarted
    assert not access().ready
    Credential.objects.update(refresh_at=None)
    renewal.renew_due(NOW)
    assert [form["refresh_token"] for form in server.requests] == [first, second]
    assert token() == server.issued[1]


def test_a_rotated_refresh_token_of_the_environment_is_kept_instead_of_the_one_it_replaces(
    server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAR_REFRESH_TOKEN", server.sign_in())
    publish(server, secret=None, env="FAR_REFRESH_TOKEN")
    renewal.renew_due(NOW)
    renewal.renew_due(DUE)
    assert token(DUE) == server.issued[1]


def held() -> str:
    """What the column holds, decrypted."""
    return settings_fernet().decrypt(bytes(row().secret or b"")).decode()


def settings_fernet() -> Fernet:
    return Fernet(settings.ENCRYPTION_KEYS[0].encode())


def test_a_disabled_provider_s_token_is_left_to_end(server: TokenServer) -> None:
    publish(server)
    changes.publish({"providers": [{"slug": "far", "enabled": False}]}, by=SYSTEM, reason="off", source="api")
    assert renewal.renew_due(NOW) == 0


# ── when the server does not give one ──


def test_a_server_that_stumbles_leaves_the_old_token_in_use_to_its_end(server: TokenServer) -> None:
    publish(server)
    renewal.renew_due(NOW)
    server.will(BUSY, Wrong(503, headers={"Retry-After": "120"}))
    renewal.renew_due(DUE)
    assert token(DUE) == server.issued[0]
    assert access(DUE).problem == "the token server: it answered 503"
    assert row().refresh_at == DUE + timedelta(seconds=5)
    assert not Alert.objects.exists()
    renewal.renew_due(DUE + timedelta(seconds=5))
    assert row().refresh_at == DUE + timedelta(seconds=125)
    assert access(END).reason == ("OAuth credential expired 13:00; the token server: it answered 503; tried 2 times")
    assert access(END).until == DUE + timedelta(seconds=125)
    renewal.renew_due(DUE + timedelta(seconds=125))
    assert (access(END).ready, access(END).problem, row().refresh_failures) == (True, "", 0)


def test_a_person_is_told_once_when_it_goes_on_and_it_is_over_when_a_token_comes(server: TokenServer) -> None:
    publish(server)
    renewal.renew_due(NOW)
    server.will(*[BUSY] * 4)
    for _ in range(4):
        renewal.renew_due(row().refresh_at)
    alert = Alert.objects.get()
    assert (alert.kind, alert.severity, alert.resolved_at) == ("credential", "warning", None)
    assert alert.title == "The OAuth credential far/main cannot be renewed"
    renewal.renew_due(row().refresh_at)
    assert Alert.objects.get().resolved_at is not None


def test_a_refused_refresh_token_makes_it_not_ready_and_says_what_to_do(server: TokenServer) -> None:
    publish(server)
    renewal.renew_due(NOW)
    server.sessions.clear()  # the person withdrew the consent
    renewal.renew_due(DUE)
    told = "the token server refuses it (invalid_grant); sign in again and store the new refresh token"
    assert (access(DUE).ready, access(DUE).reason, access(DUE).until, access(DUE).secret) == (False, told, None, None)
    alert = Alert.objects.get()
    assert (alert.severity, alert.key) == ("critical", "credential:far/main")
    assert "sign in again" in alert.title
    assert renewal.renew_due(END + timedelta(days=1)) == 0  # asked no more
    assert len(server.requests) == 2


def test_signing_in_again_makes_it_ready_and_ends_the_alert(server: TokenServer) -> None:
    publish(server)
    server.sessions.clear()
    renewal.renew_due(NOW)
    credentials.store("far", "main", server.sign_in(), by=SYSTEM)
    Credential.objects.update(refresh_at=NOW)
    renewal.renew_due(NOW)
    assert token() == server.issued[0]  # with the client's secret that was stored before
    assert Alert.objects.get().resolved_at is not None


def test_with_the_credential_its_alert_goes(server: TokenServer) -> None:
    publish(server)
    server.sessions.clear()
    renewal.renew_due(NOW)
    changes.remove("credentials", "far:main", by=SYSTEM, reason="", source="api")
    assert Alert.objects.get().resolved_at is not None


def test_a_wrong_client_secret_is_named_as_such(server: TokenServer) -> None:
    publish(server, client_secret="another")
    renewal.renew_due(NOW)
    assert access().reason.endswith("(invalid_client); check the client_id, and store the client's secret anew")


def test_a_token_server_at_a_private_address_is_never_called(server: TokenServer) -> None:
    publish(server)
    with override_settings(ALLOW_PRIVATE_UPSTREAMS=[]):
        assert renewal.renew_due(NOW) == 1
        assert "is not a public address" in access().reason
        assert renewal.renew_due(NOW) == 0  # put off
    assert server.requests == []


def test_a_call_is_told_why_and_when_it_is_tried_again(server: TokenServer) -> None:
    publish(server)
    models = [{"provider": "far", "slug": "one", "upstream_id": "one"}]
    routes = [{"task_type": "talk", "steps": ["far:one"]}]
    changes.publish(
        {"models": models, "task_types": [{"slug": "talk"}], "routes": routes}, by=SYSTEM, reason="", source="load"
    )
    later = timezone.now().replace(microsecond=0) + timedelta(hours=1)
    Credential.objects.update(refresh_at=later, problem="the token server: it answered 503")
    snapshot.load_now()
    (skipped,) = snapshot.current().plan(Ask("talk"), timezone.now()).skipped
    assert (skipped.reason, skipped.until) == (SkipReason.NOT_READY, later)
    assert skipped.detail == "credential main is not ready: the token server: it answered 503"
    Credential.objects.update(refresh_at=None, ready=False, not_ready_reason="sign in again")
    snapshot.load_now()
    (skipped,) = snapshot.current().plan(Ask("talk"), timezone.now()).skipped
    assert (skipped.until, skipped.detail) == (None, "credential main is not ready: sign in again")


def test_a_token_that_ends_between_two_readings_is_noticed_at_once(server: TokenServer) -> None:
    publish(server)
    renewal.renew_due(NOW)
    ends = timezone.now() + timedelta(minutes=1)
    Credential.objects.update(expires_at=ends)
    snapshot.load_now()
    assert not snapshot.current().is_old(ends - SECOND)
    assert snapshot.current().is_old(ends)


# ── one process only ──


@pytest.mark.django_db(transaction=True)
def test_eight_that_renew_at_once_ask_the_server_once(server: TokenServer) -> None:
    publish(server)
    together = threading.Barrier(8)

    def worker() -> int:
        try:
            connection.ensure_connection()
            together.wait(60)
            return renewal.renew_due(NOW)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(worker) for _ in range(8)]
        assert sum(each.result(60) for each in asked) == 1
    assert len(server.requests) == 1
    assert token() == server.issued[0]


@pytest.mark.django_db(transaction=True)
def test_what_a_person_stores_while_the_server_is_asked_stands(server: TokenServer) -> None:
    publish(server)
    server.gate.clear()

    def ask() -> None:
        try:
            renewal.renew_due(NOW)
        finally:
            connections.close_all()

    thread = threading.Thread(target=ask)
    thread.start()
    assert server.asked.wait(60)
    credentials.store("far", "main", fresh := server.sign_in(), by=SYSTEM)
    server.gate.set()
    thread.join(60)
    assert not access().ready  # the token of the old refresh token was not kept
    assert fresh in held()
    Credential.objects.update(refresh_at=NOW)
    renewal.renew_due(NOW)
    assert token() == server.issued[1]


def test_a_process_that_died_while_it_asked_gives_way_after_its_lease(server: TokenServer) -> None:
    publish(server)
    Credential.objects.update(leased_until=NOW + renewal.LEASE)
    assert renewal.renew_due(NOW + renewal.LEASE) == 0
    assert renewal.renew_due(NOW + renewal.LEASE + SECOND) == 1


def test_a_new_encryption_key_meanwhile_does_not_lose_what_the_server_gave(server: TokenServer) -> None:
    publish(server)
    new = Fernet.generate_key().decode()
    with override_settings(ENCRYPTION_KEYS=[new, *settings.ENCRYPTION_KEYS]):
        renewal.renew_due(NOW)
    with override_settings(ENCRYPTION_KEYS=[new]):
        assert token() == server.issued[0]


# ── refused by the provider ──


def test_a_401_of_the_token_is_mended_by_a_new_one_whoever_saw_it(server: TokenServer) -> None:
    publish(server)
    renewal.renew_due(NOW)
    shown = access().secret
    for _ in range(8):  # workers that all sent the same token
        assert not credentials.refused("far", "main", "401: expired", status=401, shown=shown, now=NOW)
    assert access().reason == "401: expired; a new token is being asked for"
    assert renewal.renew_due(NOW) == 1
    assert token() == server.issued[1]
    assert not credentials.refused("far", "main", "401: expired", status=401, shown=shown, now=NOW)  # came late
    assert access().ready
    assert (len(server.requests), Alert.objects.count()) == (2, 0)


def test_a_401_of_the_new_token_as_well_is_for_a_person(server: TokenServer) -> None:
    publish(server)
    renewal.renew_due(NOW)
    credentials.refused("far", "main", "401: no", status=401, shown=access().secret, now=NOW)
    renewal.renew_due(NOW)
    again = NOW + timedelta(minutes=1)
    assert credentials.refused("far", "main", "401: no", status=401, shown=access().secret, now=again)
    assert (access().ready, access().reason, access().until) == (False, "401: no", None)
    assert renewal.renew_due(END) == 0  # a token alone would not make it ready
    assert len(server.requests) == 2


def test_a_401_much_later_is_mended_again(server: TokenServer) -> None:
    publish(server)
    renewal.renew_due(NOW)
    for moment in (NOW, NOW + timedelta(minutes=3)):
        assert not credentials.refused("far", "main", "401", status=401, shown=access().secret, now=moment)
        renewal.renew_due(moment)
    assert len(server.issued) == 3


def test_a_403_is_not_mended_by_a_new_token(server: TokenServer) -> None:
    publish(server)
    renewal.renew_due(NOW)
    assert credentials.refused("far", "main", "403: not yours", status=403, shown=access().secret, now=NOW)
    assert renewal.renew_due(END) == 0


def test_a_reset_lets_it_be_tried_anew(server: TokenServer) -> None:
    from routing import circuits

    publish(server)
    server.sessions.clear()
    renewal.renew_due(NOW)
    server.sessions[server.requests[0]["refresh_token"]] = next(iter([*server.sessions.values()]), None) or session(
        server
    )
    circuits.reset("far", by=SYSTEM)
    renewal.renew_due(NOW)
    assert token() == server.issued[0]


def session(server: TokenServer) -> Any:
    return server.sessions.pop(server.sign_in())


# ── what must not be seen, and where it must not go ──


@pytest.mark.parametrize(
    "change",
    [
        {"credentials": [{"provider": "far", "name": "main", "oauth": {"token_url": "https://evil.example/token", "client_id": CLIENT_ID}}]},
        {"credentials": [{"provider": "far", "name": "main", "kind": "api_key"}]},
        {"providers": [{"slug": "far", "base_url": "https://evil.example/v1"}]},
        {"providers": [{"slug": "far", "kind": "openai"}]},
    ],
    ids=["token_url", "kind of credential", "base_url", "kind of provider"],
)  # fmt: skip
def test_another_address_or_kind_forgets_every_secret(
    server: TokenServer, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAR_TOKEN", "of-the-environment")
    publish(server, env="FAR_TOKEN")
    renewal.renew_due(NOW)
    changes.publish(change, by=SYSTEM, reason="moved", source="api")
    assert (row().secret, row().refresh_at, row().env) == (None, None, "")
    assert not access().ready
    assert renewal.renew_due(END) == 0


def test_another_scope_asks_for_another_token_with_the_same_secret(server: TokenServer) -> None:
    publish(server)
    renewal.renew_due(NOW)
    oauth = {"token_url": server.url, "client_id": CLIENT_ID, "scope": "models"}
    changes.publish(
        {"credentials": [{"provider": "far", "name": "main", "oauth": oauth}]}, by=SYSTEM, reason="", source="api"
    )
    Credential.objects.update(refresh_at=NOW)
    renewal.renew_due(NOW)
    assert server.requests[1]["scope"] == "models"
    assert token() == server.issued[1]


def test_no_part_of_it_is_in_logs_rows_dump_or_audit(server: TokenServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("authlib").setLevel(logging.INFO)  # the double tells what it gives
    publish(server)
    renewal.renew_due(NOW)
    server.will(
        Wrong(400, json.dumps({"error": "odd", "error_description": server.requests[0]["refresh_token"]}).encode())
    )
    renewal.renew_due(DUE)
    server.sessions.clear()
    renewal.renew_due(row().refresh_at)
    rows = [list(table.objects.values()) for table in (Credential, AuditEvent, Alert, Revision)]
    snapshot.load_now()
    from routing.document import rows as document_rows

    dump = json.dumps([document_rows.dump(), rows], default=plainly)
    seen = caplog.text + dump + repr(access()) + repr(snapshot.current()) + repr(Given(Secret("refresh-canary")))
    assert "canary" not in seen
    assert "far/main" in caplog.text  # something was logged at all


def plainly(value: object) -> str:
    return repr(bytes(value)) if isinstance(value, memoryview) else str(value)
