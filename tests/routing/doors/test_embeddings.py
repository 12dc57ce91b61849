"""Vectors over /v1/embeddings: the official SDK notices nothing, and no chat model is ever asked for them."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import openai
import pytest

from routing import changes, clients, drain, snapshot
from routing.audit import SYSTEM
from routing.models import Attempt, Call
from tests import doubles
from tests.doubles import Double, script

VECTORS = script.embeddings((1, [0.5, 1.0]), (0, [0.25, -1.0]))  # exact in 32 bits
TEXTS = ["Paris", "Rome"]
DOCUMENT = {
    "task_types": [
        {"slug": "vectors", "name": "Vectors", "kind": "embedding"},
        {"slug": "talk", "name": "Talk"},
    ],
    "routes": [
        {"task_type": "vectors", "steps": ["local:small", "cloud:large"]},
        {"task_type": "talk", "steps": ["cloud:words"]},
    ],
}


@contextmanager
def two_embedders(*acts: script.Act, then: tuple[script.Act, ...] = ()) -> Iterator[tuple[Double, Double]]:
    """A provider with an embedding model, one with another and a chat model."""
    with doubles.serve_in_thread(*acts) as one, doubles.serve_in_thread(*then) as two:
        providers = [("local", one), ("cloud", two)]
        document = DOCUMENT | {
            "providers": [
                {"slug": slug, "kind": "openai_compatible", "base_url": f"{double.url}/v1"}
                for slug, double in providers
            ],
            "credentials": [
                {"provider": slug, "name": "main", "kind": "api_key", "secret": "sk-x"} for slug, _ in providers
            ],
            "models": [
                {"provider": "local", "slug": "small", "upstream_id": "embed-small", "kind": "embedding"},
                {"provider": "cloud", "slug": "large", "upstream_id": "embed-large", "kind": "embedding"},
                {"provider": "cloud", "slug": "words", "upstream_id": "talks"},
            ],
        }
        changes.publish(document, by=SYSTEM, reason="two embedders", source="load")
        snapshot.load_now()
        yield one, two


@pytest.fixture
def key(db: None) -> str:
    return clients.create_key("ci", by=SYSTEM).key


@pytest.fixture
def client(address: str, key: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0) as sdk:
        yield sdk


def embed(client: openai.OpenAI, model: str, **more):
    return client.embeddings.with_raw_response.create(model=model, input=TEXTS, **more)


@pytest.mark.parametrize("how", [{}, {"encoding_format": "float"}, {"encoding_format": "base64"}], ids=str)
def test_each_text_gets_its_vector_in_either_encoding(client, how):
    with two_embedders(VECTORS) as (one, _):
        raw = embed(client, "task:vectors", **how)
    answer = raw.parse()

    if how.get("encoding_format") == "base64":  # asked for by the caller, the SDK leaves it packed
        # As numpy packs [0.25, -1] and [0.5, 1] as "<f4".
        assert [each.embedding for each in answer.data] == ["AACAPgAAgL8=", "AAAAPwAAgD8="]
    else:
        assert [each.embedding for each in answer.data] == [[0.25, -1.0], [0.5, 1.0]]
    assert (answer.model, answer.usage.prompt_tokens) == ("task:vectors", 100)
    assert (raw.headers["X-Cortex-Provider"], raw.headers["X-Cortex-Model"]) == ("local", "small")
    assert [(seen.path, seen.body["model"]) for seen in one.requests] == [("/v1/embeddings", "embed-small")]


def test_a_call_is_written_down_as_any_other(client):
    with two_embedders(VECTORS):
        raw = embed(client, "task:vectors", extra_headers={"X-Cortex-Session": "s-1"})
    assert drain.flush()

    call = Call.objects.get(id=raw.headers["X-Cortex-Request-Id"])
    assert (call.task_type, call.wire, call.session, call.status) == ("vectors", "openai_embeddings", "s-1", "ok")
    attempt = Attempt.objects.get(call_id=call.id)
    assert (attempt.served_model, attempt.input_tokens, attempt.output_tokens) == ("embed-small-served", 100, 0)


def test_the_route_falls_back_to_its_other_embedding_model(client):
    with two_embedders(script.error(503), then=(VECTORS,)):
        raw = embed(client, "task:vectors")
    assert (raw.headers["X-Cortex-Model"], raw.headers["X-Cortex-Fallback"]) == ("large", "true")


def test_a_model_named_as_at_its_vendor_serves_itself_and_no_other(client):
    with two_embedders(then=(script.error(503),)) as (one, two), pytest.raises(openai.InternalServerError):
        embed(client, "embed-large")
    assert (len(one.requests), len(two.requests)) == (0, 1)


@pytest.mark.parametrize("name", ["task:talk", "cloud:words", "talks"])
def test_what_answers_in_words_is_refused(client, name):
    with two_embedders() as (one, two), pytest.raises(openai.UnprocessableEntityError) as caught:
        embed(client, name)

    assert caught.value.code == "wrong_kind"
    assert "name task:vectors or an embedding model" in caught.value.body["message"]
    assert not one.requests
    assert not two.requests


def test_no_chat_model_stands_in_when_every_embedding_model_fails(client):
    failing = script.error(503)
    with two_embedders(failing, then=(failing,)) as (_, two), pytest.raises(openai.InternalServerError) as caught:
        embed(client, "task:vectors")
    assert caught.value.status_code == 502
    assert [seen.path for seen in two.requests] == ["/v1/embeddings"]


def test_an_embedding_model_answers_no_chat(client):
    with two_embedders() as (one, _), pytest.raises(openai.UnprocessableEntityError):
        client.chat.completions.create(model="local:small", messages=[{"role": "user", "content": "hello"}])
    assert not one.requests


def test_a_mapping_for_words_does_not_catch_vectors(client):
    with two_embedders(VECTORS):
        rules = [{"requested": "*", "task_type": "talk"}, {"requested": "text-*", "task_type": "vectors"}]
        clients.save_client("ci", {"mode": "route", "mapping": rules}, by=SYSTEM)
        snapshot.load_now()
        raw = embed(client, "text-embedding-3-small")
    assert raw.headers["X-Cortex-Model"] == "small"


def test_a_field_that_no_provider_here_can_be_told_is_refused(client):
    with two_embedders(VECTORS), pytest.raises(openai.UnprocessableEntityError) as caught:
        embed(client, "task:vectors", extra_body={"input_type": "query"})
    assert "cannot carry: field 'input_type'" in caught.value.body["message"]


def test_a_body_that_asks_for_nothing_is_told_where(client):
    with two_embedders(), pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model="task:vectors", input=[])
    assert caught.value.body["param"] == "input"


def test_without_a_provider_vectors_are_simulated_and_texts_alike_are_near(client):
    document = {
        "providers": [{"slug": "none", "kind": "simulated"}],
        "models": [{"provider": "none", "slug": "small", "upstream_id": "embed-small", "kind": "embedding"}],
        "task_types": [{"slug": "vectors", "name": "Vectors", "kind": "embedding"}],
        "routes": [{"task_type": "vectors", "steps": ["none:small"]}],
    }
    changes.publish(document, by=SYSTEM, reason="no provider", source="load")
    snapshot.load_now()
    texts = ["the cat sat on the mat", "the cat lay on the mat", "quarterly revenue grew"]
    cat, cats, revenue = (
        each.embedding
        for each in client.embeddings.create(
            model="vectors-of-any-name", input=texts, dimensions=256, extra_headers={"X-Cortex-Task": "vectors"}
        ).data
    )

    assert len(cat) == 256
    assert math.hypot(*cat) == pytest.approx(1)
    near = sum(a * b for a, b in zip(cat, cats, strict=True))
    far = sum(a * b for a, b in zip(cat, revenue, strict=True))
    assert near > far
