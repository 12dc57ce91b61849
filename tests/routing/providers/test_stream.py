"""A streamed answer: one lifecycle whose pieces add up to the whole answer, and every fault raised, never swallowed."""

from dataclasses import replace

import pytest

from routing.terms.event import Event, StreamEnd, StreamStart, TextDelta, ThinkingDelta, ToolCallDelta
from routing.terms.fault import Failed
from routing.terms.request import Timeouts
from routing.terms.words import ErrorKind
from tests import doubles
from tests.doubles import script
from tests.routing.providers.conftest import REQUEST, ROOMY, patience

WHOLE = script.answer(
    "It works very well.",
    thinking="Let me see.",
    tool_calls=(("weather", {"city": "Paris"}), ("time", {"zone": "UTC"})),
    finish="tool_calls",
    read=1000,
    cached=900,
    written=50,
)


async def streamed(wire, double, timeouts: Timeouts = ROOMY, into: list[Event] | None = None) -> list[Event]:
    into = [] if into is None else into
    async for event in wire.adapter.stream(wire.endpoint(double), REQUEST, timeouts):
        into.append(event)
    return into


async def test_the_pieces_add_up_to_the_answer_that_comes_whole(wire):
    async with doubles.provider(WHOLE, WHOLE) as double:
        first, *deltas, last = await streamed(wire, double)
        whole = await wire.complete(double)

    assert (first.served_model, first.provider_request_id) == (whole.served_model, whole.provider_request_id)
    assert last == StreamEnd(replace(whole, tool_calls=last.answer.tool_calls))
    assert [(call.name, call.arguments) for call in last.answer.tool_calls] == [
        ("weather", {"city": "Paris"}),
        ("time", {"zone": "UTC"}),
    ]
    assert "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)) == "It works very well."
    assert "".join(delta.text for delta in deltas if isinstance(delta, ThinkingDelta)) == "Let me see."
    calls = [delta for delta in deltas if isinstance(delta, ToolCallDelta)]
    assert [call.name for call in calls if call.name] == ["weather", "time"]
    assert "".join(call.arguments for call in calls if call.index == 1) == '{"zone": "UTC"}'


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        pytest.param(script.rate_limited("7"), ErrorKind.RATE_LIMIT, id="429"),
        pytest.param(script.error(529), ErrorKind.SERVER, id="529"),
        pytest.param(script.stalls(before_headers=True), ErrorKind.TIMEOUT, id="stall before headers"),
        pytest.param(script.stalls(), ErrorKind.TIMEOUT, id="stall before the first event"),
        pytest.param(script.stalls(after=4), ErrorKind.TIMEOUT, id="stall in the middle"),
        pytest.param(script.disconnects(after=0), ErrorKind.TRUNCATED, id="disconnect before the first event"),
        pytest.param(script.disconnects(after=4), ErrorKind.TRUNCATED, id="disconnect in the middle"),
        pytest.param(script.malformed(), ErrorKind.MALFORMED, id="an event that is no JSON"),
        pytest.param(script.cut_short(), ErrorKind.TRUNCATED, id="an end in order, too early"),
        pytest.param(script.no_finish(), ErrorKind.TRUNCATED, id="no finish reason"),
    ],
)
async def test_a_broken_stream_is_raised_and_met_once(wire, act, kind):
    events: list[Event] = []
    async with doubles.provider(act) as double:
        with pytest.raises(Failed) as failed:
            await streamed(wire, double, patience(kind), into=events)

        assert failed.value.fault.kind is kind
        assert not any(isinstance(event, StreamEnd) for event in events)
        assert len(double.requests) == 1


async def test_a_reader_that_leaves_ends_the_providers_work(wire):
    async with doubles.provider(script.stalls(after=4)) as double:
        stream = wire.adapter.stream(wire.endpoint(double), REQUEST, Timeouts())
        assert isinstance(await anext(stream), StreamStart)
        await stream.aclose()
        await double.until(lambda: double.cancelled == 1)


async def test_a_line_of_the_stream_ends_at_a_newline_and_nothing_else(wire):
    text = "one\u2028two\x85three\u2029four\x1cfive Zürich"  # all but the last end a line in Python, none in a stream of events
    async with doubles.provider(script.answer(text)) as double:
        *_, last = await streamed(wire, double)

    assert last.answer.output == text


async def test_usage_is_asked_for(wire):
    async with doubles.provider(WHOLE) as double:
        *_, last = await streamed(wire, double)

    assert last.answer.usage.input_tokens == 1000
    assert last.answer.usage.cache_read_tokens == 900
    assert last.answer.usage.output_tokens == 50
