"""The simulated provider: says so everywhere, and answers the same request the same way."""

import random
from dataclasses import replace

import pytest

from routing.providers.base import Endpoint
from routing.providers.profiles import PROFILES, profile
from routing.providers.simulated import Simulated
from routing.terms.event import StreamEnd, StreamStart, TextDelta
from routing.terms.request import Message, Request, Timeouts
from routing.terms.words import ProviderKind

ENDPOINT = Endpoint(ProviderKind.SIMULATED, "anthropic", "claude-opus-5-5")
REQUEST = Request([Message("user", "Summarise the meeting.")], system="Be brief.")


async def complete(endpoint=ENDPOINT, request=REQUEST):
    return await Simulated().complete(endpoint, request, Timeouts())


async def test_an_answer_says_that_it_is_simulated():
    answer = await complete()

    assert answer.output.startswith("[simulated]")
    assert answer.served_model == "simulated/claude-opus-5-5"
    assert answer.extra == {"simulated": True}
    assert "Summarise" not in answer.output


async def test_the_same_request_gets_the_same_answer():
    assert await complete() == await complete()


@pytest.mark.parametrize(
    ("endpoint", "request_"),
    [
        (replace(ENDPOINT, upstream_id="claude-haiku-5-5"), REQUEST),
        (replace(ENDPOINT, options={"seed": 2}), REQUEST),
        (ENDPOINT, replace(REQUEST, system="Be long.")),
    ],
    ids=["another model", "another seed", "another request"],
)
async def test_anything_else_gets_another(endpoint, request_):
    assert (await complete(endpoint, request_)).output != (await complete()).output


async def test_max_tokens_cuts():
    answer = await complete(request=replace(REQUEST, max_tokens=5))

    assert (answer.stop_reason, answer.usage.output_tokens, len(answer.output)) == ("max_tokens", 5, 20)


async def test_a_bigger_request_reads_more_tokens():
    bigger = replace(REQUEST, messages=[Message("user", "word " * 400)])

    more = (await complete(request=bigger)).usage.input_tokens - (await complete()).usage.input_tokens

    assert more == pytest.approx((2000 - len("Summarise the meeting.")) / 4, abs=1)  # 400 × 5 bytes, four a token


async def test_a_stream_is_the_answer_in_pieces():
    events = [event async for event in Simulated().stream(ENDPOINT, REQUEST, Timeouts())]
    answer = await complete()

    assert isinstance(events[0], StreamStart)
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == answer.output
    assert events[-1] == StreamEnd(answer)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("claude-haiku-5-5", "haiku"),
        ("gemini-3-flash-preview", "gemini-flash"),
        ("gpt-5.2-codex", "codex"),
        ("gpt-4o-mini", "gpt-4o"),
        ("gpt-6-sol", "gpt"),
        ("qwen2.5-coder:14b", "local"),
    ],
)
def test_an_upstream_id_has_the_profile_of_the_name_in_it(name, known):
    assert profile(name) is PROFILES[known]


def test_an_unknown_name_has_an_ordinary_profile_of_its_own():
    assert profile("mystery-1") == profile("mystery-1") != profile("mystery-2")
    assert 0.8 < profile("mystery-1").success < 0.95


def test_the_share_of_good_outputs_is_the_profiles():
    rng = random.Random(7)
    calls = [profile("haiku").draw("meeting_summary", rng) for _ in range(4000)]

    # .70 × (1 − .004) = .697; four standard errors of 4,000 draws are .029
    assert sum(call.success for call in calls) / 4000 == pytest.approx(0.697, abs=0.029)
    assert not any(call.success for call in calls if call.failed)
    assert all(call.ttft_ms <= call.total_ms for call in calls)
