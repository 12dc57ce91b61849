"""The error table of the capabilities, row by row."""

import pytest

from routing.policy.errors import Consequence, Next, Rests, consequence, cooldown_of
from routing.terms.fault import Fault
from routing.terms.words import ErrorKind

ANY_CIRCUIT = Consequence(Next.ANY, Rests.CIRCUIT)
ANY_COOLDOWN = Consequence(Next.ANY, Rests.COOLDOWN)
CALLERS = Consequence(Next.NONE, Rests.NOTHING)


@pytest.mark.parametrize(
    ("kind", "retry_after_s", "expected"),
    [
        (ErrorKind.CONNECT, None, ANY_CIRCUIT),
        (ErrorKind.TIMEOUT, None, ANY_CIRCUIT),
        (ErrorKind.RATE_LIMIT, None, ANY_COOLDOWN),
        (ErrorKind.RATE_LIMIT, 7.0, ANY_COOLDOWN),
        (ErrorKind.SERVER, None, ANY_CIRCUIT),
        (ErrorKind.SERVER, 7.0, ANY_COOLDOWN),
        (ErrorKind.MALFORMED, None, ANY_CIRCUIT),
        (ErrorKind.TRUNCATED, None, ANY_CIRCUIT),
        (ErrorKind.AUTH, None, Consequence(Next.ANY, Rests.NOT_READY)),
        (ErrorKind.PAYMENT, None, Consequence(Next.ANY, Rests.CREDENTIAL)),
        (ErrorKind.CLIENT, None, CALLERS),
        (ErrorKind.CLIENT, 7.0, CALLERS),
        (ErrorKind.CONTENT_POLICY, None, CALLERS),
        (ErrorKind.CONTEXT_WINDOW, None, Consequence(Next.LARGER_WINDOW, Rests.NOTHING)),
        (ErrorKind.CANCELLED, None, CALLERS),
        (ErrorKind.DEADLINE, None, CALLERS),
        (ErrorKind.CONFIG, None, Consequence(Next.ANY, Rests.NOTHING)),
    ],
)
def test_what_follows_from_a_fault(kind, retry_after_s, expected):
    assert consequence(Fault(kind, "", retry_after_s=retry_after_s)) == expected


def test_every_kind_of_error_has_its_row():
    assert all(consequence(Fault(kind, "")) for kind in ErrorKind)


@pytest.mark.parametrize(
    ("asked", "route_s", "rest"),
    [
        pytest.param(None, 300.0, 300.0, id="the route's, when nothing is asked"),
        pytest.param(600.0, 300.0, 600.0, id="what was asked"),
        pytest.param(5.0, 300.0, 5.0, id="also when it is shorter"),
        pytest.param(86_400.0, 300.0, 3600.0, id="an hour at most"),
        pytest.param(-3.0, 300.0, 0.0, id="never in the past"),
    ],
)
def test_how_long_a_cooldown_lasts(asked, route_s, rest):
    assert cooldown_of(Fault(ErrorKind.RATE_LIMIT, "", retry_after_s=asked), route_s) == rest
