"""What an attempt costs, from the provider's answer to the row, over both lanes: priced by its parts, frozen with its rates.

Prices are those of Claude Sonnet 5.5 (platform.claude.com/docs/en/about-claude/pricing): $2 in, $10 out, $0.10 read from a cache, $2.50
written for five minutes and $4 for an hour, $10 per 1,000 searches; batch at half.
"""

from dataclasses import replace
from decimal import Decimal

import pytest

from routing import changes, records
from routing.audit import SYSTEM
from routing.dispatch import Refused, Result
from routing.models import Attempt, Price
from routing.terms.words import ErrorKind, ProviderKind
from tests.doubles import script
from tests.routing.two_providers import WAYS, World, patience, two_providers

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_spool")]

BATCH = {"input": "1", "output": "5", "cache_read": "0.05", "cache_write": "1.25", "cache_write_1h": "2"}
PRICE = {
    "input": "2",
    "output": "10",
    "cache_read": "0.1",
    "cache_write": "2.5",
    "cache_write_1h": "4",
    "searches_1k": "10",
    "service_tiers": {"batch": BATCH},
}
# 10,000 read, of them 6,000 from the cache and 3,000 into it; 700 written, 200 of them while reasoning
FULL = {"read": 10_000, "cached": 6_000, "cache_write": 3_000, "written": 700, "reasoning": 200}


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def way(request: pytest.FixtureRequest) -> tuple[ProviderKind, ProviderKind, str]:
    return request.param


def sonnet(**price: object) -> None:
    part = {"provider": "first", "slug": "one", "price": PRICE | price}
    changes.publish({"models": [part]}, by=SYSTEM, reason="Sonnet's price", source="load")


def served(world: World, *, stream: bool) -> Attempt:
    ended = world.stream()[1] if stream else world.dispatch()
    assert isinstance(ended, Result)
    return Attempt.objects.get(call_id=world.call().id, provider="first")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_cost_is_the_sum_of_its_parts_at_the_rates_of_its_day(way, stream):
    act = script.answer(**FULL)
    with two_providers(first=(act,), kinds=way[:2], wire=way[2]) as world:
        sonnet()
        row = served(world, stream=stream)

        # Anthropic's double says that all writes are for an hour, OpenAI's do not tell: 3,000 × $4 or × $2.50
        write = ("cache_write_1h", "0.012") if way[0] is ProviderKind.ANTHROPIC else ("cache_write", "0.0075")
        expected = {
            "input": Decimal("0.002"),  # 1,000 × $2
            "cache_read": Decimal("0.0006"),  # 6,000 × $0.10
            write[0]: Decimal(write[1]),
            "output": Decimal("0.005"),  # 500 × $10
            "reasoning": Decimal("0.002"),  # 200 × $10
        }
        assert {part.name: part.usd for part in records.cost_parts(row)} == expected
        assert row.cost_usd == sum(expected.values())
        assert (row.estimated, row.service_tier, row.searches) == (False, "", 0)


def test_a_price_that_changes_leaves_what_was_paid_and_its_parts_alone():
    act = script.answer(**FULL)
    with two_providers(first=(act, act), kinds=(ProviderKind.ANTHROPIC, ProviderKind.OPENAI)) as world:
        sonnet()
        before = served(world, stream=False)
        sonnet(input="20", output="100")
        after = served(world, stream=False)

        before.refresh_from_db()
        rates = {part.name: part.rate_usd for part in records.cost_parts(before)}
        assert (rates["input"], rates["output"]) == (Decimal(2), Decimal(10))
        assert after.cost_usd > before.cost_usd == sum(part.usd for part in records.cost_parts(before))
        Price.objects.all().delete()  # and whatever becomes of the price's own row
        assert records.cost_parts(before)


# (kind, client's wire): those whose vendors tell searches
@pytest.mark.parametrize(
    ("kind", "wire"),
    [(ProviderKind.ANTHROPIC, ""), (ProviderKind.ANTHROPIC, "anthropic"), (ProviderKind.OPENAI, "openai_responses")],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_each_search_is_a_fee(kind, wire, stream):
    other = ProviderKind.OPENAI if kind is ProviderKind.ANTHROPIC else ProviderKind.ANTHROPIC
    act = script.answer(read=1000, written=100, searches=3)
    with two_providers(first=(act,), kinds=(kind, other), wire=wire) as world:
        sonnet()
        row = served(world, stream=stream)

        assert (row.searches, row.cost_usd) == (3, Decimal("0.033"))  # 1,000 × $2 + 100 × $10 a million + 3 × $0.01
        assert records.cost_parts(row)[-1].usd == Decimal("0.03")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_service_tier_has_its_own_price_or_none(way, stream):
    acts = tuple(script.answer(read=1000, written=100, service_tier=tier) for tier in ("batch", "priority", "default"))
    with two_providers(first=acts, kinds=way[:2], wire=way[2]) as world:
        sonnet()
        rows = [served(world, stream=stream) for _ in acts]

        assert [row.service_tier for row in rows] == ["batch", "priority", ""]
        # 1,000 × $1 + 100 × $5; nobody said what priority costs; 1,000 × $2 + 100 × $10
        assert [row.cost_usd for row in rows] == [Decimal("0.0015"), None, Decimal("0.003")]
        assert [bool(row.rates) for row in rows] == [True, False, True]


def test_a_search_whose_fee_nobody_knows_leaves_the_attempt_unpriced():
    act = script.answer(read=1000, written=100, searches=1)
    with two_providers(first=(act,), kinds=(ProviderKind.ANTHROPIC, ProviderKind.OPENAI)) as world:
        changes.publish(
            {"models": [{"provider": "first", "slug": "one", "upstream_id": "nobody-knows-it"}]},
            by=SYSTEM,
            reason="",
            source="load",
        )
        row = served(world, stream=False)

        assert (row.searches, row.cost_usd, row.price) == (1, None, "")
        assert records.cost_parts(row) == ()


def test_a_stream_cut_short_costs_what_was_seen_and_says_that_it_is_an_estimate(way):
    act = replace(script.disconnects(after=5), text="It works as it should.")
    with two_providers(first=(act,), kinds=way[:2], wire=way[2], timeouts=patience(ErrorKind.TRUNCATED)) as world:
        sonnet()
        assert isinstance(world.stream()[1], Refused)
        row = Attempt.objects.get(call_id=world.call().id)

        assert (row.status, row.estimated) == ("partial", True)
        assert row.cost_usd == sum(part.usd for part in records.cost_parts(row))
        assert row.cost_usd > 0
        if way[0] is ProviderKind.ANTHROPIC:  # it had told what it read
            assert row.input_tokens == 100
