"""Batches on the small world of two providers: posted over the API, run in this process or by a real worker of Celery."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from routing import clients, drain, snapshot
from routing.audit import SYSTEM
from routing.batches import running
from routing.terms.words import Scope
from tests.doubles import Double
from tests.routing.two_providers import World, two_providers

ITEM = {"task_type": "talk", "prompt": "Say it."}


@dataclass
class Sender:
    """A client of the API with one key."""

    world: World
    key: str

    @property
    def double(self) -> Double:
        return self.world.primary

    def call(self, method: str, path: str, body: Any = None) -> Any:
        content = b"" if body is None else json.dumps(body).encode()
        headers = {"X-Cortex-Key": self.key}
        return Client().generic(method, f"/api/v1{path}", content, content_type="application/json", headers=headers)

    def send(self, items: Any = 1, **more: Any) -> int:
        """The number of a new batch."""
        snapshot.load_now()
        items = [ITEM | {"prompt": f"Say it {n}."} for n in range(items)] if isinstance(items, int) else items
        answer = self.call("POST", "/batches", {"items": items, **more})
        assert answer.status_code == 202, answer.content
        return int(answer.json()["id"])

    def get(self, number: int, query: str = "?limit=500") -> Any:
        answer = self.call("GET", f"/batches/{number}{query}")
        assert answer.status_code == 200, answer.content
        return answer.json()

    def statuses(self, number: int) -> list[str]:
        return [each["status"] for each in self.get(number)["items"]]

    def prompts(self) -> list[str]:
        """What reached the primary provider."""
        return sorted(str(body["messages"][0]["content"]) for body in self.double.bodies)


def key_of(client: str, *scopes: Scope) -> str:
    return clients.create_key(client, by=SYSTEM, scopes=scopes or clients.DEFAULT_SCOPES).key


@pytest.fixture
def sender(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sender]:
    """For runs in the test's own thread: its transaction is undone, and no other thread could see into it."""

    @contextmanager
    def knowing() -> Iterator[None]:
        snapshot.load_now()
        yield

    monkeypatch.setattr(running, "_knowing", knowing)
    yield from _sender()


@pytest.fixture
def committed(transactional_db: None) -> Iterator[Sender]:
    """For several connections at once."""
    yield from _sender()


def _sender() -> Iterator[Sender]:
    with two_providers() as world:
        yield Sender(world, key_of("ci"))
    assert drain.flush()
    for message in messages():
        message.unlink()


@pytest.fixture
def broker() -> Path:
    """The folder of the filesystem broker, empty."""
    folder = Path(settings.DATA_DIR) / "broker"
    for message in messages():
        message.unlink()
    return folder


def messages() -> list[Path]:
    return sorted((Path(settings.DATA_DIR) / "broker" / "messages").iterdir())
