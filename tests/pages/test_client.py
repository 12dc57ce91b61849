"""A client's page: its rules, its mode, how it is set up, its keys; who may change what, and two people who do so at once."""

from collections.abc import Callable

import pytest
from django.test import Client
from playwright.sync_api import Page, expect

from routing import clients
from routing.audit import SYSTEM
from routing.models import AuditEvent, ClientKey
from routing.models import Client as Row
from routing.terms.words import Group
from tests.pages.conftest import NARROW
from tests.routing.observed import observed

ClientOf = Callable[[Group], Client]
RULES = [
    {"requested": "claude-sonnet-*", "task_type": "code_generation"},
    {"requested": "gpt-*", "task_type": "vibe_coding"},
]


@pytest.fixture
def laptop(world: object) -> Row:
    return make_laptop()


def make_laptop() -> Row:
    """A client in observe mode with two rules, observed with one name that none of them knows."""
    clients.save_client("laptop", {"name": "Anna's laptop", "mode": "observe", "mapping": RULES}, by=SYSTEM)
    observed("claude-haiku-5-5", client="laptop")
    observed("claude-sonnet-5-5", client="laptop")
    return Row.objects.get(slug="laptop")


def rules(*lines: tuple[str, str], version: int, **more: str) -> dict[str, object]:
    """The form of a mapping as a browser sends it."""
    names, tasks = [name for name, _ in lines], [task for _, task in lines]
    return {"mapping-requested": names, "mapping-task_type": tasks, "version": version, "do": "save", **more}


def mapping() -> list[tuple[str, str]]:
    return [(rule.requested, rule.task_type.slug) for rule in Row.objects.get(slug="laptop").mapping.all()]


def settings(row: Row, **changes: str) -> dict[str, str]:
    return {"name": row.name, "enabled": "on", "version": str(row.version), **changes}


def test_a_viewer_reads_it_and_is_offered_no_change(laptop: Row, client_of: ClientOf) -> None:
    text = client_of(Group.VIEWER).get("/clients/laptop/").content.decode()
    assert "claude-haiku-*" in text
    for act in ("Accept", "Ignore", "Switch to", "New key", "Edit the rules", "Set up</a>"):
        assert act not in text


def test_the_rules_are_rearranged_without_a_script_and_changed_by_saving_alone(
    laptop: Row, client_of: ClientOf
) -> None:
    operator, address = client_of(Group.OPERATOR), "/clients/laptop/mapping"
    lines = [(rule["requested"], rule["task_type"]) for rule in RULES]
    moved = operator.post(address, rules(*lines, version=laptop.version, up="1"))
    shown = [line["requested"] for line in moved.context["form"]["mapping"].value()]
    assert (shown, mapping()) == (["gpt-*", "claude-sonnet-*"], lines)
    added = operator.post(address, rules(*lines, version=laptop.version, **{"add-line": "rule"}))
    assert len(added.context["form"]["mapping"].value()) == 3
    dropped = operator.post(address, rules(*lines, version=laptop.version, **{"drop-line": "0"}))
    assert [line["requested"] for line in dropped.context["form"]["mapping"].value()] == ["gpt-*"]

    saved = operator.post(address, rules(lines[1], lines[0], ("", ""), version=laptop.version))
    assert (saved.status_code, mapping()) == (302, [lines[1], lines[0]])


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (("claude-*", ""), "Rule 1 lacks a task type."),
        (("", "vibe_coding"), "Rule 1 lacks a name or pattern."),
        (("x" * 201, "vibe_coding"), "Rule 1: a name has 1 to 200 characters."),
        (("claude-*", "nothing"), "There is no task type &#x27;nothing&#x27;."),
    ],
)
def test_a_rule_that_cannot_be_is_told_and_what_was_typed_stays(
    laptop: Row, client_of: ClientOf, line: tuple[str, str], says: str
) -> None:
    answer = client_of(Group.OPERATOR).post("/clients/laptop/mapping", rules(line, version=laptop.version))
    text = answer.content.decode()
    assert (answer.status_code, says in text, line[0] in text) == (422, True, True)
    assert len(mapping()) == 2


def test_the_second_of_two_people_is_told_and_loses_nothing(laptop: Row, client_of: ClientOf) -> None:
    first, second = client_of(Group.ADMIN), client_of(Group.OPERATOR)
    first.post("/clients/laptop/mapping", rules(("o*", "debugging"), version=laptop.version))
    answer = second.post("/clients/laptop/mapping", rules(("mine", "translate"), version=laptop.version))
    text = answer.content.decode()
    assert answer.status_code == 409
    assert "admin changed laptop" in text
    assert "o* → debugging" in text
    assert "mine" in text
    assert mapping() == [("o*", "debugging")]

    again = rules(("mine", "translate"), version=Row.objects.get(slug="laptop").version)
    assert second.post("/clients/laptop/mapping", again).status_code == 302
    assert mapping() == [("mine", "translate")]


def test_it_is_set_up_and_the_change_is_audited(laptop: Row, client_of: ClientOf) -> None:
    changes = {"requests_per_minute": "60", "allowed_models": "sonnet, openai:codex", "default_task_type": "translate"}
    answer = client_of(Group.OPERATOR).post("/clients/laptop/edit", settings(laptop, **changes))
    row = Row.objects.get(slug="laptop")
    assert answer.status_code == 302
    assert (row.requests_per_minute, row.allowed_models) == (60, ["anthropic:sonnet", "openai:codex"])
    assert (row.default_task_type.slug, row.tokens_per_minute, row.mode) == ("translate", None, "observe")
    event = AuditEvent.objects.first()
    assert (event.actor_name, event.before["requests_per_minute"], event.after["requests_per_minute"]) == (
        "operator",
        None,
        60,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"requests_per_minute": "0"},
        {"tokens_per_minute": "many"},
        {"allowed_models": "nobody"},
        {"project": "nothing"},
        {"version": ""},
    ],
)
def test_what_cannot_be_set_is_told(laptop: Row, client_of: ClientOf, changes: dict[str, str]) -> None:
    answer = client_of(Group.OPERATOR).post("/clients/laptop/edit", settings(laptop, **changes))
    assert answer.status_code == 422
    assert Row.objects.get(slug="laptop").version == laptop.version


def test_the_mode_switches_only_if_it_is_as_the_page_said(laptop: Row, client_of: ClientOf) -> None:
    operator = client_of(Group.OPERATOR)
    for sent in (
        {"mode": "route", "version": str(laptop.version + 1)},
        {"mode": "sideways", "version": str(laptop.version)},
        {"mode": "route"},
    ):
        operator.post("/clients/laptop/mode", sent)
        assert Row.objects.get(slug="laptop").mode == "observe"
    operator.post("/clients/laptop/mode", {"mode": "route", "version": str(laptop.version)})
    assert Row.objects.get(slug="laptop").mode == "route"


def test_what_a_switch_changes_is_said_before_it_is_done(laptop: Row, client_of: ClientOf) -> None:
    text = " ".join(client_of(Group.OPERATOR).get("/clients/laptop/").content.decode().split())
    assert "<code>claude-sonnet-*</code> (1 call): code_generation, now anthropic:sonnet" in text
    assert "No rule knows <code>claude-haiku-*</code>: served as before." in text


def test_a_suggestion_is_accepted_or_ignored_without_a_script(laptop: Row, client_of: ClientOf) -> None:
    operator, wish = client_of(Group.OPERATOR), {"requested": "claude-haiku-*"}
    operator.post("/clients/laptop/ignore", wish)
    assert Row.objects.get(slug="laptop").ignored == ["claude-haiku-*"]
    answer = operator.post("/clients/laptop/accept", {**wish, "task_type": "bulk_ops"}, follow=True)
    assert "claude-haiku-* means bulk_ops from now on." in answer.content.decode()
    assert (mapping()[-1], Row.objects.get(slug="laptop").ignored) == (("claude-haiku-*", "bulk_ops"), [])
    again = operator.post("/clients/laptop/accept", {**wish, "task_type": ""}, follow=True)
    assert "Nothing was changed." in again.content.decode()


def test_a_key_with_an_end_is_made_told_once_and_revoked_there(laptop: Row, client_of: ClientOf) -> None:
    admin = client_of(Group.ADMIN)
    asked = {"scopes": ["dispatch"], "expires_at": "2999-01-01T12:00", "budget_usd": "5"}
    answer = admin.post("/clients/laptop/keys", asked)
    key = ClientKey.objects.get(client=laptop)
    assert (key.scopes, key.expires_at.year, key.made_by.username) == (["dispatch"], 2999, "admin")
    assert answer.context["made"].key in answer.content.decode()
    assert answer.context["made"].key not in admin.get("/clients/laptop/").content.decode()
    assert admin.post("/clients/laptop/keys", {**asked, "expires_at": "2020-01-01T12:00"}).status_code == 422
    back = admin.post(f"/clients/keys/{key.prefix}/revoke", {"from": "/clients/laptop/"})
    assert back["Location"] == "/clients/laptop/"
    assert ClientKey.objects.get(pk=key.pk).revoked_at is not None
    elsewhere = admin.post(f"/clients/keys/{key.prefix}/revoke", {"from": "https://elsewhere.example/"})
    assert elsewhere["Location"] == "/clients/"


def test_a_new_client_begins_in_the_mode_that_was_picked(client_of: ClientOf) -> None:
    operator = client_of(Group.OPERATOR)
    assert operator.post("/clients/new", {"slug": "robot", "mode": "observe"})["Location"] == "/clients/robot/"
    assert Row.objects.get(slug="robot").mode == "observe"
    assert operator.post("/clients/new", {"slug": "robot", "mode": "route"}).status_code == 422
    assert operator.post("/clients/new", {"slug": "Ro bot", "mode": "route"}).status_code == 422
    assert operator.get("/clients/nobody/").status_code == 404


# ── in a browser ──


@pytest.mark.browser
def test_the_rules_are_edited_beside_the_page_and_it_reads_well_wide_and_narrow(
    sign_in: Callable[[Group], Page], accessible: Callable[[Page], None]
) -> None:
    make_laptop()
    page = sign_in(Group.ADMIN)
    page.goto("/clients/laptop/")
    accessible(page)
    page.get_by_role("link", name="Edit the rules").click()
    page.get_by_role("button", name="Move rule 2 up").click()
    expect(page.get_by_label("Requested").first).to_have_value("gpt-*")
    page.get_by_role("button", name="Add a rule").click()
    page.get_by_label("Requested").nth(2).fill("o*")
    page.get_by_label("Means", exact=True).nth(2).select_option("debugging")
    accessible(page)
    page.get_by_role("button", name="Save", exact=True).last.click()
    expect(page.locator("#adoption tbody tr")).to_have_count(3)
    expect(page.locator("#adoption tbody tr").first).to_contain_text("gpt-*")
    page.set_viewport_size(NARROW)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    accessible(page)
