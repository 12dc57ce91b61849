"""Quotas and degradation on the seeds' table, from the outside: by the API, the command line and real dispatches (rows 18 to 27)."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from asgiref.sync import async_to_sync
from django.core.management import call_command
from django.test import AsyncClient, Client

from routing import circuits, drain, snapshot
from routing.models import AuditEvent, Curve, Quota, UsageReading
from routing.terms.candidate import Candidate
from routing.terms.fault import Fault
from routing.terms.words import CredentialKind, ErrorKind, ProviderKind, Role
from tests.routing.seeded import seeded  # noqa: F401

pytestmark = pytest.mark.usefixtures("seeded")
CODEX = Candidate("openai", "codex", "gpt", ProviderKind.OPENAI, "main", CredentialKind.API_KEY, Role.PRIMARY, "")


def routing(line: str) -> Any:
    out = StringIO()
    call_command("routing", *line.split(), "--json", stdout=out)
    return json.loads(out.getvalue())


@pytest.fixture
def key(seeded: str) -> str:  # noqa: F811
    return seeded


def get(key: str, path: str) -> Any:
    return Client().get(f"/api/v1/{path}", headers={"X-Cortex-Key": key}).json()


def post(key: str, path: str, body: dict[str, Any]) -> Any:
    answer = Client().post(f"/api/v1/{path}", body, content_type="application/json", headers={"X-Cortex-Key": key})
    assert answer.status_code == 200, answer.content
    return answer.json()


def used(key: str, percent: float, window: str = "weekly", provider: str = "anthropic") -> None:
    post(key, "usage", {"provider": provider, "window": window, "percent": percent})


def served(key: str, task: str) -> str:
    """Who serves a dispatch of the task."""
    snapshot.load_now()
    answer = async_to_sync(AsyncClient().post)(
        "/api/v1/dispatch",
        json.dumps({"task_type": task, "prompt": "hello"}),
        content_type="application/json",
        headers={"X-Cortex-Key": key},
    )
    assert answer.status_code == 200, answer.content
    return f"{answer.json()['provider']}:{answer.json()['model']}"


def test_18_a_quota_is_its_own_object() -> None:
    routing("exhaust codex-cli --until 2099-02-03")
    quotas = {each["quota"]: each["exhausted"] for each in routing("status")["quotas"]}
    assert quotas == {"codex-cli": True, "codex-code-review": False}
    assert routing("check --task code_review")["ok"]


def test_19_exhausted_until_a_date_survives_restarts_and_is_seen_by_all(key: str) -> None:
    routing("exhaust codex-cli --until 2099-02-03T12:00Z")
    snapshot.forget()
    (told,) = [each for each in get(key, "status")["quotas"] if each["exhausted"]]
    assert (told["quota"], told["until"]) == ("codex-cli", "2099-02-03T12:00:00+00:00")
    skipped = {each["model"]: each for each in get(key, "preflight?task=coding")["skipped"]}
    assert (skipped["codex"]["reason"], skipped["codex"]["until"]) == ("quota_exhausted", told["until"])


def test_20_it_resets_by_itself_with_one_event() -> None:
    routing("exhaust codex-cli --until 2099-02-03")
    assert routing("check --task coding")["model"] == "anthropic:sonnet"
    with time_machine.travel(datetime(2099, 2, 3, tzinfo=UTC), tick=False):
        assert [routing("check --task coding")["model"] for _ in range(3)] == ["openai:codex"] * 3
        assert not Quota.objects.filter(exhausted=True).exists()
    assert AuditEvent.objects.filter(action="quota.reset").count() == 1


@pytest.mark.parametrize(("percent", "provider"), [(10, "anthropic:sonnet"), (96, "gemini:gemini-flash")])
def test_21_an_exhausted_codex_is_replaced_in_dispatch_as_in_advice(key: str, percent: int, provider: str) -> None:
    routing("exhaust codex-cli --until 2099-02-03")
    used(key, percent)
    assert served(key, "coding") == provider
    assert routing("check --task coding")["model"] == provider


def test_22_the_curve_takes_the_highest_window_and_what_is_unknown_is_shown(key: str) -> None:
    used(key, 96)
    used(key, 10, "5h")
    used(key, 40, "weekly", "openai")
    assert (routing("boot")["degradation"]["level"], routing("boot")["degradation"]["percent"]) == (5, 96)

    UsageReading.objects.update(read_at=datetime.now(UTC) - timedelta(hours=7))
    snapshot.touch_state()
    told = routing("boot")
    assert {each["state"] for each in told["usage"]} == {"unknown"}
    assert (told["degradation"]["level"], told["degradation"]["when_unknown"]) == (1, "allow")
    assert "the curve allows as it does at first" in told["degradation"]["warning"]
    Curve.objects.update(when_unknown="degrade")
    snapshot.touch_state()
    there = routing("boot")["degradation"]
    assert (there["level"], there["warning"]) == (
        2,
        "Usage is unknown: no window was read lately, so the curve stands on level 2.",
    )


@pytest.mark.parametrize(
    ("percent", "level", "allowed"),
    [
        (0, 1, "opus sonnet codex gemini local"),
        (69.9, 1, "opus sonnet codex gemini local"),
        (70, 2, "opus sonnet codex gemini local"),
        (79.9, 2, "opus sonnet codex gemini local"),
        (80, 3, "sonnet codex gemini local"),
        (94.9, 4, "sonnet codex gemini local"),
        (95, 5, "codex gemini local"),
        (99.9, 5, "codex gemini local"),
        (100, 6, "gemini local"),
        (130, 6, "gemini local"),
    ],
)
def test_23_the_curve_is_data_with_inclusive_lower_bounds(key: str, percent: float, level: int, allowed: str) -> None:
    used(key, percent)
    there = routing("boot")["degradation"]
    assert (there["level"], there["levels"]) == (level, 6)
    named = [each.partition(":")[2].removesuffix("-flash") for each in there["allowed"]]
    assert [each for each in dict.fromkeys(named) if each != "gemini-pro"] == allowed.split()


@pytest.mark.parametrize(("percent", "model"), [(10, "opus"), (92, "sonnet"), (96, "codex"), (100, "gemini-flash")])
def test_24_a_curve_replaces_what_it_removes_by_its_own_order(key: str, percent: int, model: str) -> None:
    used(key, percent)
    assert served(key, "strategy").partition(":")[2] == model


def test_25_a_jump_from_10_to_85_is_four_events_once(key: str) -> None:
    for percent in (10, 85, 85):
        used(key, percent)
    told = [each["title"] for each in get(key, "alerts")["items"] if each["kind"] == "usage"]
    assert sorted(told) == [f"anthropic weekly has reached {step} % of its usage" for step in (20, 40, 60, 80)]


@pytest.mark.parametrize("verb", ["status", "boot"])
def test_26_the_terminal_and_the_api_say_the_same(key: str, verb: str) -> None:
    used(key, 85)
    routing("exhaust codex-cli --until 2099-02-03")

    def steady(told: Any) -> Any:
        """Without what goes on with the clock."""
        clocks = ("read_at", "seconds_left", "full_at")
        if isinstance(told, dict):
            return {name: steady(part) for name, part in told.items() if name not in clocks}
        return [steady(part) for part in told] if isinstance(told, list) else told

    assert steady(routing(verb)) == steady(get(key, verb))


def test_27_each_provider_tells_its_last_hour_and_a_reset_frees_what_rests(key: str) -> None:
    fault = Fault(ErrorKind.RATE_LIMIT, "slow down", http_status=429, retry_after_s=600)
    circuits.note(CODEX, fault, cooldown_s=300, quota=None, now=datetime.now(UTC))
    circuits.write_pending()
    assert routing("status")["cooldowns"][0]["seconds_left"] in range(540, 601)
    assert routing("reset openai")["ended"] == 1
    assert routing("status")["cooldowns"] == []

    before = last_hour("openai")
    assert served(key, "vibe_coding") == "openai:codex"
    after = last_hour("openai")
    assert [after[name] - before[name] for name in ("attempts", "ok", "errors")] == [1, 1, 0]


def last_hour(provider: str) -> dict[str, Any]:
    """The provider's attempts, with all that was recorded so far in PostgreSQL."""
    assert drain.flush()
    told = {each["provider"]: each["last_hour"] for each in routing("status")["providers"]}
    found: dict[str, Any] = told[provider]
    return found
