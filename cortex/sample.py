"""Ninety days of sample history for a first look: simulated calls on the table's own routes, graded, explored, and judged by the real nightly job.

Every row says that it is simulated. A day is a function of its date and of the routes as they were when it was made, so that `ensure`
adds what is missing and leaves the rest. What the profiles contain, the evidence has to find: nothing here writes a proposal.
"""

import datetime as dt
import hashlib
import math
import random
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from analytics import nightly, queries, weekly
from analytics.arms import current_routes
from routing import copying, document, rows, snapshot
from routing.audit import SYSTEM
from routing.models import Client
from routing.policy.cost import Rates, amount, card_of
from routing.policy.draw import canonical
from routing.providers.profiles import SimulatedCall, profile
from routing.terms.ids import item_of, uuid7
from routing.terms.request import Usage

CLIENT = "sample"
DAY = dt.timedelta(days=1)
WEEKEND = 0.4  # of a working day's calls
COMPARED = dt.timedelta(days=21)  # nights that are compared one by one
LABELLED = 0.985  # of the items to be graded
FAULTS = (("timeout", None), ("server", 503), ("server", 529))


@dataclass(frozen=True, slots=True)
class Work:
    """How much of a task type there is, and what is tried on the side."""

    per_day: int  # work items of a working day
    explored: Mapping[str, float] | None = None  # challenger "provider:model" → share
    calls: int = 1  # most calls of one work item
    source: str = "validators"  # who grades


HAIKU, SONNET, FLASH = "anthropic:haiku", "anthropic:sonnet", "gemini:gemini-flash"
WORK: Mapping[str, Work] = {
    "translate": Work(100, {HAIKU: 0.25}),
    "bulk_ops": Work(50),
    "code_search": Work(60, {FLASH: 0.2}),
    "meeting_summary": Work(60, {HAIKU: 0.1}, source="person"),
    "classification": Work(45, {FLASH: 0.1}),
    "code_generation": Work(40, {"openai:codex": 0.1}, source="ci"),
    "heartbeat": Work(24),
    "quick_capture": Work(25),
    "code_review": Work(25, {"openai:codex": 0.2}, source="person"),
    "complex_reasoning": Work(25, {"openai:gpt-4o": 0.1}, source="person"),
    "content_drafting": Work(20, source="person"),
    "background_summary": Work(20),
    "vibe_coding": Work(14, {SONNET: 0.2}, calls=5, source="ci"),
    "debugging": Work(10, calls=3, source="person"),
    "research_analysis": Work(10, source="person"),
    "documentation": Work(8, source="person"),
    "security_audit": Work(3, source="person"),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """What is there now."""

    added_calls: int
    days: int
    lines: list[str]  # what the nightly job proposes on it, one sentence a proposal


@dataclass(frozen=True, slots=True)
class Table:
    """What a day is made by."""

    routes: Mapping[str, list[str]]
    rates: Mapping[str, Rates]
    revision: int


def ensure(days: int = 90) -> Sample:
    """See to it that the `days` days before today (UTC) have their sample, and that the nights and weeks on it are run."""
    document.load_seed(SYSTEM)
    today = timezone.now().date()
    missing = _missing([today - days * DAY + number * DAY for number in range(days)])
    added = 0
    if missing:
        Client.objects.get_or_create(slug=CLIENT, defaults={"name": "Sample history (simulated)", "enabled": False})
        now = snapshot.load_now()
        table = Table(current_routes(), now.rates, now.table.revision)
        for start in range(0, len(missing), 15):
            added += _write([call for day in missing[start : start + 15] for call in _day(day, table)])
    nightly.run_until(today - DAY, compare_from=today - COMPARED)
    weekly.run_until(today)
    proposed = queries.proposals(status="open").filter(simulated=True).order_by("pk")
    return Sample(added_calls=added, days=days, lines=[one.explanation for one in proposed])


def _missing(days: list[dt.date]) -> list[dt.date]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT (opened_at AT TIME ZONE 'UTC')::date FROM routing_workitem WHERE client = %s AND opened_at >= %s",
            [CLIENT, dt.datetime.combine(days[0], dt.time(), dt.UTC)],
        )
        there = {day for (day,) in cursor.fetchall()}
    return [day for day in days if day not in there]


Label = tuple[uuid.UUID, str, bool, dt.datetime]
Rows = tuple[dict[str, Any], list[dict[str, Any]], Label | None]


def _day(day: dt.date, table: Table) -> Iterator[Rows]:
    """The calls of one day, task type by task type."""
    for task, work in WORK.items():
        steps = table.routes.get(task) or []
        if steps and all(profile_key in table.rates for profile_key in steps[:1]):
            rng = random.Random(f"{day} {task}")  # noqa: S311 - reproducible on purpose
            for number in range(_count(work, day, rng)):
                yield from _item(day, task, work, number, steps, table, rng)


def _count(work: Work, day: dt.date, rng: random.Random) -> int:
    """Work items of a day: fewer on weekends, a little more every month, never twice the same."""
    trend = 1 + 0.1 * math.sin(day.toordinal() / 11)
    expected = work.per_day * (WEEKEND if day.weekday() >= 5 else 1.0) * trend
    return max(1, round(rng.gauss(expected, math.sqrt(expected))))


def _item(
    day: dt.date, task: str, work: Work, number: int, steps: list[str], table: Table, rng: random.Random
) -> Iterator[Rows]:
    """The calls of one work item; the label comes with the last."""
    shares = _shares(work, steps[0], table)
    (arm,) = rng.choices(list(shares), list(shares.values()))
    session = f"{day:%m%d}-{task}-{number}" if work.calls > 1 else ""
    start = dt.datetime.combine(day, dt.time(), dt.UTC) + dt.timedelta(seconds=_second(rng))
    calls = rng.randint(1, work.calls)
    outcome: SimulatedCall | None = None
    for turn in range(calls):
        at = start + turn * dt.timedelta(seconds=rng.randint(40, 400))
        drawn = profile(arm.partition(":")[2]).draw(task, rng)
        outcome = outcome or drawn
        identity = uuid7(at, hashlib.sha256(f"{CLIENT} {day} {task} {number} {turn}".encode()).digest()[:10])
        call = _call(identity, at, task, session, arm, shares, steps, table)
        attempts = _attempts(call, drawn, arm, steps, task, table, rng)
        label = None
        if turn == calls - 1 and not outcome.failed and rng.random() < LABELLED:
            said = at + dt.timedelta(seconds=rng.randint(30, 1_500))
            label = (call["item_id"], work.source, outcome.success, said)
        # As if estimated from the prompt: what a model bills depends on its own tokenizer.
        call["size"] = round(drawn.input_tokens / profile(arm.partition(":")[2]).tokenizer)
        yield _settled(call, attempts), attempts, label


def _shares(work: Work, primary: str, table: Table) -> dict[str, float]:
    """The share vector in force: challengers that the table knows, the rest for the primary."""
    others = {key: share for key, share in (work.explored or {}).items() if key != primary and key in table.rates}
    return {primary: round(1 - sum(others.values()), 6), **others}


def _second(rng: random.Random) -> int:
    """A second of the day, mostly in working hours; late evenings stay free, so that a session ends on its day."""
    return min(max(round(rng.gauss(13.5, 3.2) * 3600), 600), 81_000)


def _call(
    identity: uuid.UUID,
    at: dt.datetime,
    task: str,
    session: str,
    arm: str,
    shares: Mapping[str, float],
    steps: list[str],
    table: Table,
) -> dict[str, Any]:
    is_primary = arm == steps[0]
    return {
        "id": identity, "external_id": "", "started_at": at, "error_code": "", "task_type": task, "project": "", "client": CLIENT,
        "key_prefix": "", "wire": "native", "session": session, "item_id": item_of(task, CLIENT, session or str(identity)),
        "shares": canonical(list(shares.items())), "draw": None, "drawn": True, "grading_p": 1,
        "role": "primary" if is_primary else "explore", "propensity": shares[arm], "route_revision": table.revision,
        "candidates": copying.as_json([arm, *(step for step in steps if step != arm)]), "requested_model": "", "routed_model": arm,
        "would_route": "", "background": False, "stream": True, "simulated": True, "imported": True,
        "reason": f"route: {task} → {steps[0].partition(':')[2]}" if is_primary else f"explored: {arm.partition(':')[2]}",
        "metadata": "{}", "context": "",
    }  # fmt: skip


def _attempts(
    call: dict[str, Any], drawn: SimulatedCall, arm: str, steps: list[str], task: str, table: Table, rng: random.Random
) -> list[dict[str, Any]]:
    """The first try, and when it failed the route's next step."""
    first = _attempt(call, 1, arm, call["role"], call["propensity"], drawn, table, rng)
    rest = [step for step in steps if step != arm and step in table.rates]
    if not drawn.failed or not rest:
        return [first]
    rescue = profile(rest[0].partition(":")[2]).draw(task, rng)
    return [first, _attempt(call, 2, rest[0], "fallback", None, rescue, table, rng)]


def _attempt(
    call: dict[str, Any],
    number: int,
    key: str,
    role: str,
    propensity: float | None,
    drawn: SimulatedCall,
    table: Table,
    rng: random.Random,
) -> dict[str, Any]:
    provider, _, model = key.partition(":")
    usage = Usage(input_tokens=drawn.input_tokens, output_tokens=drawn.output_tokens)
    card = None if drawn.failed else card_of(table.rates.get(key), usage)
    kind, http = rng.choice(FAULTS) if drawn.failed else ("", None)
    return {
        "call_id": call["id"], "attempt": number, "started_at": call["started_at"], "provider": provider, "model": model,
        "upstream_id": f"simulated/{model}", "served_model": "" if drawn.failed else f"simulated/{model}", "credential": "",
        "credential_kind": "none", "role": role, "propensity": propensity, "route_revision": call["route_revision"],
        "status": "error" if drawn.failed else "ok", "error_kind": kind, "http_status": http or (None if drawn.failed else 200),
        "error_message": "A simulated fault" if drawn.failed else "",
        "input_tokens": None if drawn.failed else drawn.input_tokens, "output_tokens": None if drawn.failed else drawn.output_tokens,
        "cache_read_tokens": None, "cache_write_tokens": None, "cache_write_1h_tokens": None, "reasoning_tokens": None,
        "searches": None if drawn.failed else 0, "service_tier": "", "estimated": False, "rates": card.words if card else "",
        "ttft_ms": None if drawn.failed else drawn.ttft_ms, "total_ms": drawn.total_ms,
        "cost_usd": Decimal(0) if drawn.failed else amount(card, usage) if card else None, "price": "simulated", "success": None,
        "simulated": True, "thinking": "", "provider_request_id": "", "stored": "",
        "output_hash": "", "output_chars": None,
    }  # fmt: skip


def _settled(call: dict[str, Any], attempts: list[dict[str, Any]]) -> dict[str, Any]:
    """The call as it ended."""
    last = attempts[-1]
    is_ok = last["status"] == "ok"
    took = sum(one["total_ms"] for one in attempts)
    return call | {
        "finished_at": call["started_at"] + dt.timedelta(milliseconds=took), "status": last["status"],
        "error_code": "" if is_ok else "all_candidates_failed",
        "served_model": f"{last['provider']}:{last['model']}" if is_ok else "", "used_fallback": is_ok and len(attempts) > 1,
        "attempts_count": len(attempts), "input_tokens": last["input_tokens"],
        "output_tokens": last["output_tokens"], "ttft_ms": last["ttft_ms"], "total_ms": took,
        "cost_usd": sum((one["cost_usd"] for one in attempts), Decimal(0)),
    }  # fmt: skip


def _write(made: list[Rows]) -> int:
    """Calls, attempts, items and labels, in one transaction."""
    calls = [call for call, _, _ in made]
    attempts = [one for _, tried, _ in made for one in tried]
    labels = [
        {"item_id": item, "source": source, "verdict": "good" if good else "bad", "comment": "", "by": "simulated",
         "observed_at": at, "received_at": at}
        for item, source, good, at in (label for _, _, label in made if label is not None)
    ]  # fmt: skip
    columns = dict.fromkeys(("item_id", "source", "verdict", "comment", "by", "observed_at", "received_at"))
    with transaction.atomic(), connection.cursor() as cursor:
        written = rows.write(cursor, calls, attempts)
        copying.copy(cursor, "routing_label", tuple(columns), (copying.fields(columns, label) for label in labels))
        rows.mark_dirty(cursor, {label[-1].date() for _, _, label in made if label is not None})
    return written.calls
