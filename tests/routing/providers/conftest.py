"""The two wires over the SDKs, as one parameter: what holds of one holds of the other."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
import uvloop

from routing.providers import http1_pool, pool
from routing.providers.base import Adapter, Endpoint
from routing.providers.registry import adapter_for
from routing.terms.request import Answer, Message, Request, Timeouts
from routing.terms.secret import Secret
from routing.terms.words import CredentialKind, ErrorKind, ProviderKind
from tests.doubles import Double

CANARY = "sk-canary-4711"
# One token of answer keeps the wait for a first byte at first_token_s and a little.
REQUEST = Request([Message("user", "Say it.")], max_tokens=1)
ROOMY = Timeouts(
    connect_s=20, first_token_s=30, idle_s=30, total_s=60
)  # no busy machine turns another fault into this one
SHORT = Timeouts(connect_s=1, first_token_s=0.15, idle_s=0.15, total_s=5)


def patience(expected: ErrorKind) -> Timeouts:
    """The timeouts to meet a fault with: short ones only where one is to run out."""
    return SHORT if expected is ErrorKind.TIMEOUT else ROOMY


@dataclass(frozen=True)
class Wire:
    kind: ProviderKind
    upstream_id: str

    @property
    def adapter(self) -> Adapter:
        return adapter_for(self.kind)

    def endpoint(self, double: Double, **changes: object) -> Endpoint:
        url = double.anthropic if self.kind is ProviderKind.ANTHROPIC else double.openai
        made = Endpoint(self.kind, "double", self.upstream_id, url, None, Secret(CANARY), CredentialKind.API_KEY)
        return replace(made, **changes)  # type: ignore[arg-type]

    async def complete(self, double: Double, request: Request = REQUEST, timeouts: Timeouts = ROOMY) -> Answer:
        return await self.adapter.complete(self.endpoint(double), request, timeouts)


WIRES = [
    Wire(ProviderKind.ANTHROPIC, "claude-opus-5-5"),
    Wire(ProviderKind.OPENAI, "gpt-6-sol"),
    Wire(ProviderKind.OPENAI_COMPATIBLE, "qwen2.5:14b"),
]


@pytest.fixture(params=WIRES, ids=lambda wire: str(wire.kind))
def wire(request: pytest.FixtureRequest) -> Wire:
    return request.param


@pytest.fixture(autouse=True)
async def no_connection_outlives_a_test() -> AsyncIterator[None]:
    yield
    await pool.close_all()


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The relay's own client runs on uvloop, and on asyncio's loop where there is none."""
    if item.path.name.startswith("test_http1"):
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture
async def nothing_left_behind() -> AsyncIterator[None]:
    """Neither an exception that nobody read, nor a timer that still waits, nor a task."""
    loop, told = asyncio.get_running_loop(), list[dict[str, Any]]()
    loop.set_debug(True)
    # That its client went while they agreed on TLS is for the server to tell; here both share a loop.
    loop.set_exception_handler(lambda _, each: None if "incoming" in each["message"] else told.append(each))
    yield
    await http1_pool.close_all()
    gc.collect(1)
    await asyncio.sleep(0)
    waiting = [each for each in getattr(loop, "_scheduled", ()) if not each.cancelled()]
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert (told, waiting, others) == ([], [], set())
