"""Connect: what stands there can be pasted as it is, with the person's own address and a task type that has a route; a key is made right there,
and from its first call a client is led, name by name, to routing.
"""

import json
import re
import tomllib
from collections.abc import Callable
from datetime import timedelta

import httpx2
import pytest
from django.test import Client
from playwright.sync_api import Page, expect

from routing import clients, snapshot
from routing.audit import SYSTEM
from routing.models import Client as ClientRow
from routing.models import Route
from routing.policy import resolve
from routing.terms.words import Group
from tests.pages.conftest import NARROW
from tests.routing.observed import observed

ClientOf = Callable[[Group], Client]


def pastes(answer, way: int = 0) -> dict[tuple[str, str], str]:
    """What is to be pasted, with a Cortex key alone (way 0) or with the client's own credential beside it (1)."""
    ways = {guide.slug: guide.ways[way] for guide in answer.context["guides"] if len(guide.ways) > way}
    return {(slug, paste.where): paste.text for slug, each in ways.items() for paste in each.pastes}


def test_every_client_is_told_where_this_cortex_is(client_of: ClientOf) -> None:
    answer = client_of(Group.VIEWER).get("/connect/", headers={"host": "localhost:8123"})
    slugs = [guide.slug for guide in answer.context["guides"]]

    assert slugs == ["openai", "anthropic", "claude-code", "codex", "llm", "curl", "mcp"]
    for guide in answer.context["guides"]:
        for way in guide.ways:
            assert any("http://localhost:8123" in paste.text for paste in way.pastes)
    whole = "".join([*pastes(answer).values(), *pastes(answer, 1).values()])
    assert re.search(r"<(url|task|key|claude|gpt)>", whole) is None


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


def test_beside_its_own_credential_a_client_names_its_own_models(client_of: ClientOf) -> None:
    texts = pastes(client_of(Group.VIEWER).get("/connect/"), 1)

    for sdk in ("openai", "anthropic"):
        compile(texts[sdk, "Python"], sdk, "exec")
        assert 'default_headers={"X-Cortex-Key": "ck_…"}' in texts[sdk, "Python"]
    codex = tomllib.loads(texts["codex", "~/.codex/config.toml"])
    provider = codex["model_providers"]["cortex"]
    assert (provider["env_key"], provider["http_headers"]) == ("OPENAI_API_KEY", {"X-Cortex-Key": "ck_…"})
    claude = json.loads(texts["claude-code", "~/.claude/settings.json"])
    assert claude["env"]["ANTHROPIC_CUSTOM_HEADERS"] == "X-Cortex-Key: ck_…"
    known = snapshot.fresh().table
    assert resolve.requested(known, claude["model"]).startswith("anthropic:")
    assert resolve.requested(known, codex["model"]).startswith("openai:")


def test_the_task_type_shown_is_one_that_has_a_route(client_of: ClientOf) -> None:
    answer = client_of(Group.VIEWER).get("/connect/")
    task = answer.context["task"]

    assert Route.objects.filter(task_type__slug=task).exists()
    assert f'model="task:{task}"' in pastes(answer)["openai", "Python"]


@pytest.mark.parametrize(("group", "says"), [(Group.ADMIN, "Make a key"), (Group.VIEWER, "An admin makes keys")])
def test_the_way_to_a_key_is_shown(client_of: ClientOf, group: Group, says: str) -> None:
    answer = client_of(group).get("/connect/")
    assert says in answer.content.decode()
    assert 'href="/clients/"' in answer.content.decode()


def test_a_key_made_there_stands_in_every_setting_and_is_stored_nowhere(client_of: ClientOf) -> None:
    admin = client_of(Group.ADMIN)
    made = admin.post("/connect/key", {"client": "laptop", "mode": "observe"})
    key = made.context["made"].key

    assert made["Cache-Control"] == "no-store"
    assert all(key in text or "CORTEX_KEY" in text for text in pastes(made, 1).values())
    assert ClientRow.objects.get(slug="laptop").mode == "observe"
    assert clients.lookup(clients.digest(key)).client == "laptop"
    assert key not in admin.get("/connect/").content.decode()


def test_a_key_for_a_client_that_is_there_leaves_its_mode(client_of: ClientOf) -> None:
    clients.save_client("laptop", {"mode": "route"}, by=SYSTEM)
    client_of(Group.ADMIN).post("/connect/key", {"client": "laptop", "mode": "observe"})
    assert ClientRow.objects.get(slug="laptop").mode == "route"


@pytest.mark.parametrize("name", ["", "Up Case", "x" * 121, "a\0b"])
def test_a_client_that_cannot_be_is_told_and_not_made(client_of: ClientOf, name: str) -> None:
    answer = client_of(Group.ADMIN).post("/connect/key", {"client": name, "mode": "observe"})
    assert answer.status_code == 422
    assert not ClientRow.objects.exists()


def test_whether_the_first_call_has_come_is_told_with_and_without_a_script(client_of: ClientOf) -> None:
    made = clients.create_key("laptop", by=SYSTEM)
    viewer, address = client_of(Group.VIEWER), f"/connect/arrived?prefix={made.prefix}&since=nonsense"
    assert "Waiting for the first call" in viewer.get(address).content.decode()
    part = viewer.get(address, headers={"HX-Request": "true"}).content.decode()
    assert 'hx-trigger="load delay:2s"' in part
    assert "<html" not in part

    observed("claude-haiku-5-5", timedelta(0), client="laptop", key_prefix=made.prefix)
    part = viewer.get(address, headers={"HX-Request": "true"}).content.decode()
    assert "It arrived" in part
    assert "claude-haiku-5-5" in part
    assert "hx-trigger" not in part  # it asks no more


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


def call(server: str, key: str) -> httpx2.Response:
    """What the client's program sends, whatever Cortex makes of it: a model of its vendor's."""
    body = {"model": "claude-haiku-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
    answer = httpx2.post(f"{server}/v1/messages", json=body, headers={"x-api-key": key}, timeout=60, trust_env=False)
    assert answer.status_code == 200, answer.text
    return answer


@pytest.mark.browser
def test_a_client_is_connected_observed_and_led_to_its_route(
    sign_in: Callable[[Group], Page], server: str, accessible: Callable[[Page], None]
) -> None:
    page = sign_in(Group.ADMIN)
    page.goto("/connect/")
    page.get_by_label("Client", exact=True).fill("laptop")
    page.get_by_role("button", name="Make a key").click()
    key = page.locator("#made-key").inner_text().strip()
    expect(page.locator("#arrival")).to_contain_text("Waiting for the first call")
    accessible(page)

    served = call(server, key)
    assert served.headers["x-cortex-model"] == "haiku"
    expect(page.locator("#arrival")).to_contain_text("It arrived")
    page.locator("#arrival").get_by_role("link", name="laptop").click()

    suggestion = page.locator("#observed li", has_text="claude-haiku-*")
    expect(suggestion).to_contain_text("anthropic:haiku is the first model of its route.")
    suggestion.get_by_label("What claude-haiku-* means").select_option("vibe_coding")
    suggestion.get_by_role("button", name="Accept").click()
    expect(page.locator("#adoption tbody tr")).to_contain_text("vibe_coding")
    expect(page.locator("#observed")).to_contain_text("Every name is known")
    assert page.url.endswith("/clients/laptop/#observed")  # in place

    page.get_by_label("Which task type would this name mean?").fill("claude-haiku-9")
    page.get_by_role("button", name="Try it").click()
    expect(page.locator("#meaning")).to_contain_text("claude-haiku-9 means vibe_coding by rule 1")

    page.get_by_role("button", name="Switch to route").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("claude-haiku-* (1 call): vibe_coding, now openai:codex")
    accessible(page)
    dialog.get_by_role("button", name="Switch to route").click()
    expect(page.get_by_role("heading", name="Mode: route")).to_be_visible()
    accessible(page)
    for _ in range(100):  # every worker follows within two seconds
        if call(server, key).headers["x-cortex-model"] == "codex":
            break
        page.wait_for_timeout(100)
    else:
        pytest.fail("the switch was not followed")
