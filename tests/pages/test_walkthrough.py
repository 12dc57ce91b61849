"""The main job, as a newcomer does it: `make demo`'s own process, a log-in, an edited route, a proposal approved and reverted, and dispatch
following each time, on two workers."""

import json
import re
import shutil
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.cortex.processes import Managed, until
from tests.pages.conftest import is_trouble

WORKERS = 2
SESSIONS = 40  # of which nearly all are served by the primary, whatever share a challenger has


@dataclass(frozen=True)
class Demo:
    """What `up --demo` printed, and a key for it."""

    address: str
    password: str
    key: str

    def ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "X-Cortex-Key": self.key}
        request = urllib.request.Request(f"{self.address}api/v1/{path}", json.dumps(body).encode(), headers)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def served(self, task_type: str) -> set[str]:
        """The models that now serve the task type as its primary, on whichever worker takes the call."""
        sessions = [f"{uuid4()}" for _ in range(SESSIONS)]  # new ones: one that has begun keeps its model
        asked = ({"task_type": task_type, "prompt": "Go", "max_tokens": 5, "session": each} for each in sessions)
        answers = (self.ask("dispatch", each) for each in asked)
        return {each["model"] for each in answers if each["attempts"][0]["role"] == "primary"}


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """`manage.py up --demo` in an empty data dir, with nothing set."""
    data_dir = Path(tempfile.mkdtemp(prefix="cortex-demo-", dir="/tmp"))
    data_dir.chmod(0o755)
    unset = ("DATABASE_URL", "CORTEX_TRIAL", "CORTEX_SECRET_KEY", "CORTEX_ENCRYPTION_KEYS", "CELERY_BROKER_URL")
    up = Managed(
        *("up", "--demo", "--bind", "127.0.0.1:0", "--workers", str(WORKERS)),
        output=tmp_path / "output",
        env={"CORTEX_DATA_DIR": str(data_dir), **dict.fromkeys(unset)},
    )
    try:
        until(lambda: up.said("Ctrl-C stops everything."), within_s=240)
        said = up.output.read_text()
        assert "A first dispatch of" in said
        assert "The nightly run on the sample history proposed:" in said
        address = re.search(r"Cortex is at (\S+)", said)
        password = re.search(r"Log in as admin with the password (\S+)", said)
        assert address
        assert password
        yield Demo(address[1], password[1], (data_dir / "secrets/first_key").read_text().strip())
        up.process.terminate()
        assert up.exit_code() == 0
    finally:
        up.clear_up()
        shutil.rmtree(data_dir, ignore_errors=True)


@pytest.fixture
def page(demo: Demo, browser: Browser) -> Iterator[Page]:
    """A browser that nobody is logged in with, and that fails the test on a console error or a violation of the policy."""
    troubles: list[str] = []
    context = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=demo.address)
    context.set_default_timeout(20_000)
    context.on("console", lambda message: troubles.append(message.text) if is_trouble(message) else None)
    context.on("weberror", lambda error: troubles.append(str(error.error)))
    yield context.new_page()
    context.close()
    assert troubles == []


def follows(demo: Demo, task_type: str, model: str) -> None:
    """Every worker dispatches to `model` within moments; the contract says 2 s, a busy test machine gets a little more."""
    until(lambda: demo.served(task_type) == {model}, within_s=15)


@pytest.mark.browser
@pytest.mark.long
def test_from_an_empty_folder_to_an_approved_change_and_back(demo: Demo, page: Page) -> None:
    page.goto("/")
    page.get_by_label("Username").or_(page.locator("[name=login]")).first.fill("admin")
    page.locator("[name=password]").fill(demo.password)
    page.get_by_role("button", name=re.compile("log in|sign in", re.IGNORECASE)).click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()

    # a route, edited
    assert demo.served("meeting_summary") == {"sonnet"}
    page.goto("/routing/?q=meeting")
    page.get_by_role("link", name="Edit Meeting summary").click()
    editor = page.locator("#editor-body")
    editor.get_by_role("button", name="Take sonnet out").click()
    expect(editor.get_by_role("button", name="Take sonnet out")).to_have_count(0)
    editor.get_by_role("button", name="Preview", exact=True).last.click()
    editor.get_by_label("Why", exact=True).first.fill("Opus reads the whole meeting")
    editor.get_by_role("button", name="Publish").click()
    expect(page.get_by_text(re.compile(r"revision \d+ is in force"))).to_be_visible()
    follows(demo, "meeting_summary", "opus")

    # a proposal, read and approved
    assert demo.served("translate") == {"gemini-flash"}
    page.goto("/proposals/?task=translate")
    page.get_by_role("link", name=re.compile("Look and decide")).click()
    expect(page.get_by_role("heading", name=re.compile("gemini-flash → haiku"))).to_be_visible()
    expect(page.get_by_text("95 % interval").first).to_be_visible()
    page.get_by_role("button", name="Approve").first.click()
    dialog = page.get_by_role("dialog", name="Approve this change")
    dialog.get_by_role("textbox").fill("Half the calls, a tenth of the price")
    dialog.get_by_role("button", name="Approve and publish").click()
    expect(page.get_by_text("Applied as")).to_be_visible()
    follows(demo, "translate", "haiku")

    # and reverted
    page.get_by_role("button", name="Revert").first.click()
    dialog = page.get_by_role("dialog", name="Revert this change")
    dialog.get_by_role("textbox").fill("Only trying")
    dialog.get_by_role("button", name="Revert").click()
    expect(page.get_by_text("reverted by")).to_be_visible()
    follows(demo, "translate", "gemini-flash")
