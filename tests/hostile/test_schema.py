"""Cases that schemathesis makes of our own description of the API, sent through the front door."""

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from tests.hostile.conftest import Api
from tests.hostile.front import Answer, Request, answers

AGREED = frozenset(
    {502, 503, 504}
)  # of what has to ask another server, which is cooling, slow or not there: the contract's own
ASKING = (b"/api/v1/dispatch", b"/api/v1/local/", b"/api/v1/providers/", b"/api/v1/credentials/")
MATCH = (b"if-match", b"1")


def cases(mode: GenerationMode) -> st.SearchStrategy[Any]:
    """Any operation of the API with parameters and a body that fit its description, or do not."""
    from cortex.api import api

    schema = schemathesis.openapi.from_dict(json.loads(json.dumps(api.get_openapi_schema())))
    found = [each.ok().as_strategy(generation_mode=mode) for each in schema.get_all_operations()]
    return st.sampled_from(found).flatmap(lambda each: each)


def request_of(case: Any, key: tuple[bytes, bytes]) -> Request:
    sent = case.as_transport_kwargs(base_url="http://127.0.0.1")
    from requests import Request as Ready

    made = Ready(
        **{name: sent[name] for name in ("method", "url", "params", "data", "json", "cookies") if name in sent}
    ).prepare()
    raw = made.body or b""
    headers = [
        (name.lower().encode("latin-1", "replace"), str(value).encode("latin-1", "replace"))
        for name, value in (sent.get("headers") or {}).items()
    ]
    others = [
        pair for pair in headers if pair[0] not in (b"x-cortex-key", b"if-match", b"content-type", b"content-length")
    ]
    kind = (b"content-type", b"application/json")
    return Request(
        made.method or "GET",
        made.path_url.encode(),
        (key, MATCH, kind, *others),
        (raw if isinstance(raw, bytes) else raw.encode(),),
    )


def check(request: Request, answer: Answer) -> None:
    is_agreed = request.target.startswith(ASKING) and answer.status in AGREED
    assert answer.status < 500 or is_agreed, f"{request}: {answer.status} {answer.content[:300]!r}"
    if answer.status >= 400:
        assert answer.error
    else:
        assert answer.status == 204 or answer.kind.startswith(("application/json", "text/csv", "application/x-ndjson"))


def send_all(api: Api, count: int, mode: GenerationMode) -> None:
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=False,
    )
    @seed(20_261_122)
    @given(case=cases(mode))
    def each(case: Any) -> None:
        request = request_of(case, api.key)
        check(request, answers([request])[0])

    each()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_two_hundred_cases_of_each_kind_end_in_an_answer_of_the_contract(api: Api, mode: GenerationMode) -> None:
    send_all(api, 200, mode)
    assert api.ask("GET", "/status").status == 200


@pytest.mark.soak
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_five_thousand_cases_end_in_an_answer_of_the_contract(api: Api, mode: GenerationMode) -> None:
    send_all(api, 2_500, mode)
    assert api.ask("GET", "/status").status == 200
