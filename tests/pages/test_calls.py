"""Calls: found, drilled into, judged."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from playwright.sync_api import Page, expect

from routing.models import Attempt, Call, Label, WorkItem
from routing.terms.ids import item_of, uuid7
from routing.terms.words import Group
from tests.pages.conftest import NARROW, World

ClientOf = Callable[[Group], Client]


def record(ago: timedelta = timedelta(minutes=3), **changes: Any) -> UUID:
    """A call of code_generation: sonnet timed out after 400 ms, codex answered after 600 more."""
    started_at = datetime.now(UTC) - ago
    name = uuid7(started_at)
    item = item_of("code_generation", "ci", str(name))
    with connection.cursor() as cursor:
        cursor.execute("SELECT routing_partition(%s)", [started_at.date().replace(day=1)])
    Call.objects.create(
        **{
            "id": name,
            "started_at": started_at,
            "status": "ok",
            "task_type": "code_generation",
            "client": "ci",
            "wire": "native",
            "item_id": item,
            "role": "primary",
            "propensity": 0.9,
            "route_revision": 1,
            "candidates": ["anthropic:sonnet", "openai:codex"],
            "routed_model": "anthropic:sonnet",
            "served_model": "openai:codex",
            "used_fallback": True,
            "attempts_count": 2,
            "total_ms": 1000,
            "reason": "route: code_generation → sonnet",
            **changes,
        }
    )
    common = {"call_id": name, "route_revision": 1}
    Attempt.objects.create(
        **common, attempt=1, started_at=started_at, provider="anthropic", model="sonnet", role="primary",
        status="error", error_kind="timeout", error_message="No answer in 0.4 s", total_ms=400,
    )  # fmt: skip
    Attempt.objects.create(
        **common, attempt=2, started_at=started_at + timedelta(milliseconds=400), provider="openai", model="codex",
        role="fallback", status="ok", http_status=200, input_tokens=1000, cache_read_tokens=900, output_tokens=50,
        ttft_ms=150, total_ms=600, cost_usd="0.01088", price="override 1", searches=1, reasoning_tokens=20,
        rates="input 2, output 10, cache_read 0.2, searches_1k 10",
    )  # fmt: skip
    WorkItem.objects.create(
        id=item, first_call_id=name, opened_at=started_at, task_type="code_generation", client="ci",
        model="anthropic:sonnet", role="primary", first_status="error",
    )  # fmt: skip
    return name


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        pytest.param({"task_type": "code_generation"}, 1, id="task type"),
        pytest.param({"task_type": "bulk_ops"}, 0, id="another task type"),
        pytest.param({"model": "openai:codex"}, 1, id="a model of any attempt"),
        pytest.param({"status": "error"}, 0, id="status"),
        pytest.param({"client": "ci", "role": "primary"}, 1, id="client and role"),
        pytest.param({"since": "1h"}, 1, id="the last hour"),
        pytest.param({"since": "2999-01-01"}, 0, id="a day"),
    ],
)
def test_calls_are_found_by_what_the_address_asks(client_of: ClientOf, asked: dict[str, str], found: int) -> None:
    record()
    answer = client_of(Group.VIEWER).get("/calls/", asked)
    assert len(answer.context["page"].records) == found


def test_what_the_filter_does_not_understand_is_said(client_of: ClientOf) -> None:
    answer = client_of(Group.VIEWER).get("/calls/", {"since": "Feb 3", "cursor": "x", "status": "nonsense"})
    assert answer.status_code == 200
    assert "Not a time" in answer.content.decode()


def test_a_page_of_calls_leads_to_the_next(client_of: ClientOf) -> None:
    for minute in range(51):
        record(timedelta(minutes=minute))
    client = client_of(Group.VIEWER)
    first = client.get("/calls/")
    second = client.get("/calls/", {"cursor": str(first.context["next"])})
    assert (len(first.context["page"].records), len(second.context["page"].records)) == (50, 1)
    assert second.context["next"] is None


def test_the_live_tail_asks_again_by_itself(client_of: ClientOf) -> None:
    said = client_of(Group.VIEWER).get("/calls/?tail=1&status=ok").content.decode()
    assert 'hx-get="/calls/?tail=1&amp;status=ok" hx-trigger="every 2s"' in said


def test_attempts_lie_on_the_time_line_of_their_call(client_of: ClientOf) -> None:
    bars = client_of(Group.VIEWER).get(f"/calls/{record()}/").context["bars"]
    assert [(round(bar.start, 2), round(bar.width, 2), bar.kind) for bar in bars] == [
        (0, 0.4, "bad"),
        (0.4, 0.6, "good"),
    ]
    assert bars[1].ttft == pytest.approx(0.55)  # (400 + 150) / 1000


def test_attempts_that_an_import_put_at_one_time_follow_each_other(client_of: ClientOf) -> None:
    name = record()
    first = Attempt.objects.get(call_id=name, attempt=1)
    Attempt.objects.filter(call_id=name, attempt=2).update(started_at=first.started_at)
    bars = client_of(Group.VIEWER).get(f"/calls/{name}/").context["bars"]
    assert [round(bar.start, 2) for bar in bars] == [0, 0.4]


def test_a_cost_is_shown_by_its_parts_at_the_rates_of_its_day(client_of: ClientOf) -> None:
    name, client = record(), client_of(Group.VIEWER)
    answer = client.get(f"/calls/{name}/")
    parts = {label: values[1] for label, values in answer.context["costs"]}
    # 100 × $2 and 900 × $0.20 read, 30 × $10 written, 20 of it while reasoning; a search at $10 per 1,000
    assert {label: str(part.usd.normalize()) for label, part in parts.items()} == {
        "of it input": "0.0002",
        "of it read from cache": "0.00018",
        "of it output": "0.0003",
        "of it reasoning": "0.0002",
        "of it web searches": "0.01",
    }
    assert sum(part.usd for part in parts.values()) == Attempt.objects.get(call_id=name, attempt=2).cost_usd
    said = answer.content.decode()
    assert 'title="1 at $10.00 per 1,000"' in said
    assert 'title="900 at $0.20 per 1M"' in said
    assert "an estimate" not in said


def test_what_has_no_price_or_was_never_counted_says_so(client_of: ClientOf) -> None:
    name = record()
    tried = Attempt.objects.filter(call_id=name, attempt=2)
    tried.update(cost_usd=None, price="", rates="", service_tier="priority", estimated=True)
    said = client_of(Group.VIEWER).get(f"/calls/{name}/").content.decode()
    for words in (">no price for priority<", ">no usage told<", ">an estimate<", ">standard<"):
        assert words in said


@pytest.mark.parametrize("name", ["nonsense", "01a1fe36-5cd0-7ca2-b3e0-c1a57d0045c0"])
def test_a_call_that_is_not_there_is_not_found(client_of: ClientOf, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("routing.feedback.WAIT_S", 0.05)
    assert client_of(Group.VIEWER).get(f"/calls/{name}/").status_code == 404


def test_a_person_judges_a_call_once(client_of: ClientOf) -> None:
    name, client = record(), client_of(Group.OPERATOR)
    for _ in range(2):
        client.post(f"/calls/{name}/verdict", {"verdict": "bad", "comment": "does not compile"})
    label = Label.objects.get()
    assert (label.verdict, label.source, label.by, label.comment) == ("bad", "person", "operator", "does not compile")


def test_a_viewer_does_not_judge(client_of: ClientOf) -> None:
    assert client_of(Group.VIEWER).post(f"/calls/{record()}/verdict", {"verdict": "bad"}).status_code == 403
    assert not Label.objects.exists()


def test_a_verdict_that_is_no_word_is_told(client_of: ClientOf) -> None:
    answer = client_of(Group.OPERATOR).post(f"/calls/{record()}/verdict", {"verdict": "meh"}, follow=True)
    assert "was not kept" in answer.content.decode()
    assert not Label.objects.exists()


@pytest.mark.browser
def test_a_call_is_drilled_into_and_judged(
    sign_in: Callable[[Group], Page], live: World, accessible: Callable[[Page], None]
) -> None:
    name = record()
    page = sign_in(Group.OPERATOR)
    page.goto("/calls/")
    accessible(page)
    page.locator(f'[id="call-{name}"]').click()
    expect(page.get_by_text("No answer in 0.4 s")).to_be_visible()
    expect(page.get_by_text("1 of 2 candidates tried")).to_have_count(0)
    expect(page.get_by_text("a fallback served")).to_be_visible()
    page.get_by_label("Comment on the verdict").fill("compiles")
    page.get_by_role("button", name="Good").click()
    expect(page.get_by_role("cell", name="compiles")).to_be_visible()
    expect(page.get_by_role("button", name="Good")).to_have_attribute("aria-pressed", "true")
    accessible(page)
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    for address in ("/calls/", f"/calls/{name}/"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") == NARROW["width"]
        accessible(page)
