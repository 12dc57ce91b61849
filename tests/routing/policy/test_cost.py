"""Prices. Expected amounts are arithmetic in the comments, or genai-prices' own calculation."""

from datetime import UTC, datetime
from decimal import Decimal

import genai_prices
import pytest
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given
from hypothesis import strategies as st

from routing.policy.cost import Rate, Rates, at_most, card_of, cost, parts
from routing.snapshot.prices import as_rates, in_tier
from routing.terms.request import Usage

MOMENT = datetime(2026, 11, 22, tzinfo=UTC)
RATES = Rates(
    input=Rate(Decimal(4)),
    output=Rate(Decimal(20)),
    cache_read=Rate(Decimal("0.4")),
    cache_write=Rate(Decimal(5)),
    cache_write_1h=Rate(Decimal(8)),
    searches_1k=Decimal(10),
    service_tiers={"batch": Rates(Rate(Decimal(2)), Rate(Decimal(10)))},
)


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        pytest.param(Usage(1000, 500), "0.014", id="1000·4 + 500·20"),
        pytest.param(Usage(1000, 0, cache_read_tokens=900), "0.00076", id="100·4 + 900·.4"),
        pytest.param(Usage(1000, 0, cache_write_tokens=600), "0.0046", id="400·4 + 600·5"),
        pytest.param(
            Usage(1000, 0, cache_write_tokens=600, cache_write_1h_tokens=200), "0.0052", id="400·4 + 400·5 + 200·8"
        ),
        pytest.param(Usage(0, 500, reasoning_tokens=400), "0.01", id="reasoning is output"),
        pytest.param(Usage(1000, 500, searches=2), "0.034", id="1000·4 + 500·20 + 2 searches at .01"),
        pytest.param(Usage(1000, 500, service_tier="batch"), "0.007", id="in batch 1000·2 + 500·10"),
        pytest.param(Usage(100, 0, cache_read_tokens=900), "0.00036", id="more cached than read: 900·.4"),
        pytest.param(Usage(), "0", id="nothing"),
    ],
)
def test_cached_parts_cost_their_own_rates(usage, usd):
    assert cost(RATES, usage) == Decimal(usd)


def test_a_part_without_a_rate_costs_as_its_whole():
    plain = Rates(Rate(Decimal(4)), Rate(Decimal(20)))
    assert cost(plain, Usage(1000, 0, cache_read_tokens=900, cache_write_tokens=100)) == Decimal("0.004")


def test_a_long_context_costs_its_tier_for_all_tokens():
    tiered = Rates(Rate(Decimal(2), ((200_000, Decimal(4)),)), Rate(Decimal(12), ((200_000, Decimal(18)),)))
    assert cost(tiered, Usage(200_000, 1000)) == Decimal("0.412")  # .2·2 + .001·12
    assert cost(tiered, Usage(200_001, 1000)) == Decimal("0.818004")  # .200001·4 + .001·18


def test_unpriced_is_not_zero():
    assert cost(None, Usage(1, 1)) is None
    assert cost(RATES, None) is None


def test_a_service_tier_or_a_search_without_a_price_is_unpriced_too():
    assert cost(RATES, Usage(1, 1, service_tier="priority")) is None
    assert cost(RATES, Usage(1, 1, searches=1, service_tier="batch")) is None  # whose line names no fee
    assert cost(Rates(Rate(Decimal(4)), Rate(Decimal(20))), Usage(1, 1, searches=1)) is None


def test_a_fee_for_each_request_is_added_to_the_tokens():
    sonar = Rates(
        Rate(Decimal(1)), Rate(Decimal(1)), requests_1k=Decimal(12)
    )  # docs.perplexity.ai: $12 per 1,000, high context
    assert cost(sonar, Usage(1000, 1000)) == Decimal("0.014")  # .001 + .001 + .012


def test_reasoning_may_have_a_rate_of_its_own():
    rates = Rates(Rate(Decimal(2)), Rate(Decimal(8)), reasoning=Rate(Decimal(3)))  # sonar-deep-research's
    assert cost(rates, Usage(0, 1000, reasoning_tokens=900)) == Decimal("0.0035")  # 100·8 + 900·3


def test_a_card_says_only_what_differs():
    rates = Rates(Rate(Decimal(2), ((200_000, Decimal("4.50")),)), Rate(Decimal(10)), cache_read=Rate(Decimal("0.2")))
    assert card_of(rates, Usage(200_000)).words == "input 2, output 10, cache_read 0.2"
    assert card_of(rates, Usage(200_001)).words == "input 4.5, output 10, cache_read 0.2"
    same = Rates(Rate(Decimal(2)), Rate(Decimal("1E+1")), cache_read=Rate(Decimal("2.0")))
    assert card_of(same, Usage()).words == "input 2, output 10"


RATE = st.decimals(0, 200, places=10).map(Rate)
COUNT = st.integers(0, 3_000_000)


@given(
    rates=st.builds(
        Rates,
        **dict.fromkeys(
            ("input", "output"), st.builds(Rate, st.decimals(0, 200, places=4), st.just(((200_000, Decimal(7)),)))
        ),
        **dict.fromkeys(("cache_read", "cache_write", "cache_write_1h", "reasoning"), st.none() | RATE),
        **dict.fromkeys(("searches_1k", "requests_1k"), st.none() | st.decimals(0, 50, places=10)),
    ),
    usage=st.builds(Usage, COUNT, COUNT, COUNT, COUNT, COUNT, COUNT, st.integers(0, 50)),
)
def test_the_parts_of_a_cost_add_up_to_it_whatever_was_used(rates, usage):
    total, card = cost(rates, usage), card_of(rates, usage)
    if card is None:
        assert usage.searches
        assert rates.searches_1k is None
        return
    assert sum(part.usd for part in parts(card.words, usage)).quantize(Decimal("1e-10")) == total
    assert {part.name for part in parts(card.words, usage)} >= {"input", "output"}


@pytest.mark.parametrize("words", ["input", "input 2", "input 2, output x", "input 2, output 10, gold 4"])
def test_words_that_are_no_cards_are_refused(words):
    with pytest.raises((ValueError, ArithmeticError)):
        parts(words, Usage())


def test_a_reserve_is_a_third_of_the_bytes_and_the_most_that_may_be_written():
    assert at_most(RATES, 3000, 1000) == Decimal("0.024")  # 1000·4 + 1000·20
    assert at_most(RATES, 3000, None) == Decimal("0.08592")  # 1000·4 + 4096·20
    assert at_most(RATES, 3000, 1000, answers=3) == Decimal("0.064")  # 1000·4 + 3·1000·20


USAGES = [Usage(1500, 300, searches=2), Usage(900_000, 20_000, 100_000, 50_000), Usage(10_000, 10, 5000, 4000, 1000)]


@pytest.mark.parametrize("usage", USAGES, ids=["searching", "long", "1 h cache"])
@pytest.mark.parametrize("vendor", ["anthropic", "openai", "google"])
def test_our_arithmetic_is_genai_prices_own(vendor, usage):
    """Over every model of the vendor with a price for plain text."""
    provider = next(each for each in get_snapshot().providers if each.id == vendor)
    theirs = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
        web_searches=usage.searches,
    )
    compared = 0
    for model in provider.models:
        rates = as_rates(model.get_prices(MOMENT))
        if rates is None:
            continue
        try:
            expected = model.calc_price(theirs, provider, genai_request_timestamp=MOMENT).total_price
        except ValueError:
            continue  # a model whose price leaves no room for this usage
        ours = cost(rates, usage)
        if usage.searches and rates.searches_1k is None:
            assert ours is None  # theirs leaves the searches out
            continue
        assert ours is not None
        assert abs(ours - expected) < Decimal("1e-9"), model.id
        compared += 1
    assert compared >= 10


CONTEXTS = {
    ("anthropic", "batch"): {"processing": "batch"},
    ("anthropic", "fast"): {"speed": "fast"},
    ("openai", "batch"): {"processing": "batch"},
    ("openai", "flex"): {"service_tier": "flex"},
    ("openai", "priority"): {"service_tier": "priority"},
    ("openai", "fast"): {"service_tier": "fast"},
    ("google", "batch"): {"processing": "batch"},
    ("google", "flex"): {"service_tier": "flex"},
}


@pytest.mark.parametrize(("vendor", "tier"), CONTEXTS)
def test_a_service_tier_costs_what_genai_prices_says_of_it(vendor, tier):
    """Over every model of the vendor that has such a tier, with a long input that is partly cached."""
    provider = next(each for each in get_snapshot().providers if each.id == vendor)
    theirs = genai_prices.Usage(input_tokens=300_000, output_tokens=2_000, cache_read_tokens=100_000)
    compared = 0
    for model in provider.models:
        rates = in_tier(model, tier, MOMENT)
        if rates is None:
            continue
        expected = model.calc_price(
            theirs, provider, genai_request_timestamp=MOMENT, price_context=CONTEXTS[vendor, tier]
        ).total_price
        standard = model.calc_price(theirs, provider, genai_request_timestamp=MOMENT).total_price
        ours = cost(rates, Usage(300_000, 2_000, 100_000))
        assert ours is not None
        assert abs(ours - expected) < Decimal("1e-9"), model.id
        compared += ours != standard
    assert compared >= 2


def test_the_vendors_own_words_of_a_service_tier():
    """platform.claude.com and developers.openai.com, prices per million: Opus 5.5 in fast mode $8 and $40, GPT-5 in flex $0.625 and $5."""
    models = {
        model.id: model
        for each in get_snapshot().providers
        for model in each.models
        if each.id in ("anthropic", "openai")
    }
    assert cost(in_tier(models["claude-opus-5-5"], "fast", MOMENT), Usage(1_000_000, 1_000_000)) == 48
    assert cost(in_tier(models["gpt-5"], "flex", MOMENT), Usage(1_000_000, 1_000_000)) == Decimal("5.625")
