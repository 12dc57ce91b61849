"""A body of JSON and the places of its fields."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.wire.body import Body, NoObject

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    fields=st.dictionaries(st.text(), VALUES, max_size=5),
    indent=st.sampled_from([None, 2]),
    ascii=st.booleans(),
    separators=st.sampled_from([None, (",", ":"), (", ", ": "), (" ,", " :"), (",", ": ")]),
)
def test_every_body_reads_as_json_does_and_each_field_stands_where_it_is_said_to(fields, indent, ascii, separators):
    text = json.dumps(fields, indent=indent, ensure_ascii=ascii, separators=separators)
    raw = text.encode("utf-8", "surrogatepass")
    body = Body(raw)

    assert body.fields == json.loads(text)
    assert body.spans is not None
    assert {
        name: json.loads(raw[begin:end].decode("utf-8", "surrogatepass")) for name, (begin, end) in body.spans.items()
    } == body.fields


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b" ", b"{", b'{"a"', b'{"a":', b'{"a":1', b'{"a":1,', b'{"a":1,}', b"{,}", b"{1:2}", b'{"a" 1}'),
        *(b'{"a":1 "b":2}', b'{"a":NaN}', b'{"a":Infinity}', b"{}{}", b'{"a":1}x', b"{'a':1}", b"\xff\xfe", b"nul"),
    ],
)
def test_what_json_refuses_is_refused(raw):
    with pytest.raises(ValueError):
        Body(raw)


@pytest.mark.parametrize("raw", [b"[]", b"7", b'"text"', b"null"])
def test_json_that_is_no_object_is_told_apart(raw):
    with pytest.raises(NoObject):
        Body(raw)


@pytest.mark.parametrize("name", ['"a"', '"\\u0061"'])
def test_a_name_that_stands_twice_has_no_place(name):
    body = Body(b'{"a": 1, ' + name.encode() + b": 2}")
    assert (body.fields, body.spans) == ({"a": 2}, None)


@pytest.mark.parametrize(
    "text",
    [
        # A second model whose length makes up for blanks that are not there.
        '{"model":"cheap","a":1,"b":2,"c":3,"d":4,"model":"x"}',
        '{"a":1,"b":2,"c":3,"d":4,"e":5,"model":"cheap","model":"dear"}',
        '{"model": "cheap", "mod\\u0065l": "dear"}',
        '{"model":"cheap","n":{"model":"x"},"model":"dear"}',
    ],
)
def test_no_second_model_hides_behind_a_length(text):
    body = Body(text.encode())
    assert body.spans is None
    assert body.fields == json.loads(text)
