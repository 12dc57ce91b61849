"""Streams through the official SDKs: before the first content a fallback is invisible, after it nobody finishes another's sentence."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import anthropic
import openai
import pytest

from routing import clients, snapshot
from routing.audit import SYSTEM
from routing.terms.words import ProviderKind
from tests import doubles
from tests.doubles import Act, Double, script
from tests.routing.two_providers import ANTHROPIC, OPENAI, publish

pytestmark = pytest.mark.django_db
SAID = [{"role": "user", "content": "Say it."}]
FIRST, SECOND = "Alpha beta gamma delta epsilon.", "Uno dos tres cuatro cinco."


@dataclass
class Seen:
    """What an SDK made of a stream."""

    text: str = ""
    begun: int = 0  # lifecycles
    ended: int = 0
    error: Exception | None = None


def chat(address: str, key: str, seen: Seen) -> None:
    ids = set()
    with openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0) as sdk:
        for chunk in sdk.chat.completions.create(model="task:talk", messages=SAID, stream=True):
            ids.add(chunk.id)
            seen.begun = len(ids)
            for choice in chunk.choices:
                seen.text += choice.delta.content or ""
                seen.ended += choice.finish_reason is not None


def responses(address: str, key: str, seen: Seen) -> None:
    with openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0) as sdk:
        for event in sdk.responses.create(model="task:talk", input="Say it.", stream=True):
            seen.begun += event.type == "response.created"
            seen.ended += event.type in ("response.completed", "response.failed", "response.incomplete")
            if event.type == "response.output_text.delta":
                seen.text += event.delta
            if event.type in ("error", "response.failed"):
                raise RuntimeError(event.type)


def messages(address: str, key: str, seen: Seen) -> None:
    with anthropic.Anthropic(base_url=address, api_key=key, max_retries=0) as sdk:
        for event in sdk.messages.create(model="task:talk", max_tokens=50, messages=SAID, stream=True):
            seen.begun += event.type == "message_start"
            seen.ended += event.type == "message_stop"
            if event.type == "content_block_delta":
                seen.text += event.delta.text


READERS = {"chat": chat, "responses": responses, "messages": messages}
KINDS = {"anthropic first": (ANTHROPIC, OPENAI), "openai first": (OPENAI, ANTHROPIC)}


@pytest.fixture(params=READERS.values(), ids=READERS)
def read(request: pytest.FixtureRequest, address: str) -> Callable[[], Seen]:
    key = clients.create_key("ci", by=SYSTEM).key

    def reading() -> Seen:
        seen = Seen()
        try:
            request.param(address, key, seen)
        except Exception as error:  # noqa: BLE001 - which one is the test's to say
            seen.error = error
        return seen

    return reading


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def kinds(request: pytest.FixtureRequest) -> tuple[ProviderKind, ProviderKind]:
    return request.param


@contextmanager
def routed(kinds: tuple[ProviderKind, ProviderKind], act: Act) -> Iterator[tuple[Double, Double]]:
    sound = script.answer(SECOND)
    with doubles.serve_in_thread(act) as one, doubles.serve_in_thread(sound) as two:
        publish([(kinds[0], one.url), (kinds[1], two.url)])
        snapshot.load_now()
        yield one, two


@pytest.mark.parametrize("after", [0, 1], ids=["before any event", "after the lifecycle's first event"])
def test_before_the_first_content_the_sdk_sees_one_sound_stream_of_the_fallback(read, kinds, after):
    broken = script.disconnects(after=after)
    with routed(kinds, Act(**{**vars(broken), "text": FIRST})) as (one, two):
        seen = read()
    assert (seen.error, seen.text, seen.begun, seen.ended) == (None, SECOND, 1, 1)
    assert (len(one.requests), len(two.requests)) == (1, 1)


def test_after_the_first_content_the_sdk_sees_what_came_and_one_error(read, kinds):
    broken = script.disconnects(after=5)
    with routed(kinds, Act(**{**vars(broken), "text": FIRST})) as (one, two):
        seen = read()
    assert seen.error is not None
    assert seen.text
    assert FIRST.startswith(seen.text), "each word once, and no word of another"
    assert seen.begun == 1
    assert (len(one.requests), len(two.requests)) == (1, 0)
