"""Prices. Expected amounts are arithmetic in the comments, or genai-prices' own calculation."""

from datetime import UTC, datetime
from decimal import Decimal

import genai_prices
import pytest
from genai_prices.data_snapshot import get_snapshot

from routing.policy.cost import Rate, Rates, at_most, cost
from routing.snapshot.prices import as_rates
from routing.terms.request import Usage

MOMENT = datetime(2026, 11, 22, tzinfo=UTC)
RATES = Rates(
    input=Rate(Decimal(4)),
    output=Rate(Decimal(20)),
    cache_read=Rate(Decimal("0.4")),
    cache_write=Rate(Decimal(5)),
    cache_write_1h=Rate(Decimal(8)),
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


def test_a_reserve_is_a_third_of_the_bytes_and_the_most_that_may_be_written():
    assert at_most(RATES, 3000, 1000) == Decimal("0.024")  # 1000·4 + 1000·20
    assert at_most(RATES, 3000, None) == Decimal("0.08592")  # 1000·4 + 4096·20


USAGES = [Usage(1500, 300), Usage(900_000, 20_000, 100_000, 50_000), Usage(10_000, 10, 5000, 4000, 1000)]


@pytest.mark.parametrize("usage", USAGES, ids=["plain", "long", "1 h cache"])
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
        assert ours is not None
        assert abs(ours - expected) < Decimal("1e-9"), model.id
        compared += 1
    assert compared >= 10
