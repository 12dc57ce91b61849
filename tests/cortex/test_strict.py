"""What a stranger may send as JSON, and what is said to it."""

import pytest

from cortex.strict import Malformed, loads


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        pytest.param(b'{"a": NaN}', "NaN is not a JSON number", id="nan"),
        pytest.param(b"[-Infinity]", "-Infinity is not a JSON number", id="infinity"),
        pytest.param(b'{"a": 1, "a": 2}', "'a' stands twice", id="duplicate key"),
        pytest.param(b'["\\u0000"]', "NUL", id="nul"),
        pytest.param(b'{"\\ud800": 1}', "surrogate", id="lone surrogate in a key"),
        pytest.param(b'["\\udc00x"]', "surrogate", id="lone low surrogate"),
        pytest.param(b"[" * 100_000, "nested too deeply", id="deep nesting"),
        pytest.param(b'{"a":' * 100_000, "nested too deeply", id="deep objects"),
        pytest.param(b"[" + b"9" * 5_000 + b"]", "not JSON", id="a number of 5,000 digits"),
        pytest.param(b"\xff\xfe\xfa", "not UTF-8", id="bytes"),
        pytest.param('{"a": "\\u0000"}'.encode("utf-16"), "not UTF-8", id="UTF-16"),
        pytest.param('{"a": 1}'.encode("utf-16-le"), "not JSON", id="UTF-16 without its mark"),
        pytest.param(b"{", "not JSON", id="cut short"),
        pytest.param(b"", "not JSON", id="nothing"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_the_reason(raw: bytes, complaint: str) -> None:
    with pytest.raises(Malformed, match=complaint):
        loads(raw)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        pytest.param(b'{"a": [1, 2.5, null, true]}', {"a": [1, 2.5, None, True]}, id="ordinary"),
        pytest.param(b'["\\ud83d\\ude00"]', ["\U0001f600"], id="a whole surrogate pair"),
        pytest.param(b'\xef\xbb\xbf["a"]', ["a"], id="a byte order mark of UTF-8"),
        pytest.param(b'["\\\\u0000"]', ["\\u0000"], id="an escaped backslash before u0000"),
    ],
)
def test_what_is_json_is_read(raw: bytes, value: object) -> None:
    assert loads(raw) == value
