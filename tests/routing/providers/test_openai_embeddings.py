"""Embeddings: what is sent, and that each input gets its own vector or the attempt has failed."""

from dataclasses import replace

import pytest

from routing.providers.base import Endpoint
from routing.providers.openai import OpenAI
from routing.terms.embedding import Embedded, EmbeddingRequest
from routing.terms.fault import Failed
from routing.terms.request import Usage
from routing.terms.words import ErrorKind, ProviderKind
from tests import doubles
from tests.doubles import script
from tests.routing.providers.conftest import ROOMY

ENDPOINT = Endpoint(ProviderKind.OPENAI_COMPATIBLE, "local", "nomic-embed-text")
TEXTS = EmbeddingRequest(("Paris", "Rome"))


async def embed(request, *acts):
    async with doubles.provider(*acts) as double:
        endpoint = replace(ENDPOINT, base_url=double.openai)
        return await OpenAI().embed(endpoint, request, ROOMY), double.requests[0]


async def test_each_input_gets_its_vector_in_the_order_of_the_inputs():
    act = script.embeddings((1, [0.5, 1]), (0, [0.25, -1.0]))
    answer, seen = await embed(replace(TEXTS, dimensions=2), act)

    assert (seen.path, seen.body) == (
        "/v1/embeddings",
        {"model": "nomic-embed-text", "input": ["Paris", "Rome"], "encoding_format": "float", "dimensions": 2},
    )
    usage = Usage(input_tokens=100)
    assert answer == Embedded(((0.25, -1.0), (0.5, 1)), "nomic-embed-text-served", usage, "req_double")


async def test_tokens_go_out_as_they_are():
    _, seen = await embed(EmbeddingRequest(((1, 2, 3),)), script.embeddings((0, [0.5])))
    assert seen.body["input"] == [[1, 2, 3]]
    assert "dimensions" not in seen.body


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(script.embeddings((0, [0.5])), id="one for two"),
        pytest.param(script.embeddings((0, [0.5]), (0, [0.5])), id="one twice"),
        pytest.param(script.embeddings((0, [0.5]), (1, [])), id="empty"),
        pytest.param(script.embeddings((0, [0.5]), (1, "AAAA")), id="not a list"),
        pytest.param(script.embeddings((0, [0.5]), (1, [float("nan")])), id="not a number"),
        pytest.param(script.answer(), id="a completion"),
    ],
)
async def test_an_answer_that_lacks_a_vector_is_malformed(act):
    with pytest.raises(Failed) as failed:
        await embed(TEXTS, act)
    assert failed.value.fault.kind is ErrorKind.MALFORMED
