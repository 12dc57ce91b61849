"""The two wires over the SDKs, as one parameter: what holds of one holds of the other."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from routing.providers import pool
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
