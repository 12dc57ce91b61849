"""Which adapter speaks to which kind of provider. A new provider is one file, one line here and one test file."""

from routing.providers.anthropic import Anthropic
from routing.providers.base import StreamingAdapter
from routing.providers.openai import OpenAI
from routing.providers.pool import close_all
from routing.providers.simulated import Simulated
from routing.terms.words import ProviderKind

__all__ = ["ADAPTERS", "adapter_for", "close_all"]

_openai = OpenAI()
ADAPTERS: dict[ProviderKind, StreamingAdapter] = {
    ProviderKind.ANTHROPIC: Anthropic(),
    ProviderKind.OPENAI: _openai,
    ProviderKind.OPENAI_COMPATIBLE: _openai,
    ProviderKind.SIMULATED: Simulated(),
}


def adapter_for(kind: ProviderKind) -> StreamingAdapter:
    return ADAPTERS[kind]
