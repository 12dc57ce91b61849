"""What a usage costs, in USD: cached parts at their own rates, long contexts by the tier that the whole input reaches, fees by the piece.

No rates, no usage: None, "unpriced", which is not 0. So it is where a service tier or a search has no price: a sum without them is wrong.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from routing.terms.request import Usage

PLACES = Decimal("0.0000000001")  # ten decimals, as the database keeps
TOKEN_PARTS = ("input", "output", "cache_read", "cache_write", "cache_write_1h", "reasoning")  # USD per million
FEES = ("searches_1k", "requests_1k")  # USD per thousand
_WHOLE = {"cache_read": "input", "cache_write": "input", "cache_write_1h": "cache_write", "reasoning": "output"}


@dataclass(frozen=True, slots=True)
class Rate:
    """USD per million tokens; `tiers` (start, price): when all input tokens exceed `start`, all tokens cost that price."""

    base: Decimal
    tiers: tuple[tuple[int, Decimal], ...] = ()  # by rising start

    def at(self, input_tokens: int) -> Decimal:
        return next((price for start, price in reversed(self.tiers) if input_tokens > start), self.base)


@dataclass(frozen=True, slots=True)
class Card:
    """One line of a price list: what each part costs at one length of input, in one service tier. USD per token, search, request."""

    input: Decimal
    output: Decimal
    cache_read: Decimal
    cache_write: Decimal
    cache_write_1h: Decimal
    reasoning: Decimal
    searches_1k: Decimal | None  # None: unknown
    requests_1k: Decimal  # 0 where there is no such fee
    words: str  # the same for a row to keep: "input 2, output 10, cache_read 0.2", per million; fees per thousand


@dataclass(frozen=True, slots=True)
class Rates:
    """What a model costs. A part without its own rate costs as its whole does: cached input as input, a long write as a write."""

    input: Rate
    output: Rate
    cache_read: Rate | None = None
    cache_write: Rate | None = None
    cache_write_1h: Rate | None = None
    reasoning: Rate | None = None
    searches_1k: Decimal | None = None  # USD per thousand web searches; None: nobody knows
    requests_1k: Decimal | None = None  # USD per thousand requests; None: there is no such fee
    service_tiers: Mapping[str, "Rates"] = field(default_factory=dict)  # "batch", "flex" …: prices of their own
    source: str = ""  # "genai-prices 0.2.3", "override 12"
    # (more input tokens than this, card), the longest first: made once, looked at for each attempt
    cards: tuple[tuple[int, Card], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "cards", tuple(self._cards()))

    def _cards(self) -> Iterator[tuple[int, Card]]:
        rates = [rate for rate in (getattr(self, name) for name in TOKEN_PARTS) if rate is not None]
        starts = {start for rate in rates for start, _ in rate.tiers}
        for start in (*sorted(starts, reverse=True), -1):
            told = {name: rate.at(start + 1) for name in TOKEN_PARTS if (rate := getattr(self, name)) is not None}
            told |= {name: fee for name in FEES if (fee := getattr(self, name)) is not None}
            yield start, _card(told)


def _card(told: Mapping[str, Decimal]) -> Card:
    whole = dict(told)
    for name, of in _WHOLE.items():
        whole.setdefault(name, whole[of])
    distinct = {name: value for name, value in whole.items() if name not in _WHOLE or value != whole[_WHOLE[name]]}
    return Card(
        **{name: whole[name].scaleb(-6) for name in TOKEN_PARTS},
        searches_1k=whole["searches_1k"].scaleb(-3) if "searches_1k" in whole else None,
        requests_1k=whole.get("requests_1k", Decimal(0)).scaleb(-3),
        words=", ".join(f"{name} {plain(distinct[name])}" for name in (*TOKEN_PARTS, *FEES) if name in distinct),
    )


def card_of(rates: Rates | None, usage: Usage | None) -> Card | None:
    """The line of the price list that the usage falls under; None when it is unpriced or nobody told the usage."""
    if rates is None or usage is None:
        return None
    if usage.service_tier:
        tier = rates.service_tiers.get(usage.service_tier)
        if tier is None:
            return None
        rates = tier
    cards = rates.cards
    card = cards[-1][1] if len(cards) == 1 else next(card for start, card in cards if usage.input_tokens > start)
    return None if usage.searches and card.searches_1k is None else card


def amount(card: Card, usage: Usage) -> Decimal:
    """The price of one attempt by its line. Once an attempt: parts that most calls lack are passed over."""
    read, writes, reasoning = usage.cache_read_tokens, usage.cache_write_tokens, usage.reasoning_tokens
    total = card.input * max(usage.input_tokens - read - writes, 0)
    if read:
        total += card.cache_read * read
    if writes:
        long = min(usage.cache_write_1h_tokens, writes)
        total += card.cache_write * (writes - long) + card.cache_write_1h * long
    if reasoning and card.reasoning != card.output:
        reasoning = min(reasoning, usage.output_tokens)
        total += card.reasoning * reasoning + card.output * (usage.output_tokens - reasoning)
    else:
        total += card.output * usage.output_tokens
    if usage.searches and card.searches_1k is not None:
        total += card.searches_1k * usage.searches
    if card.requests_1k:
        total += card.requests_1k
    return total.quantize(PLACES)


def cost(rates: Rates | None, usage: Usage | None) -> Decimal | None:
    """The price of one attempt; None when it is unpriced or nobody told its usage."""
    card = card_of(rates, usage)
    return None if card is None or usage is None else amount(card, usage)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a cost: 900 tokens read from a cache at $0.20 a million."""

    name: str  # of TOKEN_PARTS or FEES
    quantity: int  # tokens, searches, requests
    rate_usd: Decimal  # per million tokens, per thousand of the others
    usd: Decimal  # not rounded: the parts add up to the cost, which is


def parts(words: str, usage: Usage) -> tuple[Part, ...]:
    """What the cost is made of, by the words of the card that it was frozen at; () where there are none.

    Raises ValueError where the words are not a card's.
    """
    if not words:
        return ()
    named = (each.partition(" ") for each in words.split(", "))
    told = {name: Decimal(value) for name, _, value in named}
    if not told.keys() <= {*TOKEN_PARTS, *FEES} or not {"input", "output"} <= told.keys():
        raise ValueError(f"{words!r} is not what a card says")
    for name, of in _WHOLE.items():
        told.setdefault(name, told[of])
    return tuple(
        Part(name, quantity, told[name], (told[name] * quantity).scaleb(-3 if name in FEES else -6))
        for name, quantity in _quantities(usage)
        if name in told and (quantity or name in ("input", "output"))
    )


def _quantities(usage: Usage) -> Iterator[tuple[str, int]]:
    """Each token once, under the name by which it is priced."""
    writes = usage.cache_write_tokens
    long, reasoning = min(usage.cache_write_1h_tokens, writes), min(usage.reasoning_tokens, usage.output_tokens)
    yield "input", max(usage.input_tokens - usage.cache_read_tokens - writes, 0)
    yield "cache_read", usage.cache_read_tokens
    yield "cache_write", writes - long
    yield "cache_write_1h", long
    yield "output", usage.output_tokens - reasoning
    yield "reasoning", reasoning
    yield "searches_1k", usage.searches
    yield "requests_1k", 1


def plain(value: Decimal) -> str:
    """Without an exponent or needless zeros, as a document and a row say it."""
    return format(value.normalize(), "f")


def compared(rates: Rates) -> Decimal:
    """One number to compare models by: USD for a million tokens, of which three are read for each one that is written."""
    return (3 * rates.input.base + rates.output.base) / 4


def at_most(rates: Rates | None, size_bytes: int, max_tokens: int | None, answers: int = 1) -> Decimal | None:
    """The estimate that a budget reserves: bytes / 3 of input, `max_tokens` (None: 4,096) of output for each of the answers."""
    written = answers * (4096 if max_tokens is None else max_tokens)
    return cost(rates, Usage(input_tokens=-(-size_bytes // 3), output_tokens=written))
