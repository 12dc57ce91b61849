"""The seeds' table, and dispatch over adapters that play a script."""

import pytest

from routing import snapshot
from tests.routing.capabilities.seeds import Seeds
from tests.routing.dispatching import World, world
from tests.routing.seeded import seeded  # noqa: F401


@pytest.fixture
def seeds(seeded: str) -> Seeds:  # noqa: F811
    return Seeds(seeded)


@pytest.fixture
def scripted(seeds: Seeds, monkeypatch: pytest.MonkeyPatch) -> World:
    """Dispatch on the seeds' table; what each model answers is the test's to say."""
    made = world(monkeypatch)
    made.know(snapshot.load_now().table)
    return made
