"""What a hurried or hostile person puts into addresses and forms of the console: 4xx or left out, never a 500, nothing half-written."""

import pytest
from django.test import Client

from routing import changes
from routing.audit import SYSTEM
from routing.document import rows
from routing.models import Revision
from routing.terms.words import Group
from tests.hostile import addresses
from tests.hostile.scripts import SCRIPTS
from tests.hostile.test_who_may_what import counts
from tests.pages.conftest import World, world  # noqa: F401
from tests.routing.conftest import _as_a_new_process  # noqa: F401

ODD = [
    "%00",
    "%ff",
    "garbage",
    "-1",
    "9" * 30,
    "9" * 300,
    "%ed%a0%80",
    "x" * 300,
    "2026-99-99",
    "%E2%80%AE",
    "%0d%0aSet-Cookie:a=b",
]
ODD += ["0001-01-01T00:00%2B14:00", "'%22%3E%3Cb%3E"]
FIELDS = "cursor since until task_type model provider role status client session days kind q steps task from to project condition".split()  # noqa: SIM905
FIELDS += "context override author week tab page limit as_of format tail background alone next reason".split()  # noqa: SIM905


@pytest.fixture
def admin(world: World) -> Client:  # noqa: F811
    client = Client(raise_request_exception=False)
    client.force_login(world[Group.ADMIN])
    return client


def form(client: Client) -> dict[str, object]:
    """The fields of the editor as the page has them."""
    return {
        "steps": ["openai:codex", "anthropic:sonnet"], "note": "n", "fallback": "on", "cooldown_s": "300", "connect_s": "2", "first_token_s": "30",
        "idle_s": "30", "total_s": "600", "reason": "because", "revision": str(Revision.objects.latest("number").number), "previewed": "",
    }  # fmt: skip


def test_any_filter_in_an_address_is_left_out_or_refused(admin: Client) -> None:
    for name, address in addresses.pages().items():
        for value in ODD:
            query = "&".join(f"{field}={value}" for field in FIELDS)
            answer = admin.get(f"{address}?{query}")
            assert answer.status_code < 500, f"{name}: every field is {value[:40]}"


def test_any_name_in_an_address_is_found_or_not(admin: Client) -> None:
    before = counts()
    for prefix, suffix in (
        ("/routing/", "/edit"), ("/routing/", "/models"), ("/routing/", "/remove"), ("/tasks/", "/"), ("/reviews/", "/"), ("/reviews/2026-W47/", ""),
        ("/history/", "/"), ("/history/", "/restore"), ("/calls/", "/"), ("/calls/", "/verdict"), ("/providers/", "/reset"), ("/models/", "/"),
        ("/clients/keys/", "/revoke"), ("/proposals/", "/"), ("/proposals/", "/approve"), ("/", ""),
    ):  # fmt: skip
        for value in ODD:
            for method in (admin.get, admin.post):
                answer = method(f"{prefix}{value}{suffix}")
                assert 300 <= answer.status_code < 500, (
                    f"{method.__name__} {prefix}{value[:40]}{suffix}: {answer.status_code}"
                )
    assert counts() == before


def test_the_editor_refuses_what_cannot_be_a_route(admin: Client) -> None:
    good = form(admin)
    before = counts()
    bad: list[dict[str, object]] = [
        {"steps": ["openai:codex"] * 2}, {"steps": ["nobody:nothing"]}, {"steps": ["openai:codex"] * 10_000},
        {"steps": [f"a:{n}" for n in range(500)]},
        {"steps": ["\0"]}, {"steps": ["\ud800".encode("utf-8", "surrogatepass")]}, {"note": "\0"}, {"note": "n" * 4_001}, {"cooldown_s": "NaN"},
        {"cooldown_s": "1e400"}, {"cooldown_s": "-1"}, {"connect_s": "Infinity"}, {"total_s": "9" * 5_000}, {"idle_s": "１"}, {"revision": "x"},
        {"revision": "9" * 5_000}, {"revision": "-1"}, {"revision": "999999999"}, {"previewed": "\0"}, {"reason": "\0"}, {"reason": "r" * 3_000},
    ]  # fmt: skip
    for change in bad:
        for do in ("preview", "publish"):
            answer = admin.post("/routing/vibe_coding/edit", {**good, **change, "do": do})
            assert answer.status_code in (200, 400, 409, 422), f"{str(change)[:60]} {do}: {answer.status_code}"
    for button in ("add", "remove", "up", "down"):
        for value in ("\0", "nobody:nothing", "x" * 100_000, "<script>"):
            assert admin.post("/routing/vibe_coding/edit", {**good, button: value}).status_code < 500
    assert counts() == before
    assert Revision.objects.latest("number").number == 1


def test_more_fields_than_a_form_can_have_are_refused(admin: Client) -> None:
    answer = admin.post("/routing/vibe_coding/edit", {f"f{number}": "x" for number in range(2_000)})
    assert answer.status_code == 400


def test_a_stale_editor_changes_nothing_and_says_who_was_first(admin: Client, world: World) -> None:  # noqa: F811
    stale = form(admin)
    part = {"task_type": "vibe_coding", "steps": ["anthropic:sonnet"]}
    changes.publish({"routes": [part]}, by=SYSTEM, reason="first", source="console")
    answer = admin.post("/routing/vibe_coding/edit", {**stale, "do": "publish"})
    assert answer.status_code == 409
    assert rows.dump()["routes"]["vibe_coding"]["steps"] == ["anthropic:sonnet"]
    answer = admin.post("/routing/vibe_coding/remove", {"revision": "1", "reason": "stale"})
    assert "vibe_coding" in rows.dump()["routes"]


def test_a_removal_and_a_restore_want_a_reason_that_can_be_kept(admin: Client) -> None:
    for address in (
        "/routing/vibe_coding/remove",
        "/history/1/restore",
        "/providers/anthropic/reset",
        "/audit/verify",
        "/proposals/1/approve",
    ):
        for reason in ("\0", "r" * 100_000, "\u202e", "a\r\nb"):
            assert admin.post(address, {"reason": reason, "comment": reason, "revision": "1"}).status_code < 500, (
                address
            )


def test_a_key_form_refuses_bad_names_scopes_and_budgets(admin: Client) -> None:
    before = counts()
    for change in (
        {"client": "Bad Name"}, {"client": "\0"}, {"client": "a" * 121}, {"client": "<script>"}, {"client": ""}, {"scopes": ["root"]}, {"scopes": []},
        {"budget_usd": "NaN"}, {"budget_usd": "-1"}, {"budget_usd": "1e400"}, {"budget_usd": "9" * 40}, {"budget_usd": "0.00000000001"},
        {"project": "nothing"}, {"project": "\0"},
    ):  # fmt: skip
        answer = admin.post(
            "/clients/keys", {"client": "ci", "project": "", "scopes": ["read"], "budget_usd": "", **change}
        )
        assert answer.status_code == 422, change
        assert b"ck_" not in answer.content or b"ck_\xe2" in answer.content, change
    assert counts() == before


def test_a_verdict_of_any_words_is_kept_or_refused(admin: Client) -> None:
    for verdict in ("good", "", "\0", "perfect", "x" * 10_000):
        answer = admin.post(
            f"/calls/{addresses.SAMPLES['request_id']}/verdict", {"verdict": verdict, "comment": "\0" * 5_000}
        )
        assert answer.status_code in (302, 404), verdict


@pytest.mark.parametrize("path", ["/account/login/", "/account/reauthenticate/", "/account/password/reset/"])
def test_a_log_in_of_any_words_is_refused(db: None, path: str) -> None:
    client = Client(raise_request_exception=False)
    for name in ("\0", "x" * 10_000, "' OR 1=1 --", "\u202e", "admin@", ""):
        for word in ("\0", "x" * 100_000, ""):
            answer = client.post(
                path, {"login": name, "password": word, "email": name, "next": "https://evil.example/"}
            )
            assert answer.status_code < 500, (name[:10], word[:10])
            assert "evil.example" not in answer.get("Location", "")


def test_a_log_in_goes_nowhere_else(world: World) -> None:  # noqa: F811
    for place in ("https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"):
        client = Client()
        answer = client.post(
            "/account/login/", {"login": "admin", "password": "correct horse battery staple", "next": place}
        )
        assert "evil" not in answer.get("Location", ""), place
        assert "javascript" not in answer.get("Location", ""), place


def test_a_script_in_an_address_is_shown_as_text(admin: Client) -> None:
    for name, address in addresses.pages().items():
        for script in SCRIPTS[:3]:
            query = dict.fromkeys(("q", "task", "task_type", "model", "since", "override", "cursor", "project"), script)
            text = admin.get(address, query).content.decode()
            assert script not in text, name
