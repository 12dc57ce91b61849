import pytest

from routing import document
from routing.audit import SYSTEM
from tests.routing.document.tables import SMALL
from tests.routing.seeded import load_seed


@pytest.fixture
def small(db: None) -> None:
    document.load(SMALL, by=SYSTEM)


@pytest.fixture
def seed(db: None) -> None:
    load_seed()
