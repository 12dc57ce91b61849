"""Fallback of streamed calls over real HTTP, both lanes: unseen before the first content, never spliced after it.

The expectations are the table of capabilities, section 2.
"""

from decimal import Decimal

import pytest

from routing.dispatch import Begun, Refused, Result
from routing.terms.event import Relayed, TextDelta
from routing.terms.words import ErrorKind, ProviderKind
from tests.doubles import Act, script
from tests.routing.test_fallback_http import FALLS_BACK, OK, PASSES
from tests.routing.two_providers import BODIES, UPSTREAM, WAYS, patience, two_providers

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_spool")]

# What a whole answer can be and a stream cannot, and the reverse.
ONLY_WHOLE = {
    "stall in the body",
    "disconnect in the body",
    "half the JSON",
    "no choice",
    "no finish reason",
    "redirect",
}
BEFORE: list[tuple[str, Act, ErrorKind, int | None, str]] = [
    *(case for case in FALLS_BACK if case[0] not in ONLY_WHOLE),
    ("stall before the first event", script.stalls(), ErrorKind.TIMEOUT, None, "circuit"),
    ("disconnect before the first event", script.disconnects(after=0), ErrorKind.TRUNCATED, 200, "circuit"),
]
AFTER: list[tuple[str, Act, ErrorKind]] = [
    ("stall", script.stalls(after=5), ErrorKind.TIMEOUT),
    ("disconnect", script.disconnects(after=5), ErrorKind.TRUNCATED),
]


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def way(request: pytest.FixtureRequest) -> tuple[ProviderKind, ProviderKind, str]:
    return request.param


@pytest.fixture
def kinds(way: tuple[ProviderKind, ProviderKind, str]) -> tuple[ProviderKind, ProviderKind]:
    return way[:2]


@pytest.fixture
def wire(way: tuple[ProviderKind, ProviderKind, str]) -> str:
    """ "" is the SDKs' lane."""
    return way[2]


@pytest.mark.parametrize(
    ("act", "kind", "status", "rests"), [case[1:] for case in BEFORE], ids=[case[0] for case in BEFORE]
)
def test_before_the_first_content_the_fallback_takes_over_unseen(kinds, wire, act, kind, status, rests):
    with two_providers(first=(act,), kinds=kinds, wire=wire, timeouts=patience(kind)) as world:
        told, result = world.stream()

        assert isinstance(result, Result)
        begun, *deltas = told
        assert isinstance(begun, Begun)
        assert (begun.provider, begun.attempts, begun.used_fallback) == ("second", 2, True)
        assert begun.served_model == UPSTREAM[kinds[1]] + "-served"
        assert "".join(each.text for each in deltas if isinstance(each, TextDelta)) == result.answer.output
        assert [row[:4] for row in world.attempts()] == [("first", "primary", "error", kind), OK[:4]]
        assert world.rests() == rests
        if wire:
            sent = world.primary.bodies[0]
            assert sent | BODIES[wire] == sent | {"model": "task:talk"}
        assert (len(world.primary.requests), len(world.fallback.requests)) == (1, 1)
        call = world.call()
        assert (call.stream, call.status, call.cost_usd) == (True, "ok", Decimal("0.0006"))


@pytest.mark.parametrize(("act", "kind"), [case[1:] for case in AFTER], ids=[case[0] for case in AFTER])
def test_after_it_nobody_finishes_anothers_sentence(kinds, wire, act, kind):
    with two_providers(first=(act,), kinds=kinds, wire=wire, timeouts=patience(kind)) as world:
        told, refused = world.stream()

        assert isinstance(refused, Refused)
        assert (refused.status, refused.code, refused.retryable) == (502, "stream_broken", True)
        assert isinstance(told[0], Begun)
        assert any(isinstance(each, Relayed if wire else TextDelta) for each in told)
        assert world.attempts() == [("first", "primary", "partial", kind, world.attempts()[0][4])]
        assert world.fallback.requests == []
        assert world.rests() == "circuit"
        call = world.call()
        assert call.status == "partial"
        assert call.cost_usd is not None  # charged for what was seen
        assert call.cost_usd > 0


@pytest.mark.parametrize(
    ("act", "kind", "status", "code"), [case[1:] for case in PASSES], ids=[case[0] for case in PASSES]
)
def test_a_clients_error_passes_before_anything_is_said(kinds, wire, act, kind, status, code):
    with two_providers(first=(act,), kinds=kinds, wire=wire) as world:
        told, refused = world.stream()

        assert isinstance(refused, Refused)
        assert (told, refused.status, refused.code) == ([], status, code)
        assert world.fallback.requests == []
        assert world.rests() == "nothing"
