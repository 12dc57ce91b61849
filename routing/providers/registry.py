"""Which adapter speaks to which kind of provider, and when the relay does. A new provider is one file, one line here and one test file."""

from routing.providers import http1_pool, pool
from routing.providers.anthropic import Anthropic
from routing.providers.base import Lane, StreamingAdapter
from routing.providers.openai import OpenAI
from routing.providers.relay import Relay
from routing.providers.simulated import Simulated
from routing.terms.raw import Raw, speaks
from routing.terms.words import ProviderKind

__all__ = ["ADAPTERS", "adapter_for", "close_all", "is_relayed", "lane_for"]

_openai, _relay = OpenAI(), Relay()
ADAPTERS: dict[ProviderKind, StreamingAdapter] = {
    ProviderKind.ANTHROPIC: Anthropic(),
    ProviderKind.OPENAI: _openai,
    ProviderKind.OPENAI_COMPATIBLE: _openai,
    ProviderKind.SIMULATED: Simulated(),
}


def adapter_for(kind: ProviderKind) -> StreamingAdapter:
    return ADAPTERS[kind]


def lane_for(kind: ProviderKind, raw: Raw | None = None) -> Lane:
    """The relay where the client has written in the provider's own wire, else the adapter."""
    return _relay if is_relayed(kind, raw) else ADAPTERS[kind]


def is_relayed(kind: ProviderKind, raw: Raw | None) -> bool:
    return raw is not None and speaks(kind, raw.wire)


async def close_all() -> None:
    """Closes every connection of the running event loop. At shutdown, and at the end of each `asyncio.run`."""
    await pool.close_all()
    await http1_pool.close_all()
