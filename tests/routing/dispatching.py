"""Dispatch without a database or a network: a snapshot made by hand, adapters that play a script, a recorder that remembers."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from routing import circuits, dispatch, recorder, snapshot
from routing.clients import Caller
from routing.dispatch import engine, opinion
from routing.dispatch.call import Facts
from routing.policy.cost import Rate, Rates
from routing.policy.health import Health
from routing.policy.table import Table
from routing.providers.base import Endpoint
from routing.snapshot import Snapshot
from routing.terms.fault import Failed, Fault
from routing.terms.record import AttemptRecord, Intent, Outcome
from routing.terms.request import Answer, Ask, Message, Request, Timeouts, Usage
from tests.routing.policy.worlds import NOW, table

CALLER = Caller("ci", "ck_test", frozenset())
REQUEST = Request([Message("user", "hello")])
PRICED = Rates(Rate(Decimal(2)), Rate(Decimal(10)), source="override 1")


@dataclass
class Scripted:
    """An adapter: plays what the script says for a model ("codex" → a Fault, seconds to take, or an answer's text)."""

    script: dict[str, Any] = field(default_factory=dict)
    called: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    waiting: asyncio.Event = field(default_factory=asyncio.Event)  # a call has reached an act that waits

    async def complete(self, endpoint: Endpoint, request: Request, timeouts: Timeouts) -> Answer:
        self.called.append(endpoint.upstream_id)
        act = self.script.get(endpoint.upstream_id, f"from {endpoint.upstream_id}")
        try:
            if isinstance(act, asyncio.Event):
                self.waiting.set()
                await act.wait()
        except asyncio.CancelledError:
            self.cancelled.append(endpoint.upstream_id)
            raise
        if isinstance(act, Fault):
            raise Failed(act)
        return Answer(str(act), "end_turn", endpoint.upstream_id, Usage(1000, 100))

    def thinking_control(self, endpoint: Endpoint, request: Request) -> str:
        return ""


@dataclass
class Journal:
    """What the recorder was told."""

    intents: list[Intent] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    fallbacks: list[tuple[AttemptRecord, str]] = field(default_factory=list)


@dataclass
class World:
    adapter: Scripted
    journal: Journal

    def know(
        self,
        there: Table | None = None,
        health: Health | None = None,
        capacity: Mapping[str, tuple[int, int | None]] | None = None,
    ) -> None:
        """Make this what the process knows."""
        there = there or table()
        endpoints = {
            (provider.slug, name): Endpoint(provider.kind, provider.slug, "")
            for provider in there.providers.values()
            for name in (None, *(each.name for each in provider.credentials))
        }
        snapshot._current = Snapshot(
            table=there,
            health=health or Health(version=circuits.version()),
            keys={},
            rates={key: PRICED for key in there.models if key != "gemini:gemini-flash"},
            endpoints=endpoints,
            capacity=capacity or {},
            draw_key=b"k" * 32,
            version=(7, 1),
            read_at=NOW,
            read_health=health or Health(),
        )

    async def dispatch(self, ask: Ask | str = "vibe_coding", **facts: Any) -> dispatch.Result:
        return await dispatch.dispatch(Ask(ask) if isinstance(ask, str) else ask, REQUEST, CALLER, Facts(**facts))


def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(Scripted(), Journal())
    monkeypatch.setattr(engine, "lane_for", lambda kind, raw: made.adapter)
    monkeypatch.setattr(opinion, "adapter_for", lambda kind: made.adapter)
    monkeypatch.setattr(recorder, "start", made.journal.intents.append)
    monkeypatch.setattr(recorder, "finish", made.journal.outcomes.append)
    monkeypatch.setattr(recorder, "fall_back", lambda call, tried, then: made.journal.fallbacks.append((tried, then)))
    made.know()
    return made
