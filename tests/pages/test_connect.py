"""Connect: what stands there can be pasted as it is, with the person's own address and a task type that has a route."""

import json
import re
import tomllib
from collections.abc import Callable

import pytest
from django.test import Client
from playwright.sync_api import Page

from routing.models import Route
from routing.terms.words import Group
from tests.pages.conftest import NARROW

ClientOf = Callable[[Group], Client]


def pastes(answer) -> dict[tuple[str, str], str]:
    return {(guide.slug, paste.where): paste.text for guide in answer.context["guides"] for paste in guide.pastes}


def test_every_client_is_told_where_this_cortex_is(client_of: ClientOf) -> None:
    answer = client_of(Group.VIEWER).get("/connect/", headers={"host": "localhost:8123"})
    slugs = [guide.slug for guide in answer.context["guides"]]

    assert slugs == ["openai", "anthropic", "claude-code", "codex", "llm", "curl", "mcp"]
    for guide in answer.context["guides"]:
        assert any("http://localhost:8123" in paste.text for paste in guide.pastes)
    assert re.search(r"<(url|task|key)>", "".join(pastes(answer).values())) is None


def test_the_public_address_goes_before_the_one_that_the_browser_used(client_of: ClientOf, settings) -> None:
    settings.PUBLIC_URL = "https://cortex.example.org"
    texts = pastes(client_of(Group.VIEWER).get("/connect/"))
    assert "https://cortex.example.org/v1" in texts["openai", "Python"]
    assert not any("testserver" in text for text in texts.values())


def test_what_is_pasted_can_be_read_by_its_program(client_of: ClientOf) -> None:
    texts = pastes(client_of(Group.VIEWER).get("/connect/"))

    compile(texts["openai", "Python"], "openai", "exec")
    compile(texts["anthropic", "Python"], "anthropic", "exec")
    codex = tomllib.loads(texts["codex", "~/.codex/config.toml"])
    assert codex["model_providers"][codex["model_provider"]]["base_url"] == "http://testserver/v1"
    assert (
        tomllib.loads(texts["mcp", "~/.codex/config.toml"])["mcp_servers"]["cortex"]["url"] == "http://testserver/mcp"
    )
    servers = json.loads(texts["mcp", "clients that read JSON"])["mcpServers"]
    assert servers["cortex"]["headers"] == {"X-Cortex-Key": "ck_…"}


def test_the_task_type_shown_is_one_that_has_a_route(client_of: ClientOf) -> None:
    answer = client_of(Group.VIEWER).get("/connect/")
    task = answer.context["task"]

    assert Route.objects.filter(task_type__slug=task).exists()
    assert f'model="task:{task}"' in pastes(answer)["openai", "Python"]


@pytest.mark.parametrize(("group", "says"), [(Group.ADMIN, "Make a key"), (Group.VIEWER, "An admin makes it")])
def test_the_way_to_a_key_is_shown(client_of: ClientOf, group: Group, says: str) -> None:
    answer = client_of(group).get("/connect/")
    assert says in answer.content.decode()
    assert 'href="/clients/"' in answer.content.decode()


# ── in a browser ──


@pytest.mark.browser
def test_the_page_reads_well_wide_and_narrow(
    sign_in: Callable[[Group], Page], accessible: Callable[[Page], None]
) -> None:
    page = sign_in(Group.ADMIN)
    page.goto("/connect/")
    accessible(page)
    page.set_viewport_size(NARROW)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    accessible(page)
