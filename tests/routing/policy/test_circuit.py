"""The circuit: opens after failures, rests longer each time, closes by a probe's success."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.policy.circuit import Circuit, failed, probing, rest_s, succeeded
from routing.terms.words import CircuitState
from tests.routing.policy.worlds import NOW


def run(outcomes, seconds_apart=0.01):
    """The circuit after these outcomes ("x" a failure, "." a success), one after the other."""
    circuit = Circuit()
    for place, outcome in enumerate(outcomes):
        moment = NOW + timedelta(seconds=place * seconds_apart)
        circuit = failed(circuit, moment, cooldown_s=300, chance=0.0) if outcome == "x" else succeeded(circuit, moment)
    return circuit


@pytest.mark.parametrize(
    ("outcomes", "apart", "is_open"),
    [
        pytest.param("xxxx", 0.01, False, id="four in a row"),
        pytest.param("xxxxx", 0.01, True, id="five in a row"),
        pytest.param("xxxxx", 60, True, id="five in a row, however slowly"),
        pytest.param("xxxx.xxxx", 0.01, False, id="a success between"),
        pytest.param(".x" * 9 + ".", 0.01, False, id="half of 19"),
        pytest.param(".x" * 10, 0.01, True, id="half of 20"),
        pytest.param("..x" * 10, 0.01, False, id="a third of 30"),
        pytest.param(".x" * 20, 2, False, id="half, but only 15 in 30 s"),
    ],
)
def test_when_it_opens(outcomes, apart, is_open):
    assert run(outcomes, apart).is_open is is_open


def test_it_rests_ten_seconds_and_longer_each_time_up_to_the_cooldown():
    assert [rest_s(n, 300) for n in range(1, 8)] == [10, 20, 40, 80, 160, 300, 300]
    assert run("xxxxx").retry_at == NOW + timedelta(seconds=10.04)


def test_a_failed_probe_opens_it_again_for_longer():
    again = failed(probing(run("xxxxx")), NOW, cooldown_s=300, chance=0.0)
    assert (again.state, again.openings, again.retry_at) == (CircuitState.OPEN, 2, NOW + timedelta(seconds=20))


def test_a_late_failure_does_not_extend_the_rest():
    opened = run("xxxxx")
    assert failed(opened, NOW + timedelta(seconds=9), cooldown_s=300, chance=0.0) == opened


def test_the_probes_success_closes_it_and_forgets():
    assert succeeded(probing(run("xxxxx")), NOW) == Circuit()


def test_chance_spreads_the_probes_by_at_most_a_tenth():
    latest = failed(run("xxxx"), NOW, cooldown_s=300, chance=0.999999)
    assert timedelta(seconds=10) < latest.retry_at - NOW <= timedelta(seconds=11)


@given(st.text(alphabet="x.", max_size=200))
def test_an_open_circuit_always_names_its_next_try(outcomes):
    circuit = run(outcomes)
    assert circuit.is_open is (circuit.retry_at is not None)
    assert len(circuit.recent) <= 31
