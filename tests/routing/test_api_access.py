"""Who may read and write the routing table over HTTP: every section, every method."""

import json
from typing import Any

import pytest
from django.test import Client as Http

from routing import clients
from routing.audit import SYSTEM
from routing.terms.words import Scope
from tests.routing.test_api_table import SECTIONS

pytestmark = pytest.mark.django_db


def status(method: str, path: str, key: str) -> int:
    headers = {"X-Cortex-Key": key, "If-Match": "0"}
    response: Any = Http().generic(method, f"/api/v1{path}", "{}", content_type="application/json", headers=headers)
    if response.status_code >= 400:
        assert set(json.loads(response.content)) == {"error"}
    return int(response.status_code)


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_nobody_gets_in_without_a_key_and_a_reader_cannot_write(section: str, method: str) -> None:
    path = f"/{section}" if method in ("GET", "POST") else f"/{section}/x"
    assert status(method, path, "ck_nobody") == 401
    reader = clients.create_key("reader", by=SYSTEM, scopes=[Scope.READ]).key
    assert status(method, path, reader) == (200 if method == "GET" else 403)
