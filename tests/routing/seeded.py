"""The seeds' table, as a new installation has it, and a key to call with."""

import pytest

from routing import clients, document, snapshot
from routing.audit import SYSTEM
from routing.terms.words import Scope
from tests.remembered import remembered


def load_seed() -> None:
    """The seeds' table, its providers neither real nor simulated."""
    remembered("seed", lambda: _load(simulated=False))


def load_simulated() -> None:
    """The seeds' table with every provider simulated."""
    remembered("simulated seed", lambda: _load(simulated=True))


def _load(*, simulated: bool) -> None:
    document.load_seed()
    if simulated:
        document.apply_environment()


@pytest.fixture
def seeded(db: None) -> str:
    """A key with all scopes of a client on the seeds' table, simulated."""
    key = remembered("simulated seed and a key", _seed_and_key)
    snapshot.load_now()
    return key


def _seed_and_key() -> str:
    _load(simulated=True)
    return clients.create_key("ci", by=SYSTEM, scopes=tuple(Scope)).key
