"""Embeddings as OpenAI and every server compatible with it give them."""

from math import isfinite
from typing import Any

from routing.providers.base import Endpoint
from routing.providers.errors import malformed
from routing.providers.exchange import Reply, count
from routing.terms.embedding import Embedded, EmbeddingRequest
from routing.terms.request import Usage


def embedding_body(endpoint: Endpoint, request: EmbeddingRequest) -> dict[str, Any]:
    """The request as the wire's JSON object. As floats: not every compatible server knows base64."""
    body: dict[str, Any] = {
        "model": endpoint.upstream_id,
        "input": list(request.inputs),
        "encoding_format": "float",
    }
    return body if request.dimensions is None else body | {"dimensions": request.dimensions}


def embedded(reply: Reply, expected: int) -> Embedded:
    """The wire's list as vectors in the order of the inputs. Raises Failed where one is missing or is no vector."""
    items = reply.body.get("data")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise malformed("the answer has no list of embeddings")
    by_index = {item.get("index", place): item.get("embedding") for place, item in enumerate(items)}
    vectors = [by_index.get(index) for index in range(expected)]
    if len(items) != expected or not all(map(_is_vector, vectors)):
        raise malformed(f"{len(items)} embeddings for {expected} inputs, or one that is no list of numbers")
    usage = reply.body.get("usage")
    return Embedded(
        vectors=tuple(tuple(vector or ()) for vector in vectors),
        served_model=reply.model,
        usage=Usage(input_tokens=count(usage, "prompt_tokens")) if isinstance(usage, dict) else None,
        provider_request_id=reply.request_id("x-request-id"),
    )


def _is_vector(vector: Any) -> bool:
    return (
        isinstance(vector, list)
        and bool(vector)
        and all(
            isinstance(number, int | float) and not isinstance(number, bool) and isfinite(number) for number in vector
        )
    )
