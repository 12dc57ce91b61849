"""The console as a person meets it: the whole ASGI stack in a process of its own, on the tests' database, in a real Chromium.

Every browser test fails by itself on a console error, a violation of the content security policy, an uncaught exception, or an answer
of 500 and above.
"""

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from playwright.sync_api import BrowserContext, Page, expect

from routing import people, snapshot
from routing.terms.words import Group
from tests.pages.nursery import Nursery
from tests.remembered import remembered
from tests.routing.seeded import load_simulated

# Playwright's sync API runs a loop in the tests' own thread; the ORM calls beside it are not in it.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")

expect.set_options(timeout=20_000)  # a busy machine may take long to answer; a test that holds does not wait for it

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
NARROW = {"width": 390, "height": 844}


@dataclass(frozen=True)
class World:
    """The seeds' table, simulated, and one person of each group."""

    people: dict[Group, User]

    def __getitem__(self, group: Group) -> User:
        return self.people[group]


def make_world() -> World:
    found = remembered("simulated seed and people", _seed_and_people)
    snapshot.forget()
    return World(found)


def _seed_and_people() -> dict[Group, User]:
    load_simulated()
    found = {}
    for group in Group:
        found[group] = User.objects.create_user(str(group))  # without a password: hashing one takes longer than a test
        people.put(found[group], group)
    return found


@pytest.fixture
def world(db: None) -> World:
    """For tests that need no browser: undone when the test is over."""
    return make_world()


@pytest.fixture
def client_of(world: World) -> Callable[[Group], Client]:
    """A logged-in Django test client of a group's person."""

    def make(group: Group) -> Client:
        client = Client()
        client.force_login(world[group])
        return client

    return make


@pytest.fixture(autouse=True)
def no_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a browser was started, its loop runs in the tests' thread; the pages' code beside it is synchronous all the same."""
    monkeypatch.setattr(snapshot, "in_event_loop", lambda: False)


# ── a browser ──


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    chromium = os.environ.get("CORTEX_TEST_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
    return {**browser_type_launch_args, "executable_path": chromium, "args": ["--no-sandbox", "--disable-gpu"]}


@pytest.fixture(scope="session")
def base_url() -> None:
    """Every server has its own."""


@pytest.fixture
def live(transactional_db: None) -> World:
    """The world as a server sees it: committed."""
    return make_world()


@pytest.fixture(scope="session")
def nursery(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Where each test's server comes from."""
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    with Nursery({"DATABASE_URL": url, "CORTEX_DATA_DIR": str(tmp_path_factory.mktemp("nursery"))}) as made:
        yield made


@pytest.fixture
def server(live: World, nursery: Nursery, tmp_path: Path) -> Iterator[str]:
    """The address of a web worker on the tests' database, gone before its tables are emptied. It listens before it is ready: nobody waits."""
    said = tmp_path / "said"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        worker = nursery.start(listener, data_dir=tmp_path, said=said)
    try:
        yield f"http://{host}:{port}"
    finally:
        nursery.stop(worker, within_s=20)
    text = said.read_text()
    assert "Traceback" not in text, text


@pytest.fixture
def context(live: World, server: str, new_context: Callable[..., BrowserContext]) -> Iterator[BrowserContext]:
    """A browser that watches itself."""
    troubles: list[str] = []
    context = new_context(
        base_url=server, viewport={"width": 1440, "height": 900}, reduced_motion="reduce"
    )  # no colour is half-way
    context.set_default_timeout(15_000)
    context.set_default_navigation_timeout(60_000)  # the first page waits for its server to start
    context.on("console", lambda message: troubles.append(message.text) if is_trouble(message) else None)
    context.on("weberror", lambda error: troubles.append(str(error.error)))
    context.on(
        "response", lambda answer: troubles.append(f"{answer.status} {answer.url}") if answer.status >= 500 else None
    )
    yield context
    context.close()
    assert troubles == []


def is_trouble(message: Any) -> bool:
    # 409 and 422 are answers with a page in them, which the browser reports as if a resource had failed.
    is_answer = "status of 409" in message.text or "status of 422" in message.text
    return message.type == "error" and not is_answer


@pytest.fixture
def sign_in(live: World, server: str, context: BrowserContext) -> Callable[[Group], Page]:
    """A page of a person of the group, logged in."""

    def open_page(group: Group) -> Page:
        client = Client()
        client.force_login(live[group])
        context.clear_cookies()
        context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": server}])
        return context.new_page()

    return open_page


@pytest.fixture
def accessible() -> Callable[[Page], None]:
    """Fails with every violation of WCAG 2.1 A and AA that axe finds on a page."""

    def check(page: Page) -> None:
        options = {"runOnly": WCAG, "resultTypes": ["violations"]}
        found = Axe().run(page, options=options).response["violations"]
        assert [f"{each['id']}: {each['nodes'][0]['html']}" for each in found] == []

    return check
