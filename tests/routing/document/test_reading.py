"""A file's text: what is no JSON, and whatever JSON there may be."""

import contextlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routing import document

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "text",
    ["", "{", '{"a": NaN}', '{"a": 1, "a": 2}', "[" * 100_000, '{"a": ' + "9" * 5000 + "}", b"\xff\xfe{}"],
    ids=["empty", "open", "NaN", "twins", "deep", "long number", "no UTF-8"],
)
def test_what_is_no_json_is_said_to_be_none(text: str | bytes) -> None:
    with pytest.raises(document.Invalid):
        document.read(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["slug", "provider", "steps", "task_type", "price", "aliases", "kind", "upstream_id", "windows"]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(["providers", "models", "routes", "quotas", "budgets", "credentials", "rules"]),
        st.lists(st.dictionaries(FIELDS, JSON, max_size=4), max_size=2) | JSON,
        max_size=3,
    )
)
def test_whatever_is_loaded_is_published_or_refused_never_an_error(small: None, raw: dict[str, Any]) -> None:
    with contextlib.suppress(document.Invalid):
        document.preview(raw)
