"""Every address × method × person. A new address without a row here fails."""

import re
from collections.abc import Callable

import pytest
from django.apps import apps
from django.test import Client

from routing import clients, people, snapshot
from routing.audit import SYSTEM
from routing.terms.words import Group, Scope
from tests.hostile import addresses
from tests.pages.conftest import World, client_of, world  # noqa: F401

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
READ, OPERATE, DECIDE, RULE = Group.VIEWER, Group.OPERATOR, Group.APPROVER, Group.ADMIN

# Console: name → (the least group, its methods). HEAD goes with GET.
PAGES: dict[str, tuple[Group, str]] = {
    "overview": (READ, "GET"),
    "routing": (READ, "GET"),
    "proposals": (READ, "GET"),
    "proposal": (READ, "GET"),
    "proposal-approve": (DECIDE, "POST"),
    "proposal-reject": (DECIDE, "POST"),
    "proposal-revert": (DECIDE, "POST"),
    "task": (READ, "GET"),
    "reviews": (READ, "GET"),
    "review": (READ, "GET"),
    "review-download": (READ, "GET"),
    "spend": (READ, "GET"),
    "route-new": (OPERATE, "GET"),
    "route-edit": (OPERATE, "GET POST"),
    "route-remove": (OPERATE, "POST"),
    "route-picks": (OPERATE, "GET"),
    "route-test": (READ, "GET"),
    "history": (READ, "GET"),
    "revision-compare": (READ, "GET"),
    "revision": (READ, "GET"),
    "revision-restore": (OPERATE, "POST"),
    "calls": (READ, "GET"),
    "call": (READ, "GET"),
    "call-verdict": (OPERATE, "POST"),
    "models": (READ, "GET"),
    "model": (READ, "GET"),
    "providers": (READ, "GET"),
    "providers-reset": (OPERATE, "POST"),
    "provider-ping": (OPERATE, "POST"),
    "provider-discover": (OPERATE, "POST"),
    "provider-local": (OPERATE, "POST"),
    "provider-reset": (OPERATE, "POST"),
    "quotas": (READ, "GET"),
    "quota-exhaust": (OPERATE, "POST"),
    "quota-release": (OPERATE, "POST"),
    "task-types": (READ, "GET"),
    "part-new": (OPERATE, "GET POST"),
    "part-edit": (OPERATE, "GET POST"),
    "part-remove": (OPERATE, "POST"),
    "credential-new": (RULE, "GET POST"),
    "credential-edit": (RULE, "GET POST"),
    "credential-remove": (RULE, "POST"),
    "credential-secret": (RULE, "GET POST"),
    "credential-test": (OPERATE, "POST"),
    "credential-forget": (RULE, "POST"),
    "clients": (READ, "GET"),
    "key-create": (RULE, "POST"),
    "key-revoke": (RULE, "POST"),
    "client-new": (OPERATE, "GET POST"),
    "client": (READ, "GET"),
    "client-edit": (OPERATE, "GET POST"),
    "client-mapping": (OPERATE, "GET POST"),
    "client-mode": (OPERATE, "POST"),
    "client-accept": (OPERATE, "POST"),
    "client-ignore": (OPERATE, "POST"),
    "client-key": (RULE, "POST"),
    "connect": (READ, "GET"),
    "jobs": (READ, "GET"),
    "batch": (READ, "GET"),
    "batch-cancel": (OPERATE, "POST"),
    "batch-results": (OPERATE, "GET"),
    "batch-item": (OPERATE, "GET"),
    "connect-key": (RULE, "POST"),
    "connect-arrived": (READ, "GET"),
    "alerts": (READ, "GET"),
    "alert-acknowledge": (OPERATE, "POST"),
    "audit": (RULE, "GET"),
    "audit-verify": (RULE, "POST"),
}
# allauth's, which has its own rules: for everybody, or for who is logged in.
OPEN = {
    "account_login", "account_logout", "account_inactive", "account_signup", "account_email_verification_sent", "account_confirm_email",
    "account_confirm_login_code", "account_reset_password", "account_reset_password_done", "account_reset_password_from_key",
    "account_reset_password_from_key_done", "mfa_authenticate", "healthz", "readyz", "metrics",
    "api-healthz", "api-readyz", "api-metrics",
}  # fmt: skip
PERSONAL = {
    "account_reauthenticate", "account_email", "account_change_password", "account_set_password", "mfa_index", "mfa_reauthenticate",
    "mfa_activate_totp", "mfa_deactivate_totp", "mfa_view_recovery_codes", "mfa_generate_recovery_codes", "mfa_download_recovery_codes",
}  # fmt: skip

# API: the scope that an operation needs, by rule; the first that fits.
SCOPES: list[tuple[str, str, Scope]] = [
    ("POST", r"/dispatch|/batches(/\{number\}/cancel)?", Scope.DISPATCH),
    ("DELETE", r"/batches/\{number\}", Scope.DISPATCH),
    ("GET", r"/batches(/\{number\}(/results)?)?", Scope.READ),
    ("POST", r"/route/explain", Scope.READ),
    ("POST", r"/calls/import", Scope.MANAGE),
    ("POST", r"/calls/\{request_id\}/verdict|/verdicts", Scope.VERDICT),
    ("POST", r"/proposals/\{number\}/(approve|reject|revert)|/explorations", Scope.APPROVE),
    ("DELETE", r"/explorations/\{number\}", Scope.MANAGE),
    ("POST", r"/quotas/\{slug\}/(exhaust|release)|/usage", Scope.MANAGE),
    ("POST", r"/reset|/providers/\{slug\}/reset|/revisions/\{number\}/restore|/credentials/\{key\}/test", Scope.MANAGE),
    ("POST", r"/(providers|models|credentials|quotas|curves|task-types|routes|projects|budgets|clients)", Scope.MANAGE),
    ("POST", r"/providers/\{slug\}/(ping|discover)|/local/(enable|disable)", Scope.MANAGE),
    ("GET", r"/local|/prices|/lifecycle", Scope.READ),
    ("PATCH|DELETE", r"/(providers|models|credentials|quotas|curves|task-types|routes|projects|budgets|clients)/\{(key|slug)\}", Scope.MANAGE),
    ("GET", r"/clients/\{slug\}/suggestions", Scope.READ),
    ("POST|DELETE", r"/clients/\{slug\}/keys(/\{prefix\})?", Scope.MANAGE),
    ("GET", r"/(preflight|status|boot|calls|calls/export|calls/\{request_id\}|comparisons)", Scope.READ),
    ("GET", r"/(proposals|guards|reviews|alerts|explorations|revisions)", Scope.READ),
    ("GET", r"/(providers|models|credentials|quotas|curves|task-types|routes|projects|budgets|clients)(/\{(key|slug)\})?", Scope.READ),
    ("GET", r"/models/\{key\}/chain", Scope.READ),
    ("GET", r"/proposals/\{number\}(/what-if)?|/reviews/\{week\}|/revisions/\{number\}", Scope.READ),
]  # fmt: skip


def scope_of(method: str, path: str) -> Scope | None:
    return next(
        (scope for verbs, form, scope in SCOPES if re.fullmatch(verbs, method) and re.fullmatch(form, path)), None
    )


def test_every_address_has_its_row() -> None:
    ours = addresses.pages()
    assert set(ours) == set(PAGES)
    assert set(addresses.console()) - set(ours) == OPEN | PERSONAL
    assert [each for each in addresses.operations() if scope_of(*each) is None] == []


def test_a_page_opens_for_its_group_and_by_its_methods_alone(world: World) -> None:  # noqa: F811
    for name, address in addresses.pages().items():
        least, allowed = PAGES[name]
        for group in (None, *Group):
            client = Client(raise_request_exception=False)
            if group is not None:
                client.force_login(world[group])
            for method in METHODS:
                answer = client.generic(method, address)
                place = f"{method} {address} as {group}: {answer.status_code}"
                if group is None:
                    assert answer.status_code == 302, place
                    assert answer["Location"].startswith("/account/login/?next="), place
                elif people.RANK.index(group) < people.RANK.index(least):
                    assert answer.status_code == 403, place
                elif method not in allowed.split():
                    assert answer.status_code == 405, place
                else:
                    assert answer.status_code not in (401, 403, 405), place
                    assert answer.status_code < 500, place


def test_a_person_without_a_group_sees_nothing(world: World) -> None:  # noqa: F811
    lost = type(world[Group.VIEWER]).objects.create_user("lost")
    client = Client()
    client.force_login(lost)
    assert {client.get(address).status_code for name, address in addresses.pages().items()} == {403}


def test_what_is_not_ours_stays_closed_or_whole() -> None:
    from django.urls import reverse

    for name in sorted(PERSONAL):
        assert reverse(name).startswith("/account/")


@pytest.mark.parametrize("name", sorted(PERSONAL))
def test_a_personal_page_sends_a_stranger_to_the_log_in(db: None, name: str) -> None:
    from django.urls import reverse

    for method in METHODS:
        answer = Client().generic(method, reverse(name))
        assert answer.status_code in (302, 404, 405), method
        if answer.status_code == 302:
            assert "/account/login/" in answer["Location"] or answer["Location"] == "/account/"


def test_nobody_signs_up(db: None) -> None:
    answer = Client().post("/account/signup/", {"username": "eve", "password1": "x" * 20, "password2": "x" * 20})
    assert answer.status_code in (200, 403)
    from django.contrib.auth.models import User

    assert not User.objects.filter(username="eve").exists()


def test_every_unsafe_page_wants_the_csrf_token(world: World) -> None:  # noqa: F811
    client = Client(enforce_csrf_checks=True)
    client.force_login(world[Group.ADMIN])
    before = counts()
    for name, address in addresses.pages().items():
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            answer = client.generic(method, address)
            assert answer.status_code == 403, f"{method} {name}: {answer.status_code}"
            assert b"CSRF" in answer.content or b"form" in answer.content.lower(), name
    assert counts() == before


def counts() -> dict[str, int]:
    return {model._meta.label: model._default_manager.count() for model in apps.get_models()}


def test_reading_changes_nothing(world: World) -> None:  # noqa: F811
    client = Client()
    client.force_login(world[Group.ADMIN])
    key = clients.create_key("ci", by=SYSTEM, scopes=tuple(Scope)).key
    snapshot.load_now()
    before = counts()
    for address in addresses.pages().values():
        assert client.get(address).status_code < 500, address
        client.head(address)
        client.get(address, headers={"HX-Request": "true"})
    for method, path in addresses.operations():
        if method == "GET":
            assert Client().get(f"/api/v1{addresses.filled(path)}", headers={"X-Cortex-Key": key}).status_code < 500
    assert counts() == before


@pytest.fixture
def key_with(world: World) -> Callable[..., str]:  # noqa: F811
    def make(*scopes: Scope) -> str:
        return clients.create_key(f"c-{'-'.join(scopes) or 'none'}", by=SYSTEM, scopes=scopes).key

    return make


def test_an_operation_opens_for_its_scope_alone(world: World, key_with: Callable[..., str]) -> None:  # noqa: F811
    keys = {scope: key_with(scope) for scope in Scope}
    snapshot.load_now()
    logged_in = Client(raise_request_exception=False)
    logged_in.force_login(world[Group.ADMIN])
    for method, path in addresses.operations():
        if path == "/dispatch" or path == "/route/explain":
            continue  # async from end to end: the same over the front door in test_authorization
        needed = scope_of(method, path)
        address = f"/api/v1{addresses.filled(path)}"
        assert logged_in.generic(method, address).status_code == 401, f"{method} {path}: a session is no key"
        for scope, key in keys.items():
            answer = logged_in.generic(
                method, address, b"{}", content_type="application/json", headers={"X-Cortex-Key": key}
            )
            place = (
                f"{method} {path} with {scope}: {answer.status_code} {answer.content[:100]!r}"
                if not answer.streaming
                else path
            )
            if scope == needed:
                assert answer.status_code not in (401, 403), place
                # 502: another's server, which the operation had to ask, is not there
                assert answer.status_code < 500 or answer.status_code == 502, place
            else:
                assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden"), place


def test_no_key_exceeds_its_maker(world: World) -> None:  # noqa: F811
    made = clients.create_key(
        "ci", by=SYSTEM, scopes=(Scope.READ, Scope.MANAGE, Scope.APPROVE), maker=world[Group.APPROVER]
    )
    people.put(world[Group.APPROVER], Group.VIEWER)
    snapshot.load_now()
    head = {"X-Cortex-Key": made.key}
    assert Client().get("/api/v1/boot", headers=head).status_code == 200
    refused = Client().post("/api/v1/proposals/1/approve", "{}", content_type="application/json", headers=head)
    assert refused.status_code == 403
