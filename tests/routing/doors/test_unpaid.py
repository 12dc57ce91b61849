"""A call that no budget pays for, as each wire says it: 402, and 503 with Retry-After where the budget cannot be asked."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from email.message import Message
from typing import Any

import pytest
from django.db import OperationalError

from routing import budgets, clients, snapshot
from routing.audit import SYSTEM
from routing.budgets import keeper
from routing.models import Budget
from tests.routing.two_providers import ROOMY, two_providers

pytestmark = pytest.mark.django_db(transaction=True)
SAID = [{"role": "user", "content": "Say it."}]
WIRES: dict[str, tuple[str, dict[str, Any]]] = {
    "native": ("/api/v1/dispatch", {"task_type": "talk", "prompt": "Say it."}),
    "chat": ("/v1/chat/completions", {"model": "task:talk", "messages": SAID}),
    "streamed chat": ("/v1/chat/completions", {"model": "task:talk", "messages": SAID, "stream": True}),
    "responses": ("/v1/responses", {"model": "task:talk", "input": "Say it."}),
    "messages": ("/v1/messages", {"model": "task:talk", "messages": SAID, "max_tokens": 4096}),
}


@pytest.fixture
def key() -> Iterator[str]:
    with two_providers(timeouts=ROOMY):
        made = clients.create_key("ci", by=SYSTEM, budget_usd=Decimal("0.01"))
        snapshot.load_now()
        yield made.key
    budgets.close()


def refused(address: str, key: str, wire: str) -> tuple[int, Any, Message]:
    path, body = WIRES[wire]
    headers = {"X-Cortex-Key": key, "Content-Type": "application/json", "anthropic-version": "2023-06-01"}
    request = urllib.request.Request(address + path, json.dumps(body).encode(), headers)
    with pytest.raises(urllib.error.HTTPError) as told:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60)
    with told.value as answer:
        return answer.code, json.load(answer), answer.headers


@pytest.mark.parametrize("wire", WIRES)
def test_a_budget_without_enough_left_is_a_402_in_the_wires_own_shape(address: str, key: str, wire: str) -> None:
    """4,096 tokens at $15 a million are $0.06."""
    status, body, headers = refused(address, key, wire)
    assert (status, headers.get("Retry-After")) == (402, None)
    message = body["error"]["message"]
    assert message.startswith(
        f"The budget of key:{key[:7]} is spent for this month but for a rest, of which $0.01 is left"
    )
    if wire == "messages":
        assert body["type"] == "error"
    else:
        assert body["error"]["code"] == "budget_spent"


@pytest.mark.parametrize("wire", WIRES)
def test_a_budget_that_cannot_be_asked_is_a_503_that_says_when_to_come_back(
    address: str, key: str, wire: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise OperationalError("connection refused")

    Budget.objects.update(monthly_usd=10)
    monkeypatch.setattr(budgets.reserving, "WAIT_S", 0.2)
    monkeypatch.setattr(keeper.ledger, "ask_more", away)
    status, body, headers = refused(address, key, wire)
    assert (status, headers["Retry-After"]) == (503, "5")
    assert "cannot be asked: the database is away" in body["error"]["message"]
