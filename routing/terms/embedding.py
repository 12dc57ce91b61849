"""What a caller of embeddings asks for and gets, in no provider's dialect."""

from collections.abc import Sequence
from dataclasses import dataclass

from routing.terms.request import Usage


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """Texts, or token ids of the model's own tokenizer. Lives in memory only; nothing writes it down."""

    inputs: Sequence[str] | Sequence[Sequence[int]]
    dimensions: int | None = None  # None: as many as the model has


@dataclass(frozen=True, slots=True)
class Embedded:
    vectors: Sequence[Sequence[float]]  # one an input, in their order
    served_model: str  # as the provider names it
    usage: Usage | None  # None: the provider told nothing
    provider_request_id: str | None = None
