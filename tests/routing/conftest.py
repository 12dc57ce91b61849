"""Each test begins as a new process: nothing known of the table, of cooldowns or circuits."""

from collections.abc import Iterator

import pytest

from routing import snapshot


@pytest.fixture(autouse=True)
def _as_a_new_process() -> Iterator[None]:
    snapshot.forget()
    yield
    snapshot.forget()
