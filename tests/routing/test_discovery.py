"""Whether a provider answers, over a real server on loopback: what it says, and what a person is told when it says nothing sound."""

import socket

import pytest
from django.test import override_settings

from routing import changes, discovery, document, upstreams
from routing.audit import SYSTEM, Actor
from tests import doubles
from tests.doubles import script

pytestmark = pytest.mark.django_db

TABLE = {
    "providers": [{"slug": "lab", "kind": "openai_compatible", "base_url": "http://127.0.0.1:9/v1"}],
    "credentials": [{"provider": "lab", "secret": "sk-lab-0123456789abcdef"}],
}


@pytest.fixture(autouse=True)
def _table(db: None) -> None:
    document.load(TABLE, by=SYSTEM)


def at(url: str) -> None:
    """Give the provider its address, and its secret for it."""
    edit = {"providers": [{"slug": "lab", "base_url": url}]}
    changes.publish(edit, by=SYSTEM, reason="", source="load")
    document.load({"credentials": TABLE["credentials"]}, by=SYSTEM)


def test_a_provider_that_answers_tells_its_models_and_gets_its_own_credential() -> None:
    with doubles.serve_in_thread() as double:
        double.serves = ("qwen2.5:14b", "nomic-embed-text:latest")
        at(double.openai)
        answered = discovery.ask("lab")
    assert answered.served == ("qwen2.5:14b", "nomic-embed-text:latest")
    assert answered.total_ms > 0
    (seen,) = double.requests
    assert (seen.method, seen.path) == ("GET", "/v1/models")
    assert seen.headers["authorization"] == "Bearer sk-lab-0123456789abcdef"


def test_another_address_is_asked_without_the_stored_secret() -> None:
    with doubles.serve_in_thread() as double:
        discovery.ask("lab", double.openai)
    assert "authorization" not in double.requests[0].headers


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (script.error(401, "invalid_api_key", message="no such key"), "It asks for a key: store it as the secret"),
        (script.error(404, message="page not found"), "Does its address end where its wire begins"),
        (script.malformed(), "Does its address end where its wire begins"),
        (script.error(500, message="out of memory"), "out of memory"),
        (script.redirects("http://169.254.169.254/"), "does not serve a list of models"),
    ],
    ids=["401", "404", "no JSON", "500", "redirect"],
)
def test_what_is_no_answer_is_said_in_a_sentence_with_the_mend(act: doubles.Act, said: str) -> None:
    with doubles.serve_in_thread(then=act) as double:
        at(double.openai)
        with pytest.raises(discovery.Unreachable) as caught:
            discovery.ask("lab")
    assert str(caught.value).startswith(f"{double.openai} does not serve a list of models: ")
    assert said in str(caught.value)
    assert "sk-lab" not in str(caught.value)


def test_a_server_that_is_not_there_is_said_to_be_not_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(discovery.Unreachable, match=r"Is the server running there\?$"):
        discovery.ask("lab", f"http://127.0.0.1:{port}/v1")


def test_an_address_that_may_not_be_called_is_not_called() -> None:
    with (
        doubles.serve_in_thread() as double,
        override_settings(ALLOW_PRIVATE_UPSTREAMS=[]),
        pytest.raises(upstreams.Refused, match=f"CORTEX_ALLOW_PRIVATE_UPSTREAMS=127.0.0.1:{double.port}"),
    ):
        discovery.ask("lab", double.openai)
    assert double.requests == []


def test_what_the_environment_names_as_ollama_is_allowed_with_that(monkeypatch: pytest.MonkeyPatch) -> None:
    with doubles.serve_in_thread() as double, override_settings(ALLOW_PRIVATE_UPSTREAMS=[]):
        monkeypatch.setenv("OLLAMA_BASE_URL", f"127.0.0.1:{double.port}")
        assert discovery.ask("lab", double.openai).served == ("double-1",)
        with pytest.raises(upstreams.Refused):
            discovery.ask("lab", f"http://127.0.0.1:{double.port + 1}/v1")


def test_a_provider_without_an_address_says_so_and_an_unknown_one_too() -> None:
    edit = {"providers": [{"slug": "lab", "base_url": None, "enabled": False}]}
    changes.publish(edit, by=Actor("anna"), reason="", source="console")
    with pytest.raises(discovery.Unreachable, match="lab has no address yet"):
        discovery.ask("lab")
    with pytest.raises(discovery.Unknown):
        discovery.ask("nobody")


def test_a_simulated_provider_answers_and_says_that_it_is_one() -> None:
    document.load({"providers": [{"slug": "made-up", "kind": "simulated"}]}, by=SYSTEM)
    assert discovery.ask("made-up").simulated


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("127.0.0.1:11434", "http://127.0.0.1:11434/v1"),
        ("http://127.0.0.1:11434/", "http://127.0.0.1:11434/v1"),
        (" http://gpu.local:8000/v1/ ", "http://gpu.local:8000/v1"),
        ("https://h.example/openai/v1", "https://h.example/openai/v1"),
    ],
)
def test_an_address_is_kept_as_its_wire_wants_it(text: str, url: str) -> None:
    assert discovery.wire_url(text) == url
