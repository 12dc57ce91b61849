"""Promises of dispatch, each shown over real sockets with counts. A spool and a memory of its own for each test."""

from collections.abc import Iterator

import pytest

from routing import recorder, snapshot
from tests.routing.doors.conftest import address  # noqa: F401


@pytest.fixture(autouse=True)
def _as_a_new_process(settings, tmp_path) -> Iterator[None]:
    settings.DATA_DIR = tmp_path
    recorder.close()
    snapshot.forget()
    yield
    snapshot.stop_background()
    recorder.close()
    snapshot.forget()
