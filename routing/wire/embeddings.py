"""OpenAI's Embeddings: `read` a body, write the `answer`, write an `error`."""

import sys
from array import array
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from routing.terms.embedding import Embedded, EmbeddingRequest
from routing.wire.fields import Field
from routing.wire.ignored import unknown
from routing.wire.openai import error_body

MAX_INPUTS = 2048  # the wire's own limit

__all__ = ["AskedEmbedding", "answer", "error", "read"]


@dataclass(frozen=True, slots=True)
class AskedEmbedding:
    """A body, read."""

    model: str
    request: EmbeddingRequest
    encoding: Literal["float", "base64"] = "float"
    needs: frozenset[str] = frozenset()  # fields of no known meaning, which only a relayed request carries


def read(body: Mapping[str, Any]) -> AskedEmbedding:
    """What the body asks for. Raises Unreadable."""
    whole = Field(body)
    encoding = whole.get("encoding_format")
    return AskedEmbedding(
        model=whole.need("model").name(),
        request=EmbeddingRequest(_inputs(whole.need("input")), whole.count_of("dimensions", 1)),
        encoding="base64" if encoding and encoding.one_of("float", "base64") == "base64" else "float",
        needs=frozenset(unknown("embeddings", body)),
    )


def answer(answer: Embedded, model: str, encoding: Literal["float", "base64"] = "float") -> dict[str, Any]:
    """The whole answer. Vectors as base64 are the little-endian bytes of 32-bit floats."""
    tokens = answer.usage.input_tokens if answer.usage else 0
    write = _packed if encoding == "base64" else list
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": write(vector)}
            for index, vector in enumerate(answer.vectors)
        ],
        "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def error(
    status: int, code: str, message: str, request_id: str = "", details: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """{"error": …}. The request's name stands in a header on this wire."""
    return error_body(status, code, message, details)


def _inputs(given: Field) -> Sequence[str] | Sequence[Sequence[int]]:
    """One text, several, the tokens of one, or of several."""
    if given.is_text:
        return (given.name(),)
    items = list(given.items())
    if not items:
        raise given.bad("must hold at least one input")
    if len(items) > MAX_INPUTS and not isinstance(items[0].value, int):
        raise given.bad(f"must hold at most {MAX_INPUTS:,} inputs")
    if items[0].is_text:
        return tuple(item.name() for item in items)
    if isinstance(items[0].value, list):
        return tuple(_tokens(item) for item in items)
    return (_tokens(given),)


def _tokens(given: Field) -> tuple[int, ...]:
    tokens = tuple(token.count() for token in given.items())
    if not tokens:
        raise given.bad("must hold at least one token")
    return tokens


def _packed(vector: Sequence[float]) -> str:
    floats = array("f", vector)
    if sys.byteorder == "big":
        floats.byteswap()
    return b64encode(floats.tobytes()).decode()
