"""What a usage costs, in USD: cached parts at their own rates, long contexts by the tier that the whole input reaches.

No rates, no usage: None, "unpriced", which is not 0.
"""

from dataclasses import dataclass
from decimal import Decimal

from routing.terms.request import Usage

MILLION = Decimal(1_000_000)
PLACES = Decimal("0.0000000001")  # ten decimals, as the database keeps


@dataclass(frozen=True, slots=True)
class Rate:
    """USD per million tokens; `tiers` (start, price): when all input tokens exceed `start`, all tokens cost that price."""

    base: Decimal
    tiers: tuple[tuple[int, Decimal], ...] = ()  # by rising start

    def at(self, input_tokens: int) -> Decimal:
        return next((price for start, price in reversed(self.tiers) if input_tokens > start), self.base)


@dataclass(frozen=True, slots=True)
class Rates:
    """What a model costs. A part without its own rate costs as its whole does: cached input as input, a 1-hour write as a write."""

    input: Rate
    output: Rate
    cache_read: Rate | None = None
    cache_write: Rate | None = None
    cache_write_1h: Rate | None = None
    reasoning: Rate | None = None
    source: str = ""  # "genai-prices 0.2.3", "override 12"


def cost(rates: Rates | None, usage: Usage | None) -> Decimal | None:
    """The price of one attempt; None when it is unpriced or nobody told its usage."""
    if rates is None or usage is None:
        return None
    whole = usage.input_tokens
    long_writes = min(usage.cache_write_1h_tokens, usage.cache_write_tokens)
    read, writes, plain = usage.cache_read_tokens, usage.cache_write_tokens - long_writes, whole
    plain = max(whole - read - writes - long_writes, 0)
    write = rates.cache_write or rates.input
    reasoning = min(usage.reasoning_tokens, usage.output_tokens)
    parts = (
        (rates.input, plain),
        (rates.cache_read or rates.input, read),
        (write, writes),
        (rates.cache_write_1h or write, long_writes),
        (rates.reasoning or rates.output, reasoning),
        (rates.output, usage.output_tokens - reasoning),
    )
    total = sum((rate.at(whole) * tokens for rate, tokens in parts if tokens), Decimal(0))
    return (total / MILLION).quantize(PLACES)


def at_most(rates: Rates | None, size_bytes: int, max_tokens: int | None) -> Decimal | None:
    """The estimate that a budget reserves: bytes / 3 of input, `max_tokens` (else 4,096) of output."""
    usage = Usage(input_tokens=-(-size_bytes // 3), output_tokens=max_tokens or 4096)
    return cost(rates, usage)
