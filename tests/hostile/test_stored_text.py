"""Stored text is text: scripts in every field that a stranger or a provider fills run nowhere, and no export is a live formula."""

import csv
import io
import re
from collections.abc import Callable
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from django.test import Client
from playwright.sync_api import Dialog, Page

from analytics import nightly, weekly
from analytics.models import Proposal, Review
from analytics.reviews import week_of
from routing import changes, clients, snapshot
from routing.audit import SYSTEM
from routing.models import Alert, Attempt, Call, Label, Model, Project, Quota, TaskType
from routing.models import Client as ClientRow
from routing.terms.words import Group, Scope
from tests.hostile import addresses
from tests.hostile.scripts import SCRIPTS
from tests.pages.conftest import (  # noqa: F401
    World,
    base_url,
    browser_type_launch_args,
    context,
    live,
    nursery,
    server,
    sign_in,
    world,
)
from tests.pages.evidence import TASK, proved, unproved
from tests.pages.test_calls import record
from tests.routing.conftest import _as_a_new_process  # noqa: F401


class Running(HTMLParser):
    """Finds what a browser would run: handlers, addresses and elements that hold a script of ours."""

    @classmethod
    def found_in(cls, text: str) -> list[str]:
        found = cls()
        found.bad, found.inside = [], ""
        found.feed(text)
        return found.bad

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag
        for name, value in attrs:
            is_script = name in ("href", "src", "action") and (value or "").strip().lower().startswith("javascript:")
            if is_script or name.startswith("on"):
                self.bad.append(f"<{tag} {name}={value}>")

    def handle_data(self, data: str) -> None:
        if self.inside in ("script", "style") and "alert" in data:
            self.bad.append(f"<{self.inside}>{data}")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""


def fill(scripts: list[str]) -> list[str]:
    """Every text that a person, a client or a provider can write, one script after another. The ids of calls."""
    every = " ".join(scripts)
    TaskType.objects.update(name=scripts[0][:120])
    Model.objects.update(
        name=scripts[1][:120],
        used_for=scripts[2][:200],
        upstream_id=scripts[3][:200],
        tags=[each[:24] for each in scripts[:8]],
    )
    Project.objects.create(slug="p", name=scripts[4])
    Quota.objects.update(name=scripts[5], reason=scripts[6], exhausted=True)
    part = {"task_type": "vibe_coding", "steps": ["openai:codex", "anthropic:sonnet"], "note": every[:4000]}
    changes.publish({"routes": [part]}, by=SYSTEM, reason=every[:2000], source="console")
    clients.create_key("ci", by=SYSTEM, scopes=(Scope.READ,))
    ClientRow.objects.update(name=scripts[7])
    for number, script in enumerate(scripts):
        Alert.objects.create(key=f"a{number}", kind="quota", title=script, detail=every, subject=script[:200])
    found = []
    for number, script in enumerate(scripts):
        call = record(
            timedelta(minutes=number), task_type=script[:120], client=script[:120], session=script, served_model=script, routed_model=script,
            requested_model=script, reason=every[:500], metadata={script: script}, project=script[:120], error_code=script[:40], candidates=scripts,
        )  # fmt: skip
        Attempt.objects.filter(call_id=call).update(
            error_message=every[:500], model=script[:120], provider=script[:120], served_model=script[:200]
        )
        item = Call.objects.get(pk=call).item_id
        Label.objects.filter(item_id=item).update(comment=every)
        found.append(str(call))
    return found


def every_address(calls: list[str]) -> list[str]:
    pages = addresses.pages()
    from tests.hostile.test_who_may_what import PAGES

    found = [pages[name] for name, (_, methods) in PAGES.items() if "GET" in methods and name != "review-download"]
    found += [f"/calls/{call}/" for call in calls[:4]]
    found += [f"/proposals/{pk}/" for pk in Proposal.objects.values_list("pk", flat=True)]
    found += [f"/reviews/{week}/" for week in Review.objects.values_list("week", flat=True)]
    return [
        *found,
        "/history/2/",
        "/history/compare?from=1&to=2",
        f"/tasks/{TASK}/",
        "/route-test/?task_type=vibe_coding",
    ]


def test_what_is_stored_is_escaped_on_every_page(world: World) -> None:  # noqa: F811
    unproved()
    calls = fill(SCRIPTS)
    client = Client()
    client.force_login(world[Group.ADMIN])
    shown = ""
    for address in every_address(calls):
        for headers in ({}, {"HX-Request": "true"}):
            answer = client.get(address, headers=headers)
            assert answer.status_code in (200, 404, 422), address
            text = answer.content.decode()
            assert Running.found_in(text) == [], address
            shown += text
    assert shown.count("alert(") > 100  # the pages did show it


@pytest.mark.browser
def test_what_is_stored_runs_nowhere(sign_in: Callable[[Group], Page], live: World) -> None:  # noqa: F811
    """The context fails by itself on a violation of the content security policy."""
    proved(7)
    Proposal.objects.update(explanation=" ".join(SCRIPTS), comment=SCRIPTS[0])
    calls = fill(SCRIPTS)
    page = sign_in(Group.ADMIN)
    dialogs: list[str] = []

    def told(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", told)
    snapshot.load_now()
    reader = Client()
    reader.force_login(live[Group.ADMIN])
    for address in every_address(calls):
        # A sample that is not there is an error to the browser, and a part of a page has no icon.
        if reader.get(address).status_code != 200 or address == addresses.pages()["route-picks"]:
            continue
        page.goto(address)
        page.evaluate(
            "new Promise(done => requestAnimationFrame(() => setTimeout(done, 50)))"
        )  # what an onerror would need
        assert page.evaluate("document.querySelectorAll('[onerror], [onload], [ontoggle], iframe').length") == 0, (
            address
        )
    assert dialogs == []


def test_no_export_is_a_live_formula(world: World) -> None:  # noqa: F811
    last = None
    for number, script in enumerate(SCRIPTS):
        record(timedelta(days=7, minutes=number), task_type=script[:120], client=script[:120], session=script)
        last = script
    assert last is not None
    key = clients.create_key("ci", by=SYSTEM, scopes=(Scope.READ, Scope.MANAGE)).key
    answer = Client().get("/api/v1/calls/export", headers={"X-Cortex-Key": key})
    rows = list(csv.reader(io.StringIO("".join(part.decode() for part in answer.streaming_content))))
    assert len(rows) > len(SCRIPTS)
    client = Client()
    client.force_login(world[Group.VIEWER])
    day = Call.objects.latest("started_at").started_at.date()
    nightly.run_until(day)
    weekly.run(week_of(day))
    review = client.get(f"/reviews/{week_of(day)}/csv")
    assert review.status_code == 200
    rows += list(csv.reader(io.StringIO(review.content.decode())))
    cells = [cell for row in rows for cell in row if cell]
    assert any("HYPERLINK" in cell for cell in cells)
    for cell in cells:
        assert cell[0] not in "=+@\t\r" or re.fullmatch(r"[+-]?[0-9.]+", cell), cell
        assert not re.match(r"-[^0-9.]", cell), cell
