"""Cortex on a real socket, over the seeds' table or over doubles, for clients that know nothing of it but its address."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import openai
import pytest
import uvicorn

from cortex.asgi import application
from routing import clients, idempotency, recorder, snapshot
from routing.audit import SYSTEM
from routing.providers.registry import close_all
from tests import doubles
from tests.remembered import remembered
from tests.routing.doors.sdks import There
from tests.routing.doors.ways import WAYS, Way


@contextmanager
def serving() -> Iterator[str]:
    """The application's address. It runs in a thread of its own, without its lifespan: what a process knows is the test's to say."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(application, lifespan="off", log_config=None, ws="none", timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)

    async def serve() -> None:
        await server.serve(sockets=[listener])
        await close_all()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()
        idempotency.close()
        idempotency.let_go()


@pytest.fixture
def address() -> Iterator[str]:
    with serving() as url:
        yield url


@pytest.fixture
def there(settings: Any, tmp_path: Any) -> Iterator[There]:
    settings.DATA_DIR = tmp_path
    recorder.close()
    snapshot.forget()
    key = clients.create_key("ci", by=SYSTEM).key
    with (
        doubles.serve_in_thread() as one,
        doubles.serve_in_thread() as two,
        serving() as url,
        openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as of_openai,
        anthropic.Anthropic(base_url=url, api_key=key, max_retries=0) as of_anthropic,
    ):
        yield There(of_openai, of_anthropic, one, two)
    recorder.close()
    snapshot.forget()


@pytest.fixture
def of_openai(address: str, seeded: str) -> Iterator[openai.OpenAI]:
    """The vendor's own SDK, told nothing but another base_url; `seeded` is the test module's."""
    with openai.OpenAI(base_url=f"{address}/v1", api_key=seeded, max_retries=0) as client:
        yield client


@pytest.fixture
def of_anthropic(address: str, seeded: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=address, api_key=seeded, max_retries=0) as client:
        yield client


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    return request.param


@pytest.fixture
def key(own_spool: None) -> str:
    """Of the client "ci"."""
    return remembered("ci's key", lambda: clients.create_key("ci", by=SYSTEM).key)
