"""Jobs: batches with how far they are, cancelled by who may, drilled into; runs of the scheduled jobs; imports."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from playwright.sync_api import Page, expect

from routing import secrets
from routing.models import Batch, BatchItem, ImportFile, JobRun
from routing.models import Client as ClientRow
from routing.terms.ids import uuid7
from routing.terms.words import Group
from tests.pages.conftest import NARROW, World

ClientOf = Callable[[Group], Client]
ANSWER = {"output": "def add(a, b): <b>return</b> a + b", "model": "codex", "provider": "openai", "simulated": True}
STATES = ("done", "done", "failed", "unknown", "running", "queued", "queued", "queued", "queued", "queued")


def sent(call: UUID | None = None, **changes: Any) -> Batch:
    """A batch of ten in the middle of its run."""
    client, _ = ClientRow.objects.get_or_create(slug="ci")
    now = datetime.now(UTC)
    fields = {"status": "running", "total": len(STATES), "purge_at": now + timedelta(days=7), **changes}
    batch = Batch.objects.create(client=client, key_prefix="ck_ab12", **fields)
    for position, status in enumerate(STATES):
        item = BatchItem(batch=batch, position=position, status=status, body=b"sealed")
        if status not in ("queued", "running"):
            item.finished_at, item.call_id, item.tries, item.body = now, call or uuid7(now), 1, None
        if status == "done":
            item.cost_usd, item.input_tokens, item.output_tokens = "0.0021", 100, 20  # type: ignore[assignment]
            item.answer = secrets.encrypt(json.dumps(ANSWER))
        if status == "failed":
            item.error_code = "provider_refused"
            item.answer = secrets.encrypt(json.dumps({"error": {"code": "provider_refused", "message": "No poems."}}))
        if status == "unknown":
            item.error_code = "outcome_unknown"
        item.save()
    return batch


def test_the_page_of_jobs_tells_batches_runs_and_imports(client_of: ClientOf) -> None:
    batch, now = sent(), datetime.now(UTC)
    JobRun.objects.create(
        job="nightly", key="2026-11-26", status="done", started_at=now, finished_at=now + timedelta(seconds=90)
    )
    JobRun.objects.create(job="weekly", key="2026-W47", status="failed", error="OSError: no disk")
    ImportFile.objects.create(sha256="0" * 64, name="november.csv", form="csv", added=1200, bad=3)
    page = client_of(Group.VIEWER).get("/jobs/").content.decode()
    for said in (
        f"/jobs/batches/{batch.pk}/",
        "4 of 10",
        "4 of 10 calls are over",
        "2026-11-26",
        "90.0 s",
        "OSError: no disk",
    ):
        assert said in page, said
    assert "november.csv" in page
    assert 'hx-trigger="every 2s"' in page, "something runs: it is looked at again"
    assert "OSError" not in client_of(Group.VIEWER).get("/jobs/?job=nightly").content.decode()


def test_what_is_over_is_not_polled(client_of: ClientOf) -> None:
    batch = sent(status="done", finished_at=datetime.now(UTC))
    for address in ("/jobs/", f"/jobs/batches/{batch.pk}/"):
        assert "every 2s" not in client_of(Group.VIEWER).get(address).content.decode(), address


def test_the_part_that_changes_is_asked_for_alone(client_of: ClientOf) -> None:
    batch, client = sent(), client_of(Group.VIEWER)
    for address, begins in (
        ("/jobs/", '<div class="card" id="batches"'),
        (f"/jobs/batches/{batch.pk}/", '<div class="card-stack" id="state"'),
    ):
        part = client.get(address, headers={"HX-Request": "true"}).content.decode().strip()
        assert part.startswith(begins), address


def test_a_batch_tells_each_item_and_its_call(client_of: ClientOf) -> None:
    batch = sent()
    answer = client_of(Group.OPERATOR).get(f"/jobs/batches/{batch.pk}/")
    page = answer.content.decode()
    items = answer.context["items"]
    assert [each["status"] for each in items] == list(STATES)
    assert f"/calls/{items[0]['request_id']}/" in page
    assert "provider_refused" in page
    assert answer.context["told"].counts == {
        "queued": 5, "running": 1, "done": 2, "failed": 1, "cancelled": 0, "unknown": 1
    }  # fmt: skip
    only = client_of(Group.VIEWER).get(f"/jobs/batches/{batch.pk}/?status=failed")
    assert [each["position"] for each in only.context["items"]] == [2]


def test_only_an_operator_reads_answers_and_they_are_text(client_of: ClientOf) -> None:
    batch = sent()
    for path in ("items/0/", "results"):
        assert client_of(Group.VIEWER).get(f"/jobs/batches/{batch.pk}/{path}").status_code == 403
    page = client_of(Group.OPERATOR).get(f"/jobs/batches/{batch.pk}/items/0/").content.decode()
    assert "def add(a, b): &lt;b&gt;return&lt;/b&gt; a + b" in page
    assert "No poems." in client_of(Group.OPERATOR).get(f"/jobs/batches/{batch.pk}/items/2/").content.decode()
    assert client_of(Group.OPERATOR).get(f"/jobs/batches/{batch.pk}/items/77/").status_code == 404
    lines = b"".join(client_of(Group.OPERATOR).get(f"/jobs/batches/{batch.pk}/results").streaming_content)  # type: ignore[arg-type]
    assert len(lines.splitlines()) == 10


def test_an_operator_cancels_a_batch_and_a_viewer_does_not(client_of: ClientOf) -> None:
    batch = sent()
    assert client_of(Group.VIEWER).post(f"/jobs/batches/{batch.pk}/cancel").status_code == 403
    told = client_of(Group.OPERATOR).post(f"/jobs/batches/{batch.pk}/cancel", {"running": "finish"}, follow=True)
    assert "is cancelled" in told.content.decode()
    batch.refresh_from_db()
    assert (batch.status, batch.stops_running) == ("cancelled", False)
    assert BatchItem.objects.filter(status="cancelled").count() == 5
    again = client_of(Group.OPERATOR).post(f"/jobs/batches/{batch.pk}/cancel", follow=True)
    assert "was over or cancelled before" in again.content.decode()


@pytest.mark.browser
def test_a_batch_is_followed_cancelled_and_drilled_into(
    live: World, sign_in: Callable[[Group], Page], accessible: Callable[[Page], None]
) -> None:
    batch = sent()
    page = sign_in(Group.OPERATOR)
    page.goto("/jobs/")
    page.get_by_role("link", name=str(batch.pk), exact=True).click()
    expect(page.get_by_text("4 of 10", exact=True)).to_be_visible()
    BatchItem.objects.filter(batch=batch, status="running").update(status="done", body=None)
    expect(page.get_by_text("5 of 10", exact=True)).to_be_visible()  # nobody has reloaded it
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel the batch").click()
    expect(page.get_by_text("10 of 10", exact=True)).to_be_visible()
    page.get_by_role("link", name="0", exact=True).click()
    expect(page.get_by_text("def add(a, b)")).to_be_visible()
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    for address in ("/jobs/", f"/jobs/batches/{batch.pk}/", f"/jobs/batches/{batch.pk}/items/0/"):
        for theme in ("light", "dark"):
            page.evaluate("theme => localStorage.setItem('cortex-theme', theme)", theme)
            page.goto(address)
            assert page.evaluate("document.documentElement.scrollWidth") == NARROW["width"], address
            accessible(page)
