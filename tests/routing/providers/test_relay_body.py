"""What is changed in a relayed body, and that nothing else is."""

import json
from typing import Any

import pytest

from routing.providers.base import Endpoint
from routing.providers.relay_body import adds_usage, body_of
from routing.terms.raw import Raw
from routing.terms.words import ProviderKind
from routing.wire.body import Body


def sent(text: str, wire: str = "openai_chat", **more: Any) -> str:
    body = Body(text.encode())
    endpoint = Endpoint(ProviderKind.OPENAI, "openai", 'gpt-6 "sol"', **more)
    raw = Raw(wire, body.raw, body.spans, lambda: body.fields)
    return body_of(raw, endpoint, adds=adds_usage(raw, endpoint)).decode()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('{"model":"a"}', r'{"model":"gpt-6 \"sol\""}'),
        (
            '{ "x": 1.50, "model" : "a" , "tools": [{"model": "a"}] }\n',
            r'{ "x": 1.50, "model" : "gpt-6 \"sol\"" , "tools": [{"model": "a"}] }' + "\n",
        ),
        (
            '{"stream": true, "model": "a", "z": "}"}',
            r'{"stream": true, "model": "gpt-6 \"sol\"", "z": "}","stream_options": {"include_usage": true}}',
        ),
        (
            '{"stream": true, "stream_options": {"include_usage": true, "o": 1}, "model": "a"}',
            r'{"stream": true, "stream_options": {"include_usage": true, "o": 1}, "model": "gpt-6 \"sol\""}',
        ),
        (
            '{"stream": true, "stream_options": {"o": 1}, "model": "a"}',
            r'{"stream": true, "stream_options": {"o": 1, "include_usage": true}, "model": "gpt-6 \"sol\""}',
        ),
        (
            '{"stream": true, "stream_options": null, "model": "a"}',
            r'{"stream": true, "stream_options": {"include_usage": true}, "model": "gpt-6 \"sol\""}',
        ),
    ],
    ids=["the model", "the model alone", "usage is added", "usage was asked for", "other options stay", "null"],
)
def test_only_what_must_be_is_changed(written, expected):
    assert sent(written) == expected


def test_a_server_that_refuses_stream_options_gets_none():
    assert "stream_options" not in sent('{"stream": true, "model": "a"}', options={"stream_usage": False})


def test_no_more_is_asked_for_than_the_model_writes():
    assert json.loads(sent('{"model": "a", "max_tokens": 64000}', max_output_tokens=8192))["max_tokens"] == 8192
    assert json.loads(sent('{"model": "a", "max_tokens": 100}', max_output_tokens=8192))["max_tokens"] == 100
