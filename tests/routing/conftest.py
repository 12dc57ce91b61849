"""Each test begins as a new process: nothing known of the table, of cooldowns or circuits."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from routing import recorder, snapshot


@pytest.fixture(autouse=True)
def _as_a_new_process() -> Iterator[None]:
    snapshot.forget()
    yield
    snapshot.forget()


@pytest.fixture
def own_spool(settings: Any, tmp_path: Path) -> Iterator[None]:
    """What the test's calls leave lies in a spool of its own."""
    settings.DATA_DIR = tmp_path
    recorder.close()
    yield
    recorder.close()
