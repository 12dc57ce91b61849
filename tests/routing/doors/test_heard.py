"""A body that was heard is gone with its call."""

import gc
import json

import pytest

from routing.doors.heard import Heard
from routing.terms.raw import Raw
from routing.wire.body import Body
from tests.cortex.test_asgi import Exchange
from tests.routing.seeded import seeded  # noqa: F401

HOLDING = (Heard, Body, Raw)


def _held() -> int:
    return sum(type(each) in HOLDING for each in gc.get_objects())


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/responses"])
async def test_a_body_does_not_wait_for_the_collector(seeded: str, path: str, stream: bool) -> None:  # noqa: F811
    """A worker collects every 50,000 objects: some thousand calls, each with a conversation of half a megabyte."""
    said = {"model": "task:coding", "stream": stream}
    said |= (
        {"input": "hi", "store": False}
        if path.endswith("responses")
        else {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 50}
    )
    gc.collect()
    gc.disable()
    try:
        before = _held()
        for _ in range(3):
            found = await Exchange("POST", path, json.dumps(said).encode(), [(b"x-cortex-key", seeded.encode())]).run()
            assert found.status == 200
        assert _held() == before
    finally:
        gc.enable()
