"""Calls as people and programs read them: found, listed, told in full, exported. The pages, the API and the commands ask here."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet

from routing import drain
from routing.imports import ALL, COST
from routing.models import Attempt, Call, Label, TaskType, WorkItem
from routing.policy.cost import Part, parts
from routing.rows import night_of
from routing.terms.ids import floor_of
from routing.terms.request import Usage
from routing.terms.words import ErrorKind, Verdict

EXPORT_CALLS = 2_000  # calls a query of an export
DEFAULT_HORIZON_DAYS = 2
FROM_A_FILE = "import"  # the wire of a call that an import brought: its success is what the file said
# A provider's faults: a first attempt that ends so has not achieved the task, whoever rescued it.
FAULTS = frozenset({ErrorKind.CONNECT, ErrorKind.TIMEOUT, ErrorKind.SERVER, ErrorKind.MALFORMED, ErrorKind.TRUNCATED})
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Filters:
    """Which calls; "" and None do not ask."""

    task_type: str = ""
    provider: str = ""  # of any attempt
    model: str = ""  # slug or "provider:model", of any attempt
    role: str = ""
    status: str = ""
    client: str = ""
    session: str = ""
    since: datetime | None = None  # from this moment on
    until: datetime | None = None  # before this moment
    metadata: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Verdicts:
    """A label as it is told: of the call, or of its whole work item."""

    source: str
    verdict: str
    score: float | None
    comment: str
    by: str
    observed_at: datetime
    of_item: bool  # said of the whole item
    is_late: bool  # outside the task type's horizon: kept, and never in a closed night


@dataclass(frozen=True, slots=True)
class Record:
    call: Call
    attempts: tuple[Attempt, ...]
    verdicts: tuple[Verdicts, ...] = ()

    @property
    def request_id(self) -> str:
        return self.call.external_id or str(self.call.id)


@dataclass(frozen=True, slots=True)
class Page:
    records: tuple[Record, ...]  # the newest first
    next: UUID | None  # the id before which the next page begins


def matching(filters: Filters) -> QuerySet[Call]:
    """The calls that fit. Times are told by the ids, so that only the months asked for are read."""
    calls = Call.objects.all()
    exact = {name: getattr(filters, name) for name in ("task_type", "role", "status", "client", "session")}
    calls = calls.filter(**{name: value for name, value in exact.items() if value})
    if filters.since is not None:
        calls = calls.filter(id__gte=floor_of(filters.since))
    if filters.until is not None:
        calls = calls.filter(id__lt=floor_of(filters.until))
    if filters.metadata:
        calls = calls.filter(metadata__contains=dict(filters.metadata)).exclude(metadata={})
    tried = Attempt.objects.filter(call_id=OuterRef("id"))
    provider, _, slug = filters.model.rpartition(":") if filters.model.count(":") == 1 else ("", "", filters.model)
    if provider or filters.provider:
        tried = tried.filter(provider=provider or filters.provider)
    if slug:
        tried = tried.filter(model=slug)
    return calls.filter(Exists(tried)) if provider or slug or filters.provider else calls


def page(filters: Filters, *, before: UUID | None = None, limit: int = 50) -> Page:
    """The newest calls that fit, with their attempts."""
    calls = matching(filters)
    if before is not None:
        calls = calls.filter(id__lt=before)
    found = list(calls.order_by("-id")[: limit + 1])
    more, found = len(found) > limit, found[:limit]
    tried = _attempts(found)
    records = tuple(Record(call, tuple(tried.get(call.id, ()))) for call in found)
    return Page(records, found[-1].id if more else None)


def find(request_id: str, *, client: str | None = None, wait_s: float = 0.0) -> Call | None:
    """The call of this name, ours or an import's own; of this client, if one is named. Waits so long for the drain."""
    call = None
    try:
        name = UUID(request_id)
    except ValueError:
        pass
    else:
        if wait_s == 0 or drain.wait_for(name, wait_s):
            call = Call.objects.filter(id=name).first()
    if call is None and request_id and "\0" not in request_id:
        call = Call.objects.filter(external_id=request_id).first()
    return call if call is None or client is None or call.client == client else None


def told(call: Call) -> Record:
    """A call in full."""
    attempts = Attempt.objects.filter(call_id=call.id).order_by("attempt")
    item = WorkItem.objects.filter(id=call.item_id).first()
    labels = Label.objects.filter(item_id=call.item_id).order_by("observed_at", "id")
    days = horizon_days(call.task_type)
    verdicts = tuple(
        Verdicts(
            source=label.source,
            verdict=label.verdict,
            score=label.score,
            comment=label.comment,
            by=label.by,
            observed_at=label.observed_at,
            of_item=label.call_id is None,
            is_late=item is not None and is_late(item.opened_at, label.observed_at, days),
        )
        for label in labels
        if label.call_id in (None, call.id)
    )
    return Record(call, tuple(attempts), verdicts)


def horizon_days(task_type: str) -> int:
    days = TaskType.objects.filter(slug=task_type).values_list("label_horizon_days", flat=True).first()
    return DEFAULT_HORIZON_DAYS if days is None else days


def is_late(opened_at: datetime, observed_at: datetime, days: int) -> bool:
    """Did the verdict come after the nights in which its item closes? Nights are UTC days."""
    return (night_of(observed_at) - night_of(opened_at)).days > days


def _attempts(calls: Sequence[Call]) -> dict[UUID, list[Attempt]]:
    tried: dict[UUID, list[Attempt]] = {}
    for attempt in Attempt.objects.filter(call_id__in=[call.id for call in calls]).order_by("call_id", "attempt"):
        tried.setdefault(attempt.call_id, []).append(attempt)
    return tried


def export(filters: Filters, form: str) -> Iterator[str]:
    """The attempts of the calls that fit, the oldest first, in the columns of an import: parts of a CSV or NDJSON text.

    Each part is a query of its own, so that an export of any length holds neither a transaction nor memory.
    """
    write = {"csv": _csv, "ndjson": _ndjson}[form]
    if form == "csv":
        yield ",".join(ALL) + "\r\n"
    calls, after = matching(filters).order_by("id"), UUID(int=0)
    while found := list(calls.filter(id__gt=after)[:EXPORT_CALLS]):
        yield write(_exported(found))
        after = found[-1].id


def _exported(calls: Sequence[Call]) -> Iterator[Mapping[str, Any]]:
    tried, verdicts = _attempts(calls), _first_verdicts(calls)
    for call in calls:
        for attempt in tried.get(call.id, ()):
            is_first = attempt is tried[call.id][0]
            yield {
                "ts": attempt.started_at.isoformat(),
                "task_type": call.task_type,
                "provider": attempt.provider,
                "model": attempt.model,
                "role": attempt.role,
                "propensity": attempt.propensity,
                "input_tokens": attempt.input_tokens,
                "output_tokens": attempt.output_tokens,
                "ttft_ms": attempt.ttft_ms,
                "total_ms": attempt.total_ms,
                "success": _success(call, attempt, verdicts.get(call.id) if is_first else None),
                "cost_usd": None if attempt.cost_usd is None else _plain(attempt.cost_usd),
                "request_id": call.external_id or str(call.id),
                "attempt": attempt.attempt,
                "session": call.session,
                "size": call.size,
                "client": call.client,
                "status": attempt.status,
                "error_kind": attempt.error_kind,
                "simulated": int(attempt.simulated),
                **{name: getattr(attempt, name) for name in COST},
                "estimated": int(attempt.estimated),
            }


def cost_parts(attempt: Attempt) -> tuple[Part, ...]:
    """What the attempt's frozen cost is made of, at the rates that were frozen with it; () where there are none, as of an import."""
    if attempt.cost_usd is None:
        return ()
    told = {field.name: getattr(attempt, field.name) for field in fields(Usage)}
    return parts(attempt.rates, Usage(**{name: value for name, value in told.items() if value is not None}))


def _success(call: Call, attempt: Attempt, verdict: bool | None) -> int | None:
    """1, 0 or blank, as an import would have it: a fault of the first attempt is 0, else the first verdict says."""
    if attempt.success is not None:
        return int(attempt.success)
    if call.wire == FROM_A_FILE or attempt.attempt > 1 or not call.drawn:
        return None
    return 0 if attempt.error_kind in FAULTS else None if verdict is None else int(verdict)


def _first_verdicts(calls: Sequence[Call]) -> dict[UUID, bool]:
    """The first good or bad of each call. What was said of a whole item counts for the call that opened it."""
    own = {call.item_id for call in calls if call.wire != FROM_A_FILE}
    opened = dict(WorkItem.objects.filter(id__in=own).values_list("id", "first_call_id"))
    found: dict[UUID, bool] = {}
    labels = Label.objects.filter(item_id__in=own, verdict__in=(Verdict.GOOD, Verdict.BAD)).order_by(
        "observed_at", "id"
    )
    for label in labels:
        of = label.call_id or opened.get(label.item_id)
        if of is not None:
            found.setdefault(of, label.verdict == Verdict.GOOD)
    return found


def _csv(rows: Iterator[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows([defused(row[name]) for name in ALL] for row in rows)
    return text.getvalue()


def defused(value: object) -> object:
    """A cell that no spreadsheet runs: text that begins like a formula gets a quote before it, which an import takes off again."""
    if not isinstance(value, str) or not _FORMULA.match(value) or _NUMBER.fullmatch(value):
        return value
    return f"'{value}"


def _ndjson(rows: Iterator[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)


def _plain(number: Decimal) -> str:
    return format(number.normalize(), "f")
