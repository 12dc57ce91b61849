"""A small world: one task type, routed to a model of one provider and then to one of another, both doubles on real sockets."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from routing import changes, circuits, drain, snapshot
from routing.audit import SYSTEM
from routing.clients import Caller
from routing.dispatch import Refused, Result, Told, dispatch, stream
from routing.models import Attempt, Call, Cooldown, Credential
from routing.providers.registry import close_all
from routing.terms.raw import Raw
from routing.terms.request import Ask, Message, Request
from routing.terms.words import ErrorKind, ProviderKind, Scope
from routing.wire.body import Body
from tests import doubles
from tests.doubles import Act, Double
from tests.remembered import remembered

CALLER = Caller("ci", "ck_test", frozenset({Scope.DISPATCH}))
# One token of answer keeps the wait for a first byte at first_token_s and a little.
REQUEST = Request([Message("user", "Say it.")], max_tokens=1)
ANTHROPIC, OPENAI = ProviderKind.ANTHROPIC, ProviderKind.OPENAI
ROOMY = {
    "connect_s": 20,
    "first_token_s": 30,
    "idle_s": 30,
    "total_s": 60,
}  # no busy machine makes another fault a timeout
SHORT = {"connect_s": 5, "first_token_s": 0.5, "idle_s": 0.5, "total_s": 20}
UPSTREAM = {ANTHROPIC: "claude-opus-5-5", OPENAI: "gpt-6-sol"}


@dataclass
class World:
    """`primary` and `fallback` are the providers' doubles; everything else is asked of PostgreSQL."""

    primary: Double
    fallback: Double
    wire: str = ""  # the client's: a provider that speaks it is relayed to

    def dispatch(self, request: Request = REQUEST, **ask: Any) -> Result | Refused:
        """How one call ends, with all that it leaves behind written to PostgreSQL."""
        snapshot.load_now()
        ended = asyncio.run(_ended(Ask(**{"task_type": "talk"} | ask), self._written(request, stream=False)))
        circuits.write_pending()
        assert drain.flush()
        return ended

    def stream(self, request: Request = REQUEST, **ask: Any) -> tuple[list[Told], Result | Refused]:
        """What a streamed call tells before its end, and how it ends, with all that it leaves behind written to PostgreSQL."""
        snapshot.load_now()
        told: list[Told] = []
        ended = asyncio.run(_streamed(Ask(**{"task_type": "talk"} | ask), self._written(request, stream=True), told))
        circuits.write_pending()
        assert drain.flush()
        return told, ended

    def _written(self, request: Request, *, stream: bool) -> Request:
        return replace(request, raw=raw(self.wire, stream=stream)) if self.wire and request.raw is None else request

    def call(self) -> Call:
        return Call.objects.latest("started_at")

    def attempts(self) -> list[tuple[Any, ...]]:
        """(provider, role, status, error kind, HTTP status) of the last call's attempts, in order."""
        rows = Attempt.objects.filter(call_id=self.call().id).order_by("attempt")
        return [(row.provider, row.role, row.status, row.error_kind, row.http_status) for row in rows]

    def rests(self) -> str:
        """What the last fault of the primary has put to rest, in the policy's words."""
        cooldowns = Cooldown.objects.filter(provider="first")
        if cooldowns.filter(model="one").exists():
            return "cooldown"
        if cooldowns.filter(model="").exists():
            return "credential"
        if not Credential.objects.get(provider__slug="first").ready:
            return "not_ready"
        failures = circuits._shared.circuits.get(("first", "one"))
        return "circuit" if failures and failures.failures else "nothing"


async def _ended(ask: Ask, request: Request) -> Result | Refused:
    try:
        return await dispatch(ask, request, CALLER)
    except Refused as refused:
        return refused
    finally:
        await close_all()


async def _streamed(ask: Ask, request: Request, into: list[Told]) -> Result | Refused:
    try:
        async for told in stream(ask, request, CALLER):
            into.append(told)
    except Refused as refused:
        return refused
    finally:
        await close_all()
    ended = into.pop()
    assert isinstance(ended, Result)
    return ended


@contextmanager
def two_providers(
    *,
    first: tuple[Act, ...] = (),
    second: tuple[Act, ...] = (),
    kinds: tuple[ProviderKind, ProviderKind] = (ANTHROPIC, OPENAI),
    wire: str = "",
    **route: Any,
) -> Iterator[World]:
    """The world with its route published; the acts are played by the primary's and the fallback's double."""
    with doubles.serve_in_thread(*first) as one, doubles.serve_in_thread(*second) as two:
        snapshot.forget()
        publish([(kinds[0], one.url), (kinds[1], two.url)], **route)
        yield World(one, two, wire)


def publish(providers: list[tuple[ProviderKind, str]], **route: Any) -> None:
    """A document of providers "first" and "second", each with a key and one model, "one" and "two", and the route through both."""
    names = list(zip(("first", "second"), ("one", "two"), providers, strict=True))
    document = {
        "providers": [
            {"slug": slug, "kind": kind, "base_url": url + ("" if kind is ANTHROPIC else "/v1")}
            for slug, _, (kind, url) in names
        ],
        "credentials": [
            {"provider": slug, "name": "main", "kind": "api_key", "secret": f"sk-{slug}"} for slug, _, _ in names
        ],
        "models": [
            {
                "provider": slug,
                "slug": model,
                "upstream_id": UPSTREAM[kind],
                "context_window": 200_000 if model == "one" else 1_000_000,
                "price": {"input": "3", "output": "15"},
            }
            for slug, model, (kind, _) in names
        ],
        "task_types": [{"slug": "talk", "name": "Talk"}],
        "routes": [
            {
                "task_type": "talk",
                "project": None,
                "steps": ["first:one", "second:two"],
                "timeouts": ROOMY,
                **route,
            }
        ],
    }
    remembered(
        json.dumps(document), lambda: changes.publish(document, by=SYSTEM, reason="a small world", source="load")
    )


# The ways a call can go to its first provider: its kind, the other's, and the wire of a client that is relayed to it.
WAYS = {
    "SDK, anthropic first": (ANTHROPIC, OPENAI, ""),
    "SDK, openai first": (OPENAI, ANTHROPIC, ""),
    "relay, messages": (ANTHROPIC, OPENAI, "anthropic"),
    "relay, chat": (OPENAI, ANTHROPIC, "openai_chat"),
    "relay, responses": (OPENAI, ANTHROPIC, "openai_responses"),
}
SAID = [{"role": "user", "content": "Say it."}]
BODIES: dict[str, dict[str, Any]] = {
    "anthropic": {"model": "task:talk", "max_tokens": 1, "messages": SAID},
    "openai_chat": {"model": "task:talk", "messages": SAID},
    "openai_responses": {"model": "task:talk", "input": "Say it."},
}


def raw(wire: str, *, stream: bool = False, **more: Any) -> Raw:
    """REQUEST as a client of the wire writes it."""
    body = Body(json.dumps(BODIES[wire] | ({"stream": True} if stream else {}) | more).encode())
    return Raw(wire, body.raw, body.spans, lambda: body.fields)


def patience(expected: ErrorKind) -> dict[str, float]:
    """The route's timeouts to meet a fault with: short ones only where one is to run out."""
    return SHORT if expected is ErrorKind.TIMEOUT else ROOMY
