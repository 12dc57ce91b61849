"""What a client's observed calls ask for, what each name would mean, and what it would have cost by the route: before anything is switched.

Observed calls are looked for by (client, id) in an index that holds no others, the newest first and so many at most, so that a page
takes as long at ten calls as at ten million. Rollups know no requested names: this is the one page that reads calls for a sum.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection
from django.utils import timezone

from routing import snapshot
from routing.models import Client
from routing.policy import adoption, resolve
from routing.policy.adoption import Likely
from routing.policy.cost import amount, card_of
from routing.policy.families import families, literal
from routing.snapshot import Snapshot
from routing.terms.ids import floor_of
from routing.terms.request import Ask, Usage

DAYS, MOST_DAYS = 14, 90
MOST_CALLS = 5_000  # of a client that are looked at, the newest

# Cached parts stand on the attempt that served; an observed call has one attempt. Bands of input tokens are those in which every price
# is one price, so that a band's sum costs what its calls would have.
_SEEN = """
WITH seen AS MATERIALIZED (
    SELECT id, requested_model, wire, item_id, task_type, would_route, simulated, attempts_count, started_at, cost_usd
    FROM routing_call
    WHERE client = %(client)s AND role = 'observed' AND id >= %(since)s AND requested_model <> ''
    ORDER BY id DESC LIMIT %(most)s
)
"""
_SUMS = f"""{_SEEN}
SELECT s.requested_model, CASE WHEN s.would_route <> '' THEN s.task_type ELSE '' END AS said,
       width_bucket(a.input_tokens, %(bands)s::int[]) AS band,
       count(*) AS calls, count(a.input_tokens) AS counted, count(*) FILTER (WHERE s.cost_usd IS NULL) AS unpriced,
       sum(s.cost_usd) AS cost_usd, bool_or(s.simulated) AS simulated, max(s.started_at) AS last_seen, array_agg(DISTINCT s.wire) AS wires,
       max(a.input_tokens) AS longest, sum(a.input_tokens) AS input_tokens, sum(a.output_tokens) AS output_tokens,
       sum(a.cache_read_tokens) AS cache_read_tokens, sum(a.cache_write_tokens) AS cache_write_tokens,
       sum(a.cache_write_1h_tokens) AS cache_write_1h_tokens, sum(a.reasoning_tokens) AS reasoning_tokens, sum(a.searches) AS searches
FROM seen s LEFT JOIN LATERAL (
    -- One by one, by their key: a join would rather read every attempt there is.
    SELECT * FROM routing_attempt WHERE call_id = s.id AND attempt = s.attempts_count LIMIT 1
) AS a ON true
GROUP BY 1, 2, 3
"""  # noqa: S608 - nothing but constants is put together
# A work item is graded once, by the last that was said of it.
_GRADES = f"""{_SEEN}
SELECT i.requested_model, count(*) AS graded, count(*) FILTER (WHERE l.verdict = 'good') AS good
FROM (SELECT DISTINCT requested_model, item_id FROM seen) AS i
CROSS JOIN LATERAL (SELECT verdict FROM routing_label WHERE item_id = i.item_id AND verdict IN ('good', 'bad')
                    ORDER BY observed_at DESC, id DESC LIMIT 1) AS l
GROUP BY 1
"""  # noqa: S608 - nothing but constants is put together
_USAGE = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
    "searches",
)


@dataclass(frozen=True, slots=True)
class Line:
    """What was observed under one pattern of names."""

    requested: str  # the pattern: "claude-sonnet-*"
    names: tuple[str, ...]  # that were asked for, the most frequent first
    calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal | None  # None: none of it has a price
    unpriced: int  # calls without a price, which are not in the cost
    simulated: bool  # some of it
    graded: int  # work items with a verdict
    good: int
    last_seen: dt.datetime
    wires: tuple[str, ...]
    mapped_to: str | None  # the task type that the client's mapping has for it already
    likely: Likely | None  # the suggestion, where it is not mapped
    routed_to: str | None  # "provider:model": the first model of the plan for that task type, today
    routed_cost_usd: Decimal | None  # the same tokens by today's prices of that model; None: unknown
    ignored: bool

    @property
    def task_type(self) -> str | None:
        """What it means, or is suggested to."""
        return self.mapped_to or (self.likely.task_type if self.likely else None)

    @property
    def success(self) -> float | None:
        return self.good / self.graded if self.graded else None

    @property
    def added_usd(self) -> Decimal | None:
        """What the route would have cost more; below 0 it would have saved. None where one of the two is not known whole."""
        if self.cost_usd is None or self.routed_cost_usd is None or self.unpriced:
            return None
        return self.routed_cost_usd - self.cost_usd


@dataclass(frozen=True, slots=True)
class Observed:
    """A client's observed calls of a window, by pattern, the most called first."""

    client: str
    since: dt.datetime
    calls: int
    is_capped: bool  # there are more calls than were looked at: these are the newest
    lines: tuple[Line, ...]

    @property
    def open(self) -> list[Line]:
        """Suggestions that wait for a person."""
        return [line for line in self.lines if line.mapped_to is None and not line.ignored]

    @property
    def ignored(self) -> list[Line]:
        return [line for line in self.lines if line.mapped_to is None and line.ignored]

    @property
    def mapped(self) -> list[Line]:
        return [line for line in self.lines if line.mapped_to is not None]


@dataclass(slots=True)
class _Tally:
    """What was counted under a pattern, while it is added up."""

    rows: list[dict[str, Any]]
    graded: int = 0
    good: int = 0

    def sum(self, name: str) -> int:
        return sum(int(row[name] or 0) for row in self.rows)


def observed(client: Client, *, days: int = DAYS, most: int = MOST_CALLS) -> Observed:
    """What the client's observed calls of the last days asked for, with a suggestion for each name that means nothing yet."""
    known, since = snapshot.fresh(), timezone.now() - dt.timedelta(days=days)
    bands = sorted({start + 1 for rates in known.rates.values() for start, _ in rates.cards if start > 0})
    values = {"client": client.slug, "since": floor_of(since), "most": most, "bands": bands or [2**31 - 1]}
    rows, grades = _rows(_SUMS, values), _rows(_GRADES, values)
    lines = [_line(known, client, pattern, tally) for pattern, tally in _tallies(known, client, rows, grades).items()]
    calls = sum(row["calls"] for row in rows)
    ordered = tuple(sorted(lines, key=lambda line: (-line.calls, line.requested)))
    return Observed(client.slug, since, calls, calls >= most, ordered)


def _rows(query: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _tallies(
    known: Snapshot, client: Client, rows: Iterable[dict[str, Any]], grades: Iterable[dict[str, Any]]
) -> dict[str, _Tally]:
    """By pattern: of the client's mapping where one stands for the name, else of the name's family if all of it means one task type."""
    mapping = _mapping(client)
    by_name: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_name.setdefault(row["requested_model"], []).append(row)
    places = {name: resolve.mapped(name, mapping) for name in by_name}
    free = [name for name, place in places.items() if place is None]
    meant = {name: _likely(known, client, [name], by_name[name]) for name in free}
    patterns = families(free)
    tasks: dict[str, set[str | None]] = {}
    for name in free:
        found = meant[name]
        tasks.setdefault(patterns[name], set()).add(found.task_type if found else None)
    tallies: dict[str, _Tally] = {}
    where: dict[str, str] = {}
    for name, group in by_name.items():
        place = places[name]
        own = patterns[name] if place is None and len(tasks[patterns[name]]) == 1 else literal(name)
        where[name] = own if place is None else mapping[place][0]
        tallies.setdefault(where[name], _Tally([])).rows.extend(group)
    for grade in grades:
        if grade["requested_model"] not in where:  # its first call came between the two queries
            continue
        tally = tallies[where[grade["requested_model"]]]
        tally.graded += grade["graded"]
        tally.good += grade["good"]
    return tallies


def _line(known: Snapshot, client: Client, pattern: str, tally: _Tally) -> Line:
    counts: dict[str, int] = {}
    for row in tally.rows:
        counts[row["requested_model"]] = counts.get(row["requested_model"], 0) + row["calls"]
    names = sorted(counts, key=lambda name: (-counts[name], name))
    mapping = _mapping(client)
    place = resolve.mapped(names[0], mapping)
    suggestion = None if place is not None else _likely(known, client, names, tally.rows)
    task = mapping[place][1] if place is not None else suggestion.task_type if suggestion else None
    routed = _first_of_route(known, client, task) if task else None
    priced = [row["cost_usd"] for row in tally.rows if row["cost_usd"] is not None]
    return Line(
        requested=pattern,
        names=tuple(names),
        calls=tally.sum("calls"),
        input_tokens=tally.sum("input_tokens"),
        output_tokens=tally.sum("output_tokens"),
        cost_usd=sum(priced, Decimal(0)) if priced else None,
        unpriced=tally.sum("unpriced"),
        simulated=any(row["simulated"] for row in tally.rows),
        graded=tally.graded,
        good=tally.good,
        last_seen=max(row["last_seen"] for row in tally.rows),
        wires=tuple(sorted({wire for row in tally.rows for wire in row["wires"]})),
        mapped_to=mapping[place][1] if place is not None else None,
        likely=suggestion,
        routed_to=routed,
        routed_cost_usd=_cost(known, routed, tally.rows) if routed else None,
        ignored=pattern in client.ignored,
    )


def _mapping(client: Client) -> list[tuple[str, str]]:
    return [(rule.requested, rule.task_type.slug) for rule in client.mapping.all()]


def _likely(known: Snapshot, client: Client, names: Sequence[str], rows: Iterable[dict[str, Any]]) -> Likely | None:
    said: dict[str, int] = {}
    for row in rows:
        if row["said"]:
            said[row["said"]] = said.get(row["said"], 0) + row["calls"]
    default = client.default_task_type.slug if client.default_task_type else None
    project = client.project.slug if client.project else None
    return adoption.likely(known.table, names[0], said=said, default=default, project=project)


def _first_of_route(known: Snapshot, client: Client, task: str) -> str | None:
    """The model that a call of the client would go to now."""
    ask = Ask(
        task,
        project=client.project.slug if client.project else None,
        allowed_models=None if client.allowed_models is None else frozenset(client.allowed_models),
        client=client.slug,
        scopes=frozenset({f"client:{client.slug}"}),
    )
    candidates = known.plan(ask, timezone.now()).candidates
    return candidates[0].key if candidates else None


def _cost(known: Snapshot, model: str, rows: Iterable[dict[str, Any]]) -> Decimal | None:
    """The rows' tokens at the model's prices of today, cached parts as cached; None where it has no price for one of them."""
    rates, total = known.rates.get(model), Decimal(0)
    for row in rows:
        if not row["counted"]:
            continue
        # The longest input of the band finds its line of the price list; the sums are what it costs.
        card = card_of(rates, Usage(input_tokens=row["longest"], searches=row["searches"] or 0))
        if card is None:
            return None
        told: dict[str, Any] = {name: int(row[name] or 0) for name in _USAGE}
        total += amount(card, Usage(**told)) + card.requests_1k * (row["counted"] - 1)
    return total
