"""A call for embeddings: planned, tried and written down as any other; each attempt asks for vectors."""

from routing.clients import Caller
from routing.dispatch.call import Facts
from routing.dispatch.engine import dispatch
from routing.dispatch.outcome import Result
from routing.providers.base import Endpoint
from routing.providers.embedders import embedder_for
from routing.terms.embedding import Embedded, EmbeddingRequest
from routing.terms.request import Answer, Ask, Message, Request, Timeouts
from routing.terms.words import ProviderKind


async def embed(ask: Ask, request: EmbeddingRequest, caller: Caller, facts: Facts) -> tuple[Result, Embedded]:
    """How the call went, and its vectors. Raises as `dispatch` does.

    The ask's task type must be one that embeds: then the plan holds models that embed, and no other.
    """
    given: list[Embedded] = []
    # An attempt takes `request`; the texts are here for what is written of an error that quotes them.
    said = Request([Message("user", each) for each in request.inputs if isinstance(each, str)])
    result = await dispatch(ask, said, caller, facts, over=lambda kind: _Embedding(kind, request, given))
    return result, given[-1]


class _Embedding:
    """What one attempt goes over. Its answer has no words: the vectors are added to `given`."""

    def __init__(self, kind: ProviderKind, request: EmbeddingRequest, given: list[Embedded]) -> None:
        self._kind, self._request, self._given = kind, request, given

    async def complete(self, endpoint: Endpoint, request: Request, timeouts: Timeouts) -> Answer:
        embedded = await embedder_for(self._kind).embed(endpoint, self._request, timeouts)
        self._given.append(embedded)
        return Answer(
            output="",
            stop_reason="end_turn",
            served_model=embedded.served_model,
            usage=embedded.usage,
            provider_request_id=embedded.provider_request_id,
        )

    def thinking_control(self, endpoint: Endpoint, request: Request) -> str:
        return ""
