"""Quotas and usage over HTTP: what is taken, what is refused and how the refusal mends itself."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from routing.models import AuditEvent, Quota, UsageReading
from tests.routing.seeded import seeded  # noqa: F401


@pytest.fixture
def ci(seeded: str) -> "Caller":  # noqa: F811
    return Caller(seeded)


class Caller:
    def __init__(self, key: str) -> None:
        self.headers = {"X-Cortex-Key": key}

    def get(self, path: str) -> Any:
        return Client().get(f"/api/v1/{path}", headers=self.headers).json()

    def post(self, path: str, body: Any = None) -> Any:
        return Client().post(f"/api/v1/{path}", body or {}, content_type="application/json", headers=self.headers)


def test_a_quota_is_exhausted_until_a_date_and_released(ci: Caller, settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    told = ci.post("quotas/codex-cli/exhaust", {"until": "2099-02-03", "reason": "weekly limit"}).json()
    assert (told["quota"], told["exhausted"], told["reason"]) == ("codex-cli", True, "weekly limit")
    assert datetime.fromisoformat(told["until"]) == datetime(2099, 2, 2, 23, tzinfo=UTC)
    assert told["seconds_left"] > 0
    assert AuditEvent.objects.latest("sequence").actor_name.startswith("key ck_")
    assert ci.get("quotas/codex-cli")["exhausted"] is True

    told = ci.post("quotas/codex-cli/release").json()
    assert (told["exhausted"], told["released"], told["until"]) == (False, True, None)
    assert ci.post("quotas/codex-cli/release").json()["released"] is False


@pytest.mark.parametrize("body", [{}, {"until": None}])
def test_without_a_date_it_is_exhausted_until_it_is_released(ci: Caller, body: dict[str, Any]) -> None:
    told = ci.post("quotas/codex-cli/exhaust", body).json()
    assert (told["exhausted"], told["until"], told["seconds_left"]) == (True, None, None)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            {"until": "Feb 3"},
            r"until: 'Feb 3' is no date: write 20\d\d-02-03 for the beginning of that day in UTC, or ",
        ),
        ({"until": "2020-01-01"}, r"until: 2020-01-01 is over"),
        ({"until": "9999-12-31T23:59-12:00"}, r"until: .* lies outside the years 2000 to 9998"),
        ({"until": 5}, "Not accepted: until"),
        ({"until": "2099-02-03", "reason": "x" * 301}, "Not accepted: reason"),
        ({"until": "2099-02-03", "reason": "two\nlines"}, "Not accepted: reason"),
        ({"till": "2099-02-03"}, "Not accepted: till"),
    ],
)
def test_a_date_that_is_none_is_422_with_the_mend(ci: Caller, body: dict[str, Any], words: str) -> None:
    answer = ci.post("quotas/codex-cli/exhaust", body)
    assert answer.status_code == 422
    assert re.match(words, answer.json()["error"]["message"])
    assert not Quota.objects.filter(exhausted=True).exists()


def test_an_unknown_quota_is_404_and_names_those_there_are(ci: Caller) -> None:
    for act in ("exhaust", "release"):
        answer = ci.post(f"quotas/codex/{act}")
        assert answer.status_code == 404
        assert "Known: codex-cli, codex-code-review" in answer.json()["error"]["message"]


def test_a_reading_moves_the_degradation_and_tells_what_it_crossed(ci: Caller) -> None:
    resets_at = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    told = ci.post("usage", {"provider": "anthropic", "window": "weekly", "percent": 92, "resets_at": resets_at}).json()
    assert (told["percent"], told["crossed"]) == (92, [20, 40, 60, 80, 90])
    there = told["degradation"]
    assert (there["level"], there["levels"], there["next_at"]) == (4, 6, 95)
    assert there["allowed"][:2] == ["anthropic:sonnet", "openai:codex"]
    (window,) = [each for each in ci.get("status")["usage"] if each["provider"] == "anthropic"]
    assert (window["window"], window["percent"], window["state"], window["source"]) == ("weekly", 92, "known", "pushed")
    assert len(ci.get("alerts")["items"]) == 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"percent": -1}, {"percent": 1001}, {"percent": "many"}, {"percent": None}, {"window": ""}, {"window": "x" * 61},
        {"window": "two\nlines"}, {"provider": "mars"}, {"resets_at": "Feb 3"}, {"resets_at": "2020-01-01"}, {"colour": "red"},
    ],
)  # fmt: skip
def test_a_reading_that_cannot_be_is_422_and_is_not_kept(ci: Caller, wrong: dict[str, Any]) -> None:
    answer = ci.post("usage", {"provider": "anthropic", "window": "weekly", "percent": 10, **wrong})
    assert answer.status_code == 422, answer.content
    assert next(iter(wrong)) in answer.json()["error"]["message"]
    assert not UsageReading.objects.exists()


def test_status_tells_every_quota_with_its_windows_and_every_providers_last_hour(ci: Caller) -> None:
    told = ci.get("status")
    quotas = {each["quota"]: each for each in told["quotas"]}
    assert quotas["codex-cli"]["models"] == ["openai:codex"]
    assert quotas["codex-cli"]["windows"][0]["reason"] == "never read, and no limit is set to compute it from"
    assert {each["provider"]: each["last_hour"]["attempts"] for each in told["providers"]}["openai"] == 0
    assert told["degradation"]["warning"].startswith("Usage is unknown")
