"""No client names an upstream, and no address of the corpus is connected to: whatever a call says, only the table's providers are asked."""

import asyncio
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from routing import clients, recorder, snapshot
from routing.audit import SYSTEM
from routing.models import Provider
from routing.providers.registry import close_all
from routing.terms.words import Scope
from tests import doubles
from tests.cortex.test_asgi import Exchange
from tests.doubles import Double
from tests.routing.doors.asking import DOORS
from tests.routing.test_upstreams import CORPUS
from tests.routing.two_providers import ANTHROPIC, OPENAI, publish

pytestmark = pytest.mark.django_db
# What other gateways, SDKs and proxies take an upstream from; TRAP stands for its address.
NAMES = (
    *("base_url", "baseURL", "api_base", "api_url", "api_host", "endpoint", "url", "upstream", "upstream_url", "host"),
    *("proxy", "azure_endpoint", "custom_llm_provider", "router", "callback_url", "webhook", "override", "model"),
)
FIELDS: dict[str, Any] = dict.fromkeys(NAMES, "TRAP") | {
    "provider": {"base_url": "TRAP", "order": ["TRAP"]},
    "proxies": {"http": "TRAP", "https": "TRAP"},
    "extra_body": {"base_url": "TRAP"},
    "extra_headers": {"Host": "TRAP"},
    "litellm_params": {"api_base": "TRAP"},
    "config": {"providers": [{"base_url": "TRAP"}]},
    "options": {"base_url": "TRAP"},
    "credentials": {"secret": "sk", "base_url": "TRAP"},
    "fallbacks": [{"model": "x", "api_base": "TRAP"}],
}
HEADERS = (
    *("Host", "Forwarded", "X-Forwarded-Host", "X-Forwarded-Server", "X-Original-URL", "X-Rewrite-URL", "X-Host", "Via"),
    *("X-Cortex-Base-Url", "X-Cortex-Upstream", "X-Cortex-Override", "X-Base-Url", "X-Upstream", "X-Target-Url", "Location"),
    *("Helicone-Target-Url", "X-Portkey-Custom-Host", "OpenAI-Base-Url", "Anthropic-Base-Url", "Proxy", "Referer"),
)  # fmt: skip


@pytest.fixture
def key(settings, tmp_path) -> Iterator[str]:
    settings.DATA_DIR = tmp_path
    recorder.close()
    snapshot.forget()
    yield clients.create_key("ci", by=SYSTEM, scopes=tuple(Scope)).key
    recorder.close()
    snapshot.forget()


@pytest.fixture
def providers(key: str) -> Iterator[tuple[Double, Double]]:
    with doubles.serve_in_thread() as one, doubles.serve_in_thread() as two:
        publish([(ANTHROPIC, one.url), (OPENAI, two.url)])
        snapshot.load_now()
        yield one, two


@pytest.fixture
def trap() -> Iterator[socket.socket]:
    """Listens, and nobody is to come."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.setblocking(False)
        yield made


def is_untouched(trap: socket.socket) -> bool:
    try:
        trap.accept()[0].close()
    except BlockingIOError:
        return True
    return False


def set_in(value: Any, address: str) -> Any:
    return json.loads(json.dumps(value).replace("TRAP", address))


def all_asked(key: str, asked: list[tuple[str, dict[str, Any], tuple[bytes, bytes] | None]]) -> list[Exchange]:
    async def ask() -> list[Exchange]:
        done = []
        for path, body, header in asked:
            pairs = [
                (b"x-cortex-key", key.encode()),
                (b"content-type", b"application/json"),
                *([header] if header else []),
            ]
            done.append(await Exchange("POST", path, json.dumps(body).encode(), pairs).run())
        await close_all()
        return done

    return asyncio.run(ask())


@pytest.mark.parametrize("door", DOORS)
def test_no_field_and_no_header_leads_a_call_elsewhere(
    door: str, key: str, providers: tuple[Double, Double], trap: socket.socket
) -> None:
    path, body = DOORS[door]
    host = f"127.0.0.1:{trap.getsockname()[1]}"
    address = f"http://{host}/v1"
    fields = [(path, {**body, name: set_in(value, address)}, None) for name, value in FIELDS.items()]
    headers = [(path, body, (name.lower().encode(), value.encode())) for name in HEADERS for value in (address, host)]
    ended = all_asked(key, fields + headers)
    assert is_untouched(trap)

    told = dict(zip(FIELDS, ended, strict=False))
    if door == "native":  # every unknown field is named and refused, and so is an override that is no model
        assert {name: each.status for name, each in told.items()} == dict.fromkeys(FIELDS, 422)
    else:  # a wire's unknown fields are the provider's, but no model bears an address
        assert told["model"].status == 404
        assert {each.status for name, each in told.items() if name != "model"} == {200}
    of_headers = {name: each.status for (_, _, name), each in zip(headers, ended[len(fields) :], strict=True)}  # type: ignore[misc]
    refused = {name[0].decode() for name, status in of_headers.items() if status != 200}
    assert refused == (set() if door == "native" else {"x-cortex-override"})  # a header of the wires
    served = sum(each.status == 200 for each in ended)
    assert sum(len(each.requests) for each in providers) == served


def test_no_address_of_the_corpus_is_connected_to_even_where_it_stands_in_the_table(
    key: str, providers: tuple[Double, Double], monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """The editors refuse such an address; here one has come into the table all the same."""
    settings.ALLOW_PRIVATE_UPSTREAMS = []
    opened: list[Any] = []

    def counted(*args: Any, **named: Any) -> Any:
        opened.append(args)
        raise OSError("no connection is to be had here")

    monkeypatch.setattr(socket, "getaddrinfo", counted)
    monkeypatch.setattr(socket.socket, "connect", counted)
    assert len(CORPUS) >= 120

    def called(url: str) -> set[int]:
        Provider.objects.update(base_url=url)
        snapshot.load_now()
        return {each.status for each in all_asked(key, [(*DOORS["native"], None), (*DOORS["messages"], None)])}

    # PostgreSQL holds no NUL, and without an address it would be the vendor's own.
    statuses = [called(url) for url in CORPUS if url and "\0" not in url]
    assert ({status for each in statuses for status in each}, opened) == ({503}, [])

    settings.ALLOW_PRIVATE_UPSTREAMS = ["*"]  # to show that a connection would have been seen
    called("http://10.1.2.3/v1")
    assert opened
    assert [each.requests for each in providers] == [[], []]
