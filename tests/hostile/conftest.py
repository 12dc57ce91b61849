"""The seeds' table, simulated, with a key that may everything: what a stranger or a hurried person then sends."""

import pytest
from asgiref.sync import sync_to_async

from routing import snapshot
from tests.hostile.front import Request, answers
from tests.routing.conftest import _as_a_new_process  # noqa: F401
from tests.routing.seeded import seeded  # noqa: F401


class Api:
    """The API with a good key."""

    def __init__(self, key: str) -> None:
        self.key = (b"x-cortex-key", key.encode())

    def ask(self, method: str, target: bytes | str, body: bytes | None = None, *headers: tuple[bytes, bytes]):  # type: ignore[no-untyped-def]
        raw = target if isinstance(target, bytes) else target.encode()
        sent = headers if body is None else ((b"content-type", b"application/json"), *headers)
        return answers([Request(method, b"/api/v1" + raw, (self.key, *sent), (body or b"",))])[0]


@pytest.fixture
def api(seeded: str, monkeypatch: pytest.MonkeyPatch) -> Api:  # noqa: F811
    for module in ("callers", "api.dispatch"):  # the connection is the test's
        monkeypatch.setattr(f"routing.{module}.close_old_connections", lambda: None)
    monkeypatch.setattr("routing.idempotency.rows.close_old_connections", lambda: None)
    monkeypatch.setattr("routing.doors.claiming.in_thread", lambda work, *given: sync_to_async(work)(*given))
    snapshot.fresh()
    return Api(seeded)
