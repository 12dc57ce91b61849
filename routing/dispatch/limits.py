"""A call of a client that may only make so many in a minute: let in, or told when to come back.

Tokens are estimated before (the request's size, and what it may write) and corrected by what was used when the call has ended.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from routing import limits
from routing.clients import Caller
from routing.dispatch.metrics import REFUSED
from routing.dispatch.outcome import Refused
from routing.limits import Full, Measure
from routing.terms.record import AttemptRecord
from routing.terms.request import Ask
from routing.terms.words import Status

WRITES = 1024  # tokens that an answer is thought to have: max_tokens is mostly far beyond what comes


@dataclass(frozen=True, slots=True)
class Held:
    """The tokens that a call was let in with."""

    client: str
    second: int
    tokens: int


async def let_in(caller: Caller, ask: Ask, *, writes: bool = True) -> Held | None:
    """None where the client has no limit on tokens. Raises Refused: 429, with when to come back. `writes`: the answer is in words."""
    if caller.requests_per_minute is None and caller.tokens_per_minute is None:
        return None
    tokens = ask.size + (min(ask.max_tokens or WRITES, WRITES) if writes else 0)
    wanted = {}
    if caller.requests_per_minute is not None:
        wanted[Measure.REQUESTS] = (caller.requests_per_minute, 1)
    if caller.tokens_per_minute is not None:
        wanted[Measure.TOKENS] = (caller.tokens_per_minute, max(tokens, 1))
    now = await _taken(caller.client, wanted)
    if caller.tokens_per_minute is None:
        return None
    return Held(caller.client, int(now), min(max(tokens, 1), caller.tokens_per_minute))


async def _taken(client: str, wanted: Mapping[Measure, tuple[int, int]]) -> float:
    """When it was taken, in seconds since 1970. Waits a moment for what other processes hold. Raises Refused."""
    begun = time.monotonic()
    while True:
        now, waited_s = time.time(), time.monotonic() - begun
        if waited_s >= limits.AWAY_S:
            limits.away()
        full = limits.take(client, wanted, now, waited=waited_s >= limits.ASK_S)
        if full is None:
            return now
        if isinstance(full, Full):
            raise _refused(client, full)
        await limits.asked((limits.ASK_S if waited_s < limits.ASK_S else limits.AWAY_S) - waited_s)


def settle(held: Held | None, attempts: Sequence[AttemptRecord]) -> None:
    """The call has ended: what its attempts used takes the estimate's place. What nobody counted stays as it was thought."""
    if held is None:
        return
    counted = [each.usage for each in attempts if each.usage is not None]
    if counted or not any(each.status in (Status.OK, Status.PARTIAL) for each in attempts):
        spent = sum(usage.input_tokens + usage.output_tokens for usage in counted)
        limits.correct(held.client, Measure.TOKENS, held.second, spent - held.tokens)


def _refused(client: str, full: Full) -> Refused:
    REFUSED.labels(client, full.measure).inc()
    words = (
        f"Client '{client}' has used its {full.limit} {full.measure} of this minute. "
        f"Come back in {max(1, round(full.retry_after_s))} s."
    )
    details = {"measure": full.measure.value, "limit": full.limit}
    return Refused(429, "rate_limited", words, retryable=True, retry_after_s=full.retry_after_s, details=details)
