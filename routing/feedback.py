"""Verdicts: did the output achieve the task? Said of a call or of a whole work item, by a named source, as often as it likes.

A verdict is a label on the work item. Saying the same again changes nothing; saying otherwise adds to what was said. Verdicts that come after
the horizon are kept and marked: they never move a closed night.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from routing import records, rows
from routing.audit import Actor
from routing.models import Call, Label, WorkItem
from routing.terms.words import LabelSource, Verdict

WAIT_S = 2.0
MOST_ITEMS = 1_000  # that one verdict may be said of
CLOCKS_DIFFER = timedelta(minutes=5)
# What an import says comes with its rows; nobody says it afterwards.
SOURCES = tuple(source for source in LabelSource if source is not LabelSource.IMPORT)


class NotFound(LookupError):
    """No call and no work item that this client may judge."""


class Refused(ValueError):
    """A verdict that cannot be taken. The message names the field."""


@dataclass(frozen=True, slots=True)
class Match:
    """What is judged: exactly one of the first three. `client` None: whoever's, which only a manager may ask."""

    request_id: str = ""
    session: str = ""
    metadata: tuple[tuple[str, str], ...] = ()
    task_type: str = ""  # narrows a session to one kind of work
    client: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    verdict: Verdict
    source: LabelSource
    score: float | None = None
    comment: str = ""
    observed_at: datetime | None = None  # None: now


@dataclass(frozen=True, slots=True)
class Given:
    """A verdict as it was kept."""

    item_id: UUID
    call_id: UUID | None  # None: of the whole item
    observed_at: datetime
    is_new: bool  # False: the source had said so before
    is_late: bool


Target = tuple[WorkItem, UUID | None]


def targets(match: Match, *, deadline: float | None = None) -> list[Target]:
    """The work items that a match means. Waits for the drain until `deadline` (monotonic; by default 2 s). Raises NotFound, Refused."""
    named = [bool(match.request_id), bool(match.session), bool(match.metadata)]
    if sum(named) != 1:
        raise Refused("match: give exactly one of request_id, session and metadata")
    deadline = time.monotonic() + WAIT_S if deadline is None else deadline
    while True:
        found = _of_call(match, deadline) if match.request_id else _of_items(match)
        if found:
            return found
        if match.request_id or time.monotonic() >= deadline:
            raise NotFound(f"There is no {'call' if match.request_id else 'work item'} that matches.")
        time.sleep(0.05)


def _of_call(match: Match, deadline: float) -> list[Target]:
    wait_s = max(deadline - time.monotonic(), 0.0)
    call = records.find(match.request_id, client=match.client, wait_s=wait_s)
    if call is None:
        return []
    item = WorkItem.objects.filter(id=call.item_id).first()
    if item is None:
        raise Refused("request_id: the call had no attempt that could be judged")
    return [(item, call.id)]


def _of_items(match: Match) -> list[Target]:
    items = WorkItem.objects.all()
    if match.client is not None:
        items = items.filter(client=match.client)
    if match.task_type:
        items = items.filter(task_type=match.task_type)
    if match.session:
        items = items.filter(session=match.session)
    else:
        calls = Call.objects.filter(metadata__contains=dict(match.metadata)).exclude(metadata={})
        items = items.filter(id__in=calls.values("item_id"))
    found = list(items.order_by("id")[: MOST_ITEMS + 1])
    if len(found) > MOST_ITEMS:
        raise Refused(f"match: means more than {MOST_ITEMS} work items")
    return [(item, None) for item in found]


def give(found: Sequence[Target], said: Said, *, by: Actor) -> list[Given]:
    """Keep a verdict on each of these. Raises Refused for a time that cannot be."""
    now = timezone.now()
    observed_at = said.observed_at or now
    if observed_at > now + CLOCKS_DIFFER:
        raise Refused("observed_at: lies in the future")
    with transaction.atomic(), connection.cursor() as cursor:
        given = [_keep(item, call, said, observed_at, by) for item, call in found]
        rows.mark_dirty(cursor, _nights(found, given))
    return given


def _keep(item: WorkItem, call: UUID | None, said: Said, observed_at: datetime, by: Actor) -> Given:
    if observed_at < item.opened_at - CLOCKS_DIFFER:
        raise Refused("observed_at: lies before the call it is about")
    WorkItem.objects.select_for_update().get(id=item.id)  # two that say the same at once say it once
    before = Label.objects.filter(item_id=item.id, call_id=call, source=said.source)
    if said.observed_at is not None:
        before = before.filter(observed_at=observed_at)
    last = before.order_by("-observed_at", "-id").first()
    words = {"verdict": said.verdict, "score": said.score, "comment": said.comment}
    is_new = last is None or any(getattr(last, name) != value for name, value in words.items())
    if last is None or is_new:
        last = Label.objects.create(
            item_id=item.id, call_id=call, source=said.source, by=by.name[:200], observed_at=observed_at, **words
        )
    late = records.is_late(item.opened_at, last.observed_at, records.horizon_days(item.task_type))
    return Given(item.id, call, last.observed_at, is_new, late)


def _nights(found: Sequence[Target], given: Sequence[Given]) -> set[date]:
    """The nights that a verdict moves: its own, and those up to the horizon, on which its item would have closed without it."""
    nights: set[date] = set()
    for (item, _), one in zip(found, given, strict=True):
        if one.is_new:
            first = rows.night_of(one.observed_at)
            last = rows.night_of(item.opened_at) + timedelta(days=records.horizon_days(item.task_type))
            nights |= {first + timedelta(days=day) for day in range(max((last - first).days, 0) + 1)}
    return nights


@dataclass(frozen=True, slots=True)
class Saying:
    """One of many verdicts, with the line it stands in."""

    line: int
    match: Match
    said: Said


@dataclass(slots=True)
class Many:
    """What became of many verdicts."""

    new: int = 0
    repeated: int = 0
    late: int = 0
    bad: list[tuple[int, str]] = field(default_factory=list)  # (line, reason)


def give_many(sayings: Sequence[Saying], *, by: Actor, skip_bad: bool = False, keep: bool = True) -> Many:
    """Keep all of these, or, with `skip_bad`, the good ones; with `keep` False only say what is bad. All wait for the drain together."""
    done, deadline = Many(), time.monotonic() + WAIT_S
    found: list[tuple[Saying, list[Target]]] = []
    for saying in sayings:
        try:
            found.append((saying, targets(saying.match, deadline=deadline)))
        except (NotFound, Refused) as error:
            done.bad.append((saying.line, str(error)))
    with transaction.atomic():
        for saying, items in found:
            try:
                given = give(items, saying.said, by=by)
            except Refused as error:
                done.bad.append((saying.line, str(error)))
                continue
            done.new += sum(one.is_new for one in given)
            done.repeated += sum(not one.is_new for one in given)
            done.late += sum(one.is_late for one in given)
        if not keep or (done.bad and not skip_bad):
            transaction.set_rollback(True)
    return done
