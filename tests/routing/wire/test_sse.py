"""Events of a stream, however their reader finds the lines."""

import json

import pytest

from routing.terms.event import TextDelta
from routing.wire import chat, messages, responses, sse
from tests.routing.wire.answers import PLAIN, streamed

TEXT = "one\u2028two\x85three\u2029four\x1cfive\r\nsix Zürich"


def test_an_event_is_as_many_lines_to_every_reader():
    raw = sse.event({"text": TEXT}, "delta")

    assert raw.decode().splitlines() == raw.decode().split("\n")[:-1]
    head, data, *_ = raw.decode().splitlines()
    assert (head, json.loads(data.removeprefix("data: "))) == ("event: delta", {"text": TEXT})
    assert "Zürich" in data  # and no longer than it must be


def test_half_a_surrogate_pair_harms_nobody():
    assert sse.event({"text": "\ud800"}) == b'data: {"text": "?"}\n\n'


@pytest.mark.parametrize("wire", [chat, responses, messages], ids=lambda wire: wire.__name__.rsplit(".", 1)[-1])
def test_every_wires_stream_is_made_of_them(wire):
    raw = streamed(wire.Stream(), (TextDelta(TEXT), TextDelta("\ud800")), PLAIN).decode()
    assert raw.splitlines() == raw.split("\n")[:-1]
