"""Who opens a credential; and a secret goes in and never comes out."""

import json
from collections.abc import Callable

import pytest
from django.test import Client

from routing import credentials, document
from routing.models import AuditEvent, Credential, Provider
from routing.terms.words import Group

ClientOf = Callable[[Group], Client]


@pytest.mark.parametrize(
    "address",
    ["/table/credentials/new", "/table/credentials/openai:main/edit", "/table/credentials/openai:main/secret"],
)
@pytest.mark.parametrize("group", list(Group))
def test_only_an_admin_opens_a_credential(client_of: ClientOf, group: Group, address: str) -> None:
    assert client_of(group).get(address).status_code == (200 if group is Group.ADMIN else 403)


@pytest.mark.parametrize("address", ["/table/nothing/new", "/table/models/nobody/edit", "/table/explorations/x/edit"])
def test_what_is_not_there_is_404(client_of: ClientOf, address: str) -> None:
    assert client_of(Group.ADMIN).get(address).status_code == 404


def test_a_secret_goes_in_and_never_comes_out(client_of: ClientOf) -> None:
    admin = client_of(Group.ADMIN)
    answer = admin.post("/table/credentials/openai:main/secret", {"secret": "sk-canary-2"}, follow=True)
    assert "is stored, encrypted" in answer.content.decode()
    assert credentials.reveal("openai", "main").reveal() == "sk-canary-2"
    assert not Provider.objects.get(slug="openai").simulate
    for address in (
        "/providers/",
        "/table/credentials/openai:main/edit",
        "/table/credentials/openai:main/secret",
        "/audit/",
    ):
        shown = admin.get(address)
        assert shown.status_code == 200
        assert "sk-canary-2" not in shown.content.decode()
    told = json.dumps([document.dump(), *AuditEvent.objects.values_list("before", "after", "reason")])
    assert "sk-canary-2" not in told
    admin.post("/table/credentials/openai:main/forget")
    assert Credential.objects.get(provider__slug="openai").secret is None


def test_an_empty_secret_is_told_and_a_typed_one_is_not_shown_again(client_of: ClientOf) -> None:
    admin = client_of(Group.ADMIN)
    assert admin.post("/table/credentials/openai:main/secret", {"secret": ""}).status_code == 422
    long = admin.post("/table/credentials/openai:main/secret", {"secret": "sk-canary-3" * 4000})
    assert long.status_code == 422
    assert "sk-canary-3" not in long.content.decode()
