"""What holds for all tests."""

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests last: once Playwright has run, its loop stays in the thread, and no other loop can run there. Of them the long one first."""
    items.sort(
        key=lambda item: ("browser" in getattr(item, "fixturenames", ()), item.get_closest_marker("long") is None)
    )
