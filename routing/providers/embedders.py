"""Which adapter embeds for which kind of provider. Anthropic offers no embeddings."""

from collections.abc import Mapping

from routing.providers.base import EmbeddingAdapter
from routing.providers.openai import OpenAI
from routing.providers.simulated import Simulated
from routing.terms.fault import Failed, Fault
from routing.terms.words import ErrorKind, ProviderKind

__all__ = ["embedder_for"]

_openai = OpenAI()
EMBEDDERS: Mapping[ProviderKind, EmbeddingAdapter] = {
    ProviderKind.OPENAI: _openai,
    ProviderKind.OPENAI_COMPATIBLE: _openai,
    ProviderKind.SIMULATED: Simulated(),
}


def embedder_for(kind: ProviderKind) -> EmbeddingAdapter:
    """Raises Failed(CONFIG) where there is none: the next candidate may have one."""
    if kind not in EMBEDDERS:
        raise Failed(Fault(ErrorKind.CONFIG, f"a provider of kind {kind.value!r} offers no embeddings"))
    return EMBEDDERS[kind]
