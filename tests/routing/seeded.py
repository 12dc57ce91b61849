"""The seeds' table with every provider simulated, and a key to call with."""

import pytest

from routing import clients, document, snapshot
from routing.audit import SYSTEM
from routing.terms.words import Scope


@pytest.fixture
def seeded(db: None) -> str:
    """A key with all scopes of a client on the seeds' table."""
    document.load_seed()
    document.apply_environment()
    key = clients.create_key("ci", by=SYSTEM, scopes=tuple(Scope)).key
    snapshot.load_now()
    return key
