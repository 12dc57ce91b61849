"""The evidence and its decisions over HTTP, with a key."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from analytics import weekly
from analytics.models import Proposal
from routing import clients, people, snapshot
from routing.audit import SYSTEM
from routing.terms.words import Group, Scope
from tests.analytics.conftest import summaries

Ask = Callable[..., tuple[int, Any]]


@pytest.fixture
def ask(table: None, client: Client) -> Ask:
    """Asks as a key of ben, an approver: (status, body)."""
    ben = User.objects.create_user("ben")
    people.put(ben, Group.APPROVER)
    key = clients.create_key("ci", scopes=(Scope.READ, Scope.APPROVE, Scope.MANAGE), by=SYSTEM, maker=ben).key
    snapshot.load_now()

    def send(method: str, path: str, body: object = None, key: str = key) -> tuple[int, Any]:
        data = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        response = getattr(client, method)(f"/api/v1{path}", headers={"x-cortex-key": key}, **data)
        return response.status_code, response.json()

    return send


def test_a_proposal_is_read_approved_and_reverted_with_a_key(ask: Ask) -> None:
    summaries(10, per_night=110)
    status, listed = ask("get", "/proposals?status=open")
    assert (status, listed["next"]) == (200, None)
    [one] = listed["items"]
    assert (one["from"], one["to"], one["kind"], one["status"]) == (
        "anthropic:haiku",
        "anthropic:sonnet",
        "quality",
        "open",
    )
    assert ask("get", f"/proposals/{one['id']}") == (200, one)
    status, refused = ask("post", f"/proposals/{one['id']}/reject", {"comment": " "})
    assert (status, refused["error"]["details"]) == (422, [{"field": "comment", "problem": "say why it is rejected"}])
    status, done = ask("post", f"/proposals/{one['id']}/approve", {"comment": "Agreed"})
    assert (status, done["status"], done["comment"]) == (200, "approved", "Agreed")
    assert done["decided_by"].endswith("of ci")
    assert done["applied_revision"] > one["base_revision"]
    status, refused = ask("post", f"/proposals/{one['id']}/reject", {"comment": "Too late"})
    assert (status, refused["error"]["code"]) == (409, "already_decided")
    status, undone = ask("post", f"/proposals/{one['id']}/revert", {})
    assert (status, undone["reverted_revision"]) == (200, done["applied_revision"] + 1)


def test_every_amount_of_money_is_a_decimal_string(ask: Ask) -> None:
    summaries(10, per_night=110)
    [proposal] = ask("get", "/proposals")[1]["items"]
    [comparison] = ask("get", "/comparisons")[1]["items"]
    what_if = ask("get", f"/proposals/{proposal['id']}/what-if")[1]
    amounts = [what_if["cost_per_month_usd"], proposal["saving_per_month_usd"], comparison["saving_bound"]]
    for found in (proposal["evidence"], comparison):
        amounts += [found[name] for name in ("cost", "cost_incumbent", "cost_challenger", "saving_per_day")]
    flat = [each for one in amounts for each in (one.values() if isinstance(one, dict) else [one])]
    assert len(flat) == 3 + 2 + 2 * (3 + 3)
    assert all(re.fullmatch(r"-?\d+\.\d{2,10}", each) for each in flat), flat


def test_comparisons_say_their_verdict_or_what_is_missing(ask: Ask) -> None:
    last = summaries(3, per_night=20)
    status, listed = ask("get", "/comparisons?task_type=meeting_summary")
    assert status == 200
    [one] = listed["items"]
    assert (one["night"], one["incumbent"], one["challenger"], one["verdict"]) == (
        str(last),
        "anthropic:haiku",
        "anthropic:sonnet",
        None,
    )
    assert one["n_incumbent"] + one["n_challenger"] == 60
    assert "graded calls of sonnet" in one["sentence"]
    assert ask("get", "/comparisons?as_of=2020-01-01") == (200, {"items": [], "next": None})


def test_a_what_if_tells_the_difference_like_for_like(ask: Ask) -> None:
    summaries(10, per_night=110, cost=("0.01", "0.02"))
    number = Proposal.objects.get().pk
    status, told = ask("get", f"/proposals/{number}/what-if")
    assert status == 200
    assert told["success"]["low"] > 0
    # Two thirds of 110 items a night are the incumbent's: a cent more each, 30 nights.
    month = {side: float(amount) for side, amount in told["cost_per_month_usd"].items()}
    assert month["estimate"] == pytest.approx(22, rel=0.02)
    assert month["low"] <= 22 <= month["high"] * 1.02


def test_an_exploration_is_begun_listed_and_ended(ask: Ask) -> None:
    budget = {
        "task_type": "meeting_summary",
        "share": 0.1,
        "challengers": ["anthropic:sonnet"],
        "usd_cap": "3",
        "until": "2030-12-31",
    }
    status, begun = ask("post", "/explorations", budget)
    assert (status, begun["share"], begun["challengers"], begun["usd_cap"]) == (200, 0.1, ["anthropic:sonnet"], "3.00")
    assert [one["id"] for one in ask("get", "/explorations")[1]["items"]] == [begun["id"]]
    assert ask("delete", f"/explorations/{begun['id']}")[0] == 200
    assert ask("get", "/explorations")[1]["items"] == []
    assert ask("delete", f"/explorations/{begun['id']}")[0] == 404


def test_a_review_is_told_by_its_week(ask: Ask) -> None:
    last = summaries(6, per_night=20)
    review = weekly.run(f"{last.isocalendar().year}-W{last.isocalendar().week:02d}")
    status, listed = ask("get", "/reviews")
    assert (status, [one["week"] for one in listed["items"]]) == (200, [review.week])
    status, told = ask("get", f"/reviews/{review.week}")
    assert (status, told["sha256"]) == (200, review.sha256)
    assert ask("get", "/reviews/2020-W01")[0] == 404


WRONG = {
    "an unknown proposal": ("get", "/proposals/999999", None, 404, "not_found"),
    "a proposal number beyond all integers": ("get", f"/proposals/{10**30}", None, 404, "not_found"),
    "a status that is none": ("get", "/proposals?status=maybe", None, 422, "invalid"),
    "a limit over 500": ("get", "/proposals?limit=501", None, 422, "invalid"),
    "a cursor that is none": ("get", "/guards?cursor=x", None, 422, "invalid"),
    "a date that is none": ("get", "/comparisons?as_of=yesterday", None, 422, "invalid"),
    "a NUL in a task type": ("get", "/comparisons?task_type=%00", None, 422, "invalid"),
    "a week that is none": ("get", "/reviews/2026-W99", None, 422, "invalid"),
    "a comment that is none": ("post", "/proposals/1/reject", {"comment": ["x"]}, 422, "invalid"),
    "an exploration of nothing": ("post", "/explorations", {"task_type": "x"}, 422, "invalid"),
    "an exploration of an unknown model": (
        "post", "/explorations",
        {"task_type": "meeting_summary", "share": 0.1, "challengers": ["no:one"], "usd_cap": "1", "until": "2030-01-01"}, 422, "invalid",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "status", "code"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_told_in_the_contracts_body(
    ask: Ask, method: str, path: str, body: object, status: int, code: str
) -> None:
    answered, told = ask(method, path, body)
    assert (answered, told["error"]["code"]) == (status, code)
    assert set(told["error"]) >= {"code", "message", "request_id", "retryable"}


def test_reading_and_deciding_take_their_own_scopes(ask: Ask, table: None) -> None:
    reader = clients.create_key("reader", by=SYSTEM, scopes=(Scope.READ,)).key
    snapshot.load_now()
    assert ask("get", "/alerts", key=reader) == (200, {"items": [], "next": None})
    assert ask("post", "/proposals/1/approve", {}, key=reader)[0] == 403
    assert ask("get", "/guards", key="ck_nobody")[0] == 401


def test_lists_go_on_where_the_cursor_says(ask: Ask) -> None:
    for number in range(5):
        Proposal.objects.create(
            kind="trial",
            task_type=f"t{number}",
            explanation="x",
            opened_on="2026-06-01",
            as_of="2026-06-01",
            supported_on="2026-06-01",
        )
    seen, path = [], "/proposals?limit=2"
    while path:
        _, page = ask("get", path)
        seen += [one["task_type"] for one in page["items"]]
        path = f"/proposals?limit=2&cursor={page['next']}" if page["next"] else ""
    assert seen == ["t4", "t3", "t2", "t1", "t0"]
