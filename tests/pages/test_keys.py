"""The page of all clients: a key is made for one that is there or not, shown once, and ends when it was said to."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from routing.models import ClientKey
from routing.terms.words import Group

pytestmark = pytest.mark.django_db


def test_a_key_made_here_ends_when_the_form_said(world: object, client_of: Callable[[Group], Client]) -> None:
    admin, ends = (
        client_of(Group.ADMIN),
        timezone.localtime(timezone.now() + timedelta(days=3)).replace(second=0, microsecond=0),
    )
    given = {"client": "new-bot", "scopes": ["dispatch"], "expires_at": ends.strftime("%Y-%m-%dT%H:%M")}
    made = admin.post(reverse("key-create"), given)
    assert made.status_code == 200
    key = ClientKey.objects.get(client__slug="new-bot")
    assert key.expires_at == ends
    shown = made.content.decode()
    assert key.prefix in shown
    assert "no-store" in made.headers["Cache-Control"]

    over = admin.post(reverse("key-create"), given | {"expires_at": "2020-01-01T00:00"})
    assert over.status_code == 422
    assert "That is over already." in over.content.decode()
    assert ClientKey.objects.filter(client__slug="new-bot").count() == 1
