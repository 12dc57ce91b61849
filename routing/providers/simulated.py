"""No provider at all: answers that say so, the same for the same request. How a person without keys tries the product.

Vectors are made of the words of their texts: texts that share words are near each other.
Nothing here is measured or sent. The time an attempt takes is what the clock says: a simulated answer is made at once, or after
`latency_scale` × the profile's own latency where the endpoint's options name one.

Options read: `seed` (int, 0), `latency_scale` (float, 0).
"""

import asyncio
import hashlib
import json
import math
import random
import re
from collections.abc import AsyncIterator, Sequence

from routing.providers.base import Discovered, Endpoint
from routing.providers.profiles import PROFILES, Profile, profile
from routing.terms.embedding import Embedded, EmbeddingRequest
from routing.terms.event import Event, StreamEnd, StreamStart, TextDelta
from routing.terms.request import Answer, Request, Timeouts, Usage

__all__ = ["PREFIX", "Simulated", "profile"]

PREFIX = "simulated/"  # before the served model's name, so that no row or page can be taken for a real answer
DIMENSIONS = 768  # as many as nomic-embed-text has
OPENINGS = (
    "I would start from the main point and work outwards.",
    "Here is a short version; a real model would go into detail.",
    "The request is clear, and this is where its answer would stand.",
    "Three steps would do: read, decide, write it down.",
)


class Simulated:
    async def complete(self, endpoint: Endpoint, request: Request, timeouts: Timeouts) -> Answer:
        body = _body(request)
        rng = random.Random(_digest(endpoint, body))  # noqa: S311 - reproducible on purpose
        text = _text(endpoint, request, rng)
        answer = _answer(endpoint, request, text, size=len(body))
        await asyncio.sleep(_delay_s(endpoint, _profile(endpoint), answer, rng))
        return answer

    async def stream(self, endpoint: Endpoint, request: Request, timeouts: Timeouts) -> AsyncIterator[Event]:
        answer = await self.complete(endpoint, request, timeouts)
        yield StreamStart(answer.served_model, answer.provider_request_id)
        for word in re.findall(r"\S+\s*", answer.output):
            yield TextDelta(word)
        yield StreamEnd(answer)

    async def embed(self, endpoint: Endpoint, request: EmbeddingRequest, timeouts: Timeouts) -> Embedded:
        length = request.dimensions or DIMENSIONS
        read = sum(len(text) // 4 if isinstance(text, str) else len(text) for text in request.inputs)
        return Embedded(
            vectors=tuple(_vector(endpoint, text, length) for text in request.inputs),
            served_model=PREFIX + endpoint.upstream_id,
            usage=Usage(input_tokens=max(1, read)),
        )

    def thinking_control(self, endpoint: Endpoint, request: Request) -> str:
        return f"simulated: {request.thinking_budget} tokens" if request.thinking_budget else ""

    async def models(self, endpoint: Endpoint, timeouts: Timeouts) -> tuple[Discovered, ...]:
        return tuple(Discovered(slug, f"{slug} (simulated)") for slug in sorted(PROFILES))

    async def ping(self, endpoint: Endpoint, timeouts: Timeouts) -> None:
        """There is nothing to reach."""


def _body(request: Request) -> bytes:
    """The request as bytes in which equal requests are equal."""
    parts = [
        request.system,
        [[message.role, message.content] for message in request.messages],
        [[tool.name, tool.schema] for tool in request.tools],
        [request.max_tokens, request.temperature, request.thinking_budget, list(request.stop)],
    ]
    return json.dumps(parts, ensure_ascii=True, sort_keys=True, default=str).encode()


def _digest(endpoint: Endpoint, body: bytes) -> bytes:
    seed = endpoint.options.get("seed", 0)
    return hashlib.sha256(f"{endpoint.provider}\n{endpoint.upstream_id}\n{seed}\n".encode() + body).digest()


def _vector(endpoint: Endpoint, text: str | Sequence[int], length: int) -> tuple[float, ...]:
    """The text's words, or tokens, counted into `length` places by their hash, with a sign by it; of length 1."""
    counts = [0.0] * length
    for word in re.findall(r"\w+|[^\w\s]", text.lower()) if isinstance(text, str) else map(str, text):
        digest = hashlib.blake2b(f"{endpoint.upstream_id}\n{word}".encode("utf-8", "replace"), digest_size=8).digest()
        place = int.from_bytes(digest, "big")
        counts[(place >> 1) % length] += 1.0 if place & 1 else -1.0
    norm = math.hypot(*counts)
    return tuple(count / norm for count in counts) if norm else (1.0, *counts[1:])


def _profile(endpoint: Endpoint) -> Profile:
    return profile(endpoint.upstream_id)


def _text(endpoint: Endpoint, request: Request, rng: random.Random) -> str:
    count = len(request.messages)
    return (
        f"[simulated] No provider was called: this stands for {endpoint.upstream_id}'s answer to "
        f"{count} message{'' if count == 1 else 's'}. {rng.choice(OPENINGS)} (ref {rng.getrandbits(32):08x})"
    )


def _answer(endpoint: Endpoint, request: Request, text: str, *, size: int) -> Answer:
    """Tokens are a quarter of the bytes, by the model's own tokenizer; `max_tokens` cuts as it would at a provider."""
    written = max(1, len(text) // 4)
    cut = request.max_tokens is not None and request.max_tokens < written
    if cut and request.max_tokens is not None:
        written = request.max_tokens
        text = text[: written * 4]
    return Answer(
        output=text,
        stop_reason="max_tokens" if cut else "end_turn",
        served_model=PREFIX + endpoint.upstream_id,
        usage=Usage(input_tokens=max(1, round(size / 4 * _profile(endpoint).tokenizer)), output_tokens=written),
        extra={"simulated": True},
    )


def _delay_s(endpoint: Endpoint, behaviour: Profile, answer: Answer, rng: random.Random) -> float:
    scale = float(endpoint.options.get("latency_scale", 0))
    written = answer.usage.output_tokens if answer.usage else 0
    return scale * behaviour.latency_ms(written, rng)[1] / 1000
