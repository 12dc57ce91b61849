"""What one provider's wire needs otherwise: from the document to the adapter."""

import pytest

from routing import changes, document, snapshot
from routing.audit import SYSTEM
from tests.routing.seeded import seeded  # noqa: F401

OPTIONS = {"headers": {"X-Title": "Cortex"}, "max_tokens_field": "max_completion_tokens", "stream_usage": False}


def publish(options):
    changes.publish(
        {"providers": [{"slug": "gemini", "options": options}]}, by=SYSTEM, reason="its wire", source="load"
    )


@pytest.mark.usefixtures("seeded")
def test_a_providers_options_reach_every_endpoint_of_it():
    publish(OPTIONS)
    known = snapshot.load_now()
    assert known.endpoints["gemini", None].options == OPTIONS
    assert known.endpoints["openai", None].options == {}


@pytest.mark.usefixtures("seeded")
def test_options_are_dumped_and_loaded_again_without_a_change():
    publish(OPTIONS)
    dumped = next(part for part in document.dump()["providers"] if part["slug"] == "gemini")
    assert {name: value for name, value in dumped["options"].items() if value is not None} == OPTIONS
    assert not document.load(document.dump(), by=SYSTEM).is_new


@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"headers": {"Authorization": "Bearer x"}}, "may carry a secret"),
        ({"headers": {"X-Api-Key": "x"}}, "may carry a secret"),
        ({"headers": {"Host": "elsewhere"}}, "set by the connection"),
        ({"headers": {"X-Title": "a\r\nHost: b"}}, "options.headers"),
        ({"max_token": 5}, r"options\.max_token"),
        ({"thinking": "hard"}, r"options\.thinking"),
    ],
)
def test_an_option_that_no_adapter_reads_or_that_could_hold_a_secret_is_refused(options, path):
    with pytest.raises(document.Invalid, match=path):
        document.load({"providers": [{"slug": "gemini", "options": options}]}, by=SYSTEM)
