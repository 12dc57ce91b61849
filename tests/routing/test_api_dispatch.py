"""Dispatch, explain, preflight, status, boot and reset over HTTP, and the error body for whatever comes in."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.test import AsyncClient, Client

from routing import circuits, snapshot
from routing.models import Circuit, Cooldown
from routing.policy.health import Rest
from routing.terms.words import CircuitState
from tests.routing.seeded import seeded  # noqa: F401

JSON = "application/json"


class Caller:
    def __init__(self, key):
        self.key = key

    async def post(self, path, body, **headers):
        content = body if isinstance(body, bytes | str) else json.dumps(body)
        headers = {"X-Cortex-Key": self.key, **headers}
        return await AsyncClient().post(f"/api/v1/{path}", content, content_type=JSON, headers=headers)

    def get(self, path):
        return Client().get(f"/api/v1/{path}", headers={"X-Cortex-Key": self.key})

    def send(self, path, body=None):
        return Client().post(f"/api/v1/{path}", body, content_type=JSON, headers={"X-Cortex-Key": self.key})


@pytest.fixture
def ci(seeded):  # noqa: F811
    return Caller(seeded)


def error_of(response, status):
    """The error body, which has the contract's parts and no others."""
    assert response.status_code == status, response.content
    assert response["Content-Type"].startswith(JSON)
    error = response.json()["error"]
    assert set(error) <= {"code", "message", "request_id", "retryable", "details"}
    assert error["code"]
    assert error["message"]
    assert error["request_id"]
    return error


async def test_a_task_is_dispatched_to_its_model(ci):
    response = await ci.post("dispatch", {"task_type": "vibe_coding", "prompt": "hello"})
    assert response.status_code == 200, response.content
    told = response.json()
    assert (told["task_type"], told["provider"], told["model"]) == ("vibe_coding", "openai", "codex")
    assert told["reason"] == "route: vibe_coding → codex"
    assert told["output"].startswith("[simulated]")
    assert told["simulated"] is True
    assert set(told["usage"]) == {"input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"}
    assert (told["used_fallback"], told["route_revision"], told["ttft_ms"]) == (False, 1, None)
    assert float(told["cost_usd"]) > 0
    assert [(each["attempt"], each["role"], each["status"]) for each in told["attempts"]] == [(1, "primary", "ok")]


async def test_aliases_messages_overrides_and_phrases_are_understood(ci):
    messages = [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
    ]
    told = (
        await ci.post("dispatch", {"task_type": "coding", "messages": messages, "override_text": "use Opus for this"})
    ).json()
    assert (told["task_type"], told["model"], told["reason"]) == ("vibe_coding", "opus", "override: opus")
    told = (
        await ci.post("dispatch", {"task_type": "strategy", "prompt": "hi", "override": "haiku", "fallback": "none"})
    ).json()
    assert (told["task_type"], told["model"]) == ("complex_reasoning", "haiku")


async def test_explain_shows_the_plan_and_calls_nobody(ci, monkeypatch):
    monkeypatch.setattr("routing.recorder.start", pytest.fail)
    response = await ci.post(
        "route/explain", {"task_type": "heartbeat", "prompt": "hi", "background": True, "override": "opus"}
    )
    told = response.json()
    assert response.status_code == 200
    assert [each["model"] for each in told["candidates"]] == ["gemini-flash", "haiku"]
    opus = next(each for each in told["skipped"] if each["model"] == "opus")
    assert (opus["reason"], opus["detail"]) == ("interactive_only", "interactive only")
    assert told["revision"] == 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param({"task_type": "job description", "prompt": "x"}, 422, "unknown_task_type", id="no such task"),
        pytest.param({"prompt": "x"}, 422, "unknown_task_type", id="no task and no default"),
        pytest.param(
            {"task_type": "coding", "prompt": "x", "override": "opsu"}, 422, "unknown_model", id="no such model"
        ),
        pytest.param(
            {"task_type": "coding", "prompt": "x", "override_text": "use GPT"}, 422, "ambiguous", id="ambiguous"
        ),
        pytest.param({"task_type": "coding"}, 422, "invalid", id="no prompt"),
        pytest.param({"task_type": "coding", "prompt": "x", "messages": []}, 422, "invalid", id="both"),
        pytest.param(
            {"task_type": "coding", "prompt": "x", "base_url": "http://x"}, 422, "invalid", id="names an upstream"
        ),
        pytest.param({"task_type": "coding", "prompt": "x", "max_tokens": 0}, 422, "invalid", id="no tokens"),
        pytest.param({"task_type": "coding", "prompt": "x", "max_tokens": "5"}, 422, "invalid", id="text for a number"),
        pytest.param(
            {"task_type": "coding", "prompt": "x", "max_tokens": 9, "thinking_budget": 9},
            422,
            "invalid",
            id="thinks too long",
        ),
        pytest.param({"task_type": "coding", "prompt": "x", "metadata": {"a": "b\r\nc"}}, 422, "invalid", id="CRLF"),
        pytest.param(
            {"task_type": "embeddings", "prompt": "x", "override": "opus"}, 422, "wrong_kind", id="wrong kind"
        ),
        pytest.param([], 422, "invalid", id="a list"),
        pytest.param("", 422, "invalid", id="nothing"),
        pytest.param("{", 400, "malformed", id="no JSON"),
        pytest.param('{"task_type": "coding", "prompt": NaN}', 400, "malformed", id="NaN"),
        pytest.param('{"temperature": Infinity}', 400, "malformed", id="Infinity"),
        pytest.param('{"temperature": 1' + "0" * 5000 + "}", 400, "malformed", id="5,000 digits"),
        pytest.param('{"prompt": "\\u0000"}', 400, "malformed", id="NUL"),
        pytest.param('{"prompt": "\\ud800"}', 400, "malformed", id="half a surrogate pair"),
        pytest.param("[" * 100_000, 400, "malformed", id="deep"),
        pytest.param(b'{"prompt": "\xff"}', 400, "malformed", id="no UTF-8"),
        pytest.param('{"prompt": "x", "prompt": "y"}', 400, "malformed", id="twice the same key"),
    ],
)
async def test_bad_input_gets_the_error_body(ci, body, status, code):
    assert error_of(await ci.post("dispatch", body), status)["code"] == code


async def test_an_unknown_task_names_the_nearest(ci):
    error = error_of(await ci.post("dispatch", {"task_type": "vibe_codng", "prompt": "x"}), 422)
    assert "vibe_coding" in error["details"]["nearest"]


@pytest.mark.parametrize(
    "headers", [{}, {"X-Cortex-Key": "ck_nope"}, {"Authorization": "Bearer ck_nope"}, {"X-Api-Key": "x"}]
)
async def test_without_a_good_key_nothing_is_dispatched(db, headers):
    snapshot._current = None
    snapshot.forget()
    response = await AsyncClient().post("/api/v1/dispatch", "{}", content_type=JSON, headers=headers)
    assert response.status_code in (401, 503)


async def test_a_cooling_route_is_503_with_the_time_to_come_back(ci):
    until = datetime.now(UTC) + timedelta(seconds=90)
    for provider in ("openai", "anthropic"):
        circuits._shared.cooldowns[provider, "", ""] = Rest(until)
    circuits._shared.version += 1
    response = await ci.post("dispatch", {"task_type": "coding", "prompt": "x"})
    error = error_of(response, 503)
    assert (error["code"], error["retryable"]) == ("no_candidate", True)
    assert 85 <= int(response["Retry-After"]) <= 90
    assert {each["model"] for each in error["details"]["skipped"]} == {"codex", "sonnet"}


def test_preflight_says_what_would_serve_or_409(ci):
    found = ci.get("preflight?task=coding")
    assert (found.status_code, found.json()["model"], found.json()["alternatives"]) == (
        200,
        "openai:codex",
        ["anthropic:sonnet"],
    )
    for provider in ("openai", "anthropic"):
        Cooldown.objects.create(
            provider=provider, credential="", model="", until=datetime.now(UTC) + timedelta(hours=1)
        )
    snapshot.touch_state()
    refused = ci.get("preflight?task=coding")
    assert (error_of(refused, 409)["code"], refused.json()["ok"]) == ("nothing_available", False)
    error_of(ci.get("preflight?task=nonsense+words"), 422)


def test_status_shows_what_rests_and_reset_ends_it(ci):
    later = datetime.now(UTC) + timedelta(minutes=5)
    Cooldown.objects.create(provider="openai", credential="", model="codex", until=later, reason="429")
    Circuit.objects.create(provider="anthropic", model="sonnet", state=CircuitState.OPEN, openings=1, retry_at=later)
    snapshot.touch_state()
    told = ci.get("status").json()
    assert [(each["provider"], each["model"]) for each in told["cooldowns"]] == [("openai", "codex")]
    assert 290 <= told["cooldowns"][0]["seconds_left"] <= 300
    assert [(each["provider"], each["model"], each["state"]) for each in told["circuits"]] == [
        ("anthropic", "sonnet", "open")
    ]
    assert {each["model"]: each["available"] for each in told["models"]}["openai:codex"] is False
    assert ci.send("providers/openai/reset").json()["ended"] == 1
    assert ci.get("status").json()["cooldowns"] == []
    assert ci.send("reset").json()["ended"] == 1
    assert ci.get("status").json()["circuits"] == []
    error_of(ci.send("providers/nobody/reset"), 404)


def test_boot_says_whether_it_is_safe_to_start(ci):
    told = ci.get("boot").json()
    assert (told["ok"], told["blocked_tasks"]) == (True, []), "a task whose models a person switched off is not a fault"
    assert told["recommended"]["vibe_coding"] == "openai:codex"
    assert told["degradation"]["level"] == 1
