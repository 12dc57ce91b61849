"""OpenAI's Embeddings: bodies are read, and the openai SDK reads what is written."""

import pytest
from openai.types import CreateEmbeddingResponse

from routing.terms.embedding import Embedded, EmbeddingRequest
from routing.terms.request import Usage
from routing.wire import embeddings
from routing.wire.base import Unreadable
from tests.routing.wire.sdks import openai_client

# exact in 32 bits
VECTORS = Embedded(((0.5, -1.0), (0.25, 3.0)), "served", Usage(input_tokens=7))


@pytest.mark.parametrize(
    ("given", "inputs"),
    [
        ("Paris", ("Paris",)),
        (["Paris", "Rome"], ("Paris", "Rome")),
        ([1, 2, 3], ((1, 2, 3),)),
        ([[1, 2], [3]], ((1, 2), (3,))),
    ],
)
def test_inputs_of_every_form(given, inputs):
    asked = embeddings.read({"model": "task:embed", "input": given, "dimensions": 256, "user": "u"})

    assert asked.request == EmbeddingRequest(inputs, 256)
    assert (asked.model, asked.encoding, asked.needs) == ("task:embed", "float", frozenset())


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"input": None}, "input"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": ["a", 1]}, "input.1"),
        ({"input": [[1], "a"]}, "input.1"),
        ({"input": [[]]}, "input.0"),
        ({"input": [True]}, "input.0"),
        ({"model": ""}, "model"),
        ({"encoding_format": "hex"}, "encoding_format"),
        ({"dimensions": 0}, "dimensions"),
    ],
)
def test_what_is_wrong_is_said_with_its_path(fields, path):
    with pytest.raises(Unreadable) as unreadable:
        embeddings.read({"model": "m", "input": "a"} | fields)
    assert unreadable.value.path == path


def test_an_unknown_field_is_a_need():
    assert embeddings.read({"model": "m", "input": "a", "input_type": "query"}).needs == {"field 'input_type'"}


def test_a_whole_answer():
    body = embeddings.answer(VECTORS, "task:embed")
    answer = CreateEmbeddingResponse.model_validate(body, strict=True)

    assert [item.embedding for item in answer.data] == [[0.5, -1.0], [0.25, 3.0]]
    assert (answer.model, answer.usage.prompt_tokens, answer.usage.total_tokens) == ("task:embed", 7, 7)


def test_the_sdk_asks_for_base64_and_unpacks_it():
    client = openai_client(embeddings.answer(VECTORS, "task:embed", "base64"))
    answer = client.embeddings.create(model="task:embed", input=["a", "b"])

    assert [item.embedding for item in answer.data] == [[0.5, -1.0], [0.25, 3.0]]


def test_an_error():
    assert embeddings.error(400, "", "must not be empty", details={"path": "input"}) == {
        "error": {"message": "must not be empty", "type": "invalid_request_error", "param": "input", "code": None}
    }
