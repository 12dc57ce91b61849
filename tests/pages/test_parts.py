"""The editors of providers, models, quotas, curves, task types, rules, projects and credentials: preview, publish, be told, remove.

Over 300 lines: every kind of part goes through the same table of cases.
"""

from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse, QueryDict
from django.test import Client

from routing import changes, credentials
from routing.audit import SYSTEM
from routing.document import rows
from routing.document.form import FORMS as DOCUMENT
from routing.forms.part import key_fields
from routing.forms.parts import FORMS
from routing.forms.route import RouteForm
from routing.models import Credential
from routing.terms.words import Group
from routing.versions import current_revision
from tests.pages.conftest import World

ClientOf = Callable[[Group], Client]
CODEX = "/table/models/openai:codex/edit"
NO_PARTS = dict.fromkeys(("cache_read", "cache_write", "cache_write_1h", "reasoning"))
NO_OTHER_PRICES = {**NO_PARTS, "searches_1k": None, "requests_1k": None, "tiers": [], "service_tiers": {}}
OWN_PRICE = {"price_input": "2", "price_output": "11"}
ONLY_HALF = ("price_service_tiers", "needs both")
MISNAMED = ("price_service_tiers", "is no service tier")


def part(section: str, key: str) -> dict[str, Any]:
    return rows.dump()[section][key]


def typed(section: str, key: str, **changes: Any) -> dict[str, Any]:
    """The form of a part as a browser sends it back, with some of it typed anew."""
    data = FORMS[section].posted(part(section, key), QueryDict(), current_revision())
    return {**{name: values for name, values in data.lists() if name not in key_fields(section)}, **changes}


def published(client: Client, address: str, form: dict[str, Any], reason: str = "as agreed") -> HttpResponse:
    """Preview, then publish what was previewed."""
    shown = client.post(address, {**form, "do": "preview"})
    assert shown.status_code == 200, shown.context["form"].errors
    proof = shown.context["preview"]["previewed"]
    return client.post(address, {**form, "previewed": proof, "reason": reason, "do": "publish"})


# ── every field of the document is a field of a page ──

NOT_ASKED = {  # section → what a page leaves alone, and why
    "credentials": {
        "env",
        "secret",
        "client_secret",
    },  # a variable is named by the server's own file; a secret has a form of its own
}


@pytest.mark.parametrize("section", sorted(FORMS))
def test_every_field_that_load_takes_can_be_filled_in(world: World, section: str) -> None:
    form = FORMS[section]
    told = {form.places.get(name, name) for name in DOCUMENT[section].model_fields}
    told -= {name for name in told if any(path.startswith(f"{name}.") for path in form.places)}
    assert told - set(form.base_fields) - NOT_ASKED.get(section, set()) == set()


def test_every_field_of_a_route_can_be_filled_in() -> None:
    told = set(DOCUMENT["routes"].model_fields) - set(key_fields("routes")) - {"timeouts"}
    assert told - set(RouteForm.base_fields) == set()


@pytest.mark.parametrize("section", sorted(FORMS))
def test_a_form_sent_back_untouched_changes_nothing(client_of: ClientOf, section: str) -> None:
    if section == "projects":
        changes.publish({"projects": [{"slug": "site"}]}, by=SYSTEM, reason="", source="console")
    client = client_of(Group.ADMIN)
    for key in rows.dump()[section]:
        answer = client.post(f"/table/{section}/{key}/edit", {**typed(section, key), "do": "preview"})
        assert answer.status_code == 200, answer.context["form"].errors
        assert answer.context["preview"]["lines"] == [], key


# ── changed ──

CHANGED = [
    (
        "providers",
        "openai",
        {"base_url": "https://proxy.example.com/v1", "rotation": "anthropic, gemini"},
        {"base_url": "https://proxy.example.com/v1", "rotation": ["anthropic", "gemini"]},
    ),
    (
        "models",
        "openai:codex",
        {"upstream_id": "gpt-7", "tags": "code fast", "role": "T2", "retire_at": "2099-11-30"},
        {"upstream_id": "gpt-7", "tags": ["code", "fast"], "role": "T2", "retire_at": "2099-11-30"},
    ),
    (
        "models",
        "openai:codex",
        {
            "price_input": "1.75",
            "price_output": "14",
            "next_price_from": "2099-01-01",
            "next_price_input": "2",
            "next_price_output": "15",
        },
        {
            "price": {"input": "1.75", "output": "14", **NO_OTHER_PRICES},
            "next_price": {"input": "2", "output": "15", **NO_OTHER_PRICES, "valid_from": "2099-01-01"},
        },
    ),
    (
        "models",
        "openai:codex",
        {
            "price_input": "2",
            "price_output": "11",
            "price_searches_1k": "9.5",
            "price_service_tiers": "flex: input 1, output 5.5, cache_read 0.1, input>272000 2, output>272000 $8.25\n",
        },
        {
            "price": {
                "input": "2",
                "output": "11",
                **NO_OTHER_PRICES,
                "searches_1k": "9.5",
                "service_tiers": {
                    "flex": {
                        "input": "1",
                        "output": "5.5",
                        **NO_PARTS,
                        "cache_read": "0.1",
                        "tiers": [{"above": 272000, "input": "2", "output": "8.25", **NO_PARTS}],
                    }
                },
            },
        },
    ),
    (
        "models",
        "openai:codex",
        {"quota": "", "interactive_only": "on", "lacks": ["tools", "images"]},
        {"quota": None, "interactive_only": True, "lacks": ["tools", "images"]},
    ),
    (
        "quotas",
        "codex-cli",
        {
            "windows-name": ["5h", "weekly"],
            "windows-limit": ["50", "500"],
            "windows-unit": ["calls", "calls"],
            "windows-hours": ["5", ""],
        },
        {
            "windows": [
                {"name": "5h", "limit": 50, "unit": "calls", "hours": 5.0},
                {"name": "weekly", "limit": 500, "unit": "calls", "hours": None},
            ]
        },
    ),
    (
        "curves",
        "default",
        {
            "steps-from": ["0", "90"],
            "steps-note": ["", "tight"],
            "steps-allowed-0": ["opus", "local"],
            "steps-allowed-1": ["local"],
        },
        {
            "steps": [
                {"from": 0.0, "allowed": ["opus", "local"], "note": ""},
                {"from": 90.0, "allowed": ["local"], "note": "tight"},
            ]
        },
    ),
    (
        "task_types",
        "meeting_summary",
        {"aliases": "summary, minutes", "margin": "0.05", "four_eyes": "on", "target_success": "0.9"},
        {"aliases": ["summary", "minutes"], "margin": 0.05, "four_eyes": True, "target_success": 0.9},
    ),
    ("rules", "meeting notes", {"position": "40"}, {"position": 40}),
    ("credentials", "openai:main", {"priority": "3"}, {"priority": 3}),
]


@pytest.mark.parametrize(
    ("section", "key", "form", "expected"), CHANGED, ids=[f"{each[0]} {sorted(each[2])[0]}" for each in CHANGED]
)
def test_what_is_typed_is_published_as_one_revision(
    client_of: ClientOf, section: str, key: str, form: dict[str, Any], expected: dict[str, Any]
) -> None:
    before = part(section, key)
    answer = published(client_of(Group.ADMIN), f"/table/{section}/{key}/edit", typed(section, key, **form))
    assert answer.status_code == 302
    assert part(section, key) == {**before, **expected}
    new = changes.revision(2)
    assert (new.reason, new.by_name, new.source) == ("as agreed", "admin", "console")


def test_a_project_and_a_task_type_are_made_and_the_name_is_taken_then(client_of: ClientOf) -> None:
    client = client_of(Group.OPERATOR)
    form = {"slug": "site", "name": "Site", "revision": "1"}
    assert published(client, "/table/projects/new", form).headers["location"] == "/task-types/"
    assert part("projects", "site") == {"slug": "site", "name": "Site"}
    again = client.post("/table/projects/new", {**form, "do": "preview"})
    assert again.status_code == 422
    assert "There is a project of this name already." in again.content.decode()


def test_a_new_form_begins_with_what_load_would_assume(client_of: ClientOf) -> None:
    shown = client_of(Group.OPERATOR).get("/table/task_types/new").context["form"]
    assert (shown["margin"].value(), shown["label_horizon_days"].value(), shown["enabled"].value()) == (0.03, 2, True)


def test_the_secret_of_a_provider_that_moves_is_told_to_be_forgotten(client_of: ClientOf) -> None:
    credentials.store("openai", "main", "sk-canary-1", by=SYSTEM)
    client = client_of(Group.OPERATOR)
    form = typed("providers", "openai", base_url="https://elsewhere.example.com/v1")
    shown = client.post("/table/providers/openai/edit", {**form, "do": "preview"})
    assert "the secrets of this provider are forgotten" in shown.context["preview"]["warnings"][0]
    published(client, "/table/providers/openai/edit", form)
    assert Credential.objects.get(provider__slug="openai").secret is None


# ── refused ──

REFUSED = [
    ("models", "openai:codex", {"upstream_id": ""}, "upstream_id", "This field is required."),
    ("models", "openai:codex", {"price_input": "1"}, "price_output", "needs both"),
    ("models", "openai:codex", {"next_price_input": "1"}, "next_price_from", "needs its day"),
    ("models", "openai:codex", {**OWN_PRICE, "price_service_tiers": "flex: input 1"}, *ONLY_HALF),
    (
        "models",
        "openai:codex",
        {**OWN_PRICE, "price_service_tiers": "flex: half"},
        "price_service_tiers",
        "not a price",
    ),
    ("models", "openai:codex", {**OWN_PRICE, "price_service_tiers": "Flex Tier: input 1, output 2"}, *MISNAMED),
    ("models", "openai:codex", {"retire_at": "Feb 3"}, "retire_at", "Enter a valid date."),
    ("models", "openai:codex", {"aliases": "sonnet, Not A Slug!"}, "aliases", "does not have the form"),
    ("providers", "openai", {"base_url": "ftp://x"}, "base_url", "not an http(s) address"),
    ("providers", "openai", {"rotation": "anthropic, nowhere"}, "rotation", "line 2: no provider 'nowhere'"),
    (
        "quotas",
        "codex-cli",
        {
            "windows-name": ["a", "b"],
            "windows-limit": ["5", "many"],
            "windows-unit": ["calls", "calls"],
            "windows-hours": ["", ""],
        },
        "windows",
        "line 2, limit: 'many' is not a whole number.",
    ),
    (
        "quotas",
        "codex-cli",
        {"windows-name": ["a"], "windows-limit": ["0"], "windows-unit": ["calls"], "windows-hours": [""]},
        "windows",
        "line 1, limit:",
    ),
    (
        "curves",
        "default",
        {"steps-from": ["5"], "steps-note": [""], "steps-allowed-0": ["opus"]},
        "steps",
        "must begin with a step from 0",
    ),
    (
        "curves",
        "default",
        {"steps-from": ["0"], "steps-note": [""], "steps-allowed-0": ["nobody"]},
        "steps",
        "no model 'nobody'",
    ),
    ("task_types", "meeting_summary", {"label_sources": "gossip"}, "label_sources", "line 1:"),
    ("task_types", "meeting_summary", {"aliases": "research"}, "aliases", "names another task type already"),
    (
        "credentials",
        "openai:main",
        {"kind": "oauth", "token_url": "", "client_id": ""},
        "token_url",
        "not an http(s) address",
    ),
]


@pytest.mark.parametrize(
    ("section", "key", "form", "field", "said"),
    REFUSED,
    ids=[f"{each[0]} {each[3]} {number}" for number, each in enumerate(REFUSED)],
)
def test_what_cannot_be_is_told_at_its_field_and_kept_as_typed(
    client_of: ClientOf, section: str, key: str, form: dict[str, Any], field: str, said: str
) -> None:
    answer = client_of(Group.ADMIN).post(
        f"/table/{section}/{key}/edit", {**typed(section, key, **form), "do": "preview"}
    )
    assert answer.status_code == 422
    assert said in " ".join(answer.context["form"].errors[field])
    assert current_revision() == 1


def test_nothing_is_published_without_a_reason_or_unseen(client_of: ClientOf) -> None:
    client = client_of(Group.OPERATOR)
    assert published(client, CODEX, typed("models", "openai:codex", name="X"), reason=" ").status_code == 422
    unseen = client.post(
        CODEX, {**typed("models", "openai:codex", name="X"), "previewed": "0" * 64, "reason": "y", "do": "publish"}
    )
    assert unseen.status_code == 409
    assert unseen.context["moved"]
    assert current_revision() == 1


def test_the_second_of_two_is_told_and_loses_nothing(client_of: ClientOf) -> None:
    client = client_of(Group.OPERATOR)
    form = typed("models", "openai:codex", name="Mine", tier="standard")
    proof = client.post(CODEX, {**form, "do": "preview"}).context["preview"]["previewed"]
    theirs = {"provider": "openai", "slug": "codex", "name": "Theirs", "used_for": "Theirs too"}
    changes.publish({"models": [theirs]}, by=SYSTEM, reason="they were first", source="console")
    answer = client.post(CODEX, {**form, "previewed": proof, "reason": "mine", "do": "publish"})
    assert answer.status_code == 409
    told = answer.context["conflict"]
    assert (told["who"], told["reason"]) == ("system", "they were first")
    assert {(line.field, line.before, line.after) for line in told["lines"]} == {
        ("Model openai:codex: name", "Theirs", "Mine"),
        ("Model openai:codex: tier", "premium", "standard"),
    }
    shown = answer.context["form"]
    again = dict(shown.data.lists())
    client.post(CODEX, {**again, "previewed": answer.context["preview"]["previewed"], "do": "publish"})
    assert [part("models", "openai:codex")[name] for name in ("name", "tier", "used_for")] == [
        "Mine",
        "standard",
        "Theirs too",
    ]


def test_a_change_of_another_part_is_nobodys_conflict(client_of: ClientOf) -> None:
    client = client_of(Group.OPERATOR)
    form = typed("models", "openai:codex", name="Mine")
    changes.change_route("bulk_ops", ["anthropic:opus"], by=SYSTEM, reason="another")
    assert published(client, CODEX, form).status_code == 302
    assert part("models", "openai:codex")["name"] == "Mine"


# ── the buttons of lines ──


@pytest.mark.parametrize(
    ("button", "levels"),
    [
        pytest.param({"up": "1:local"}, [["opus", "haiku"], ["local", "haiku"]], id="up"),
        pytest.param({"down": "0:opus"}, [["haiku", "opus"], ["haiku", "local"]], id="down"),
        pytest.param({"remove": "0:opus"}, [["haiku"], ["haiku", "local"]], id="take out"),
        pytest.param({"add": "1:", "pick-1": "codex"}, [["opus", "haiku"], ["haiku", "local", "codex"]], id="allow"),
        pytest.param({"drop-line": "0:steps"}, [["haiku", "local"]], id="take a level out"),
        pytest.param({"add-line": "steps"}, [["opus", "haiku"], ["haiku", "local"], []], id="add a level"),
        pytest.param({"drop-line": "77:steps"}, [["opus", "haiku"], ["haiku", "local"]], id="what is not there"),
        pytest.param({"up": "x"}, [["opus", "haiku"], ["haiku", "local"]], id="nonsense"),
    ],
)
def test_a_button_rearranges_the_curve_and_publishes_nothing(
    client_of: ClientOf, button: dict[str, str], levels: list[list[str]]
) -> None:
    form = typed("curves", "default", **{f"steps-allowed-{n}": [] for n in range(6)})
    form |= {
        "steps-from": ["0", "90"],
        "steps-note": ["", ""],
        "steps-allowed-0": ["opus", "haiku"],
        "steps-allowed-1": ["haiku", "local"],
    }
    answer = client_of(Group.OPERATOR).post("/table/curves/default/edit", {**form, **button})
    assert [step["allowed"] for step in answer.context["steps"]] == levels
    assert current_revision() == 1


# ── removed ──


def test_a_part_goes_with_a_reason_unless_others_name_it(client_of: ClientOf) -> None:
    client = client_of(Group.OPERATOR)
    answer = client.post(f"{CODEX[:-5]}/remove", {"reason": "gone", "revision": "1"}, follow=True)
    assert "Nothing was removed." in answer.content.decode()
    assert "openai:codex" in rows.dump()["models"]
    gone = client.post("/table/models/anthropic:sonnet-4.5/remove", {"reason": "retired", "revision": "1"})
    assert gone.headers["location"] == "/models/"
    assert "anthropic:sonnet-4.5" not in rows.dump()["models"]
    assert changes.revision(2).reason == "retired"
