"""How the models of one task type stand: what its page shows beside `queries.models`. From tallies and blocks; verdicts from the last items."""

import datetime as dt
import math
from dataclasses import dataclass

from django.db import connection
from django.db.models import Sum

from analytics.models import Block, Tally, YardstickState
from analytics.queries import Rate, rate
from analytics.statements import DEFAULT_SOURCES
from analytics.stats.rates import Z95
from routing.models import TaskType

LAST_ITEMS = 1_000  # work items whose verdicts are counted by source


@dataclass(frozen=True, slots=True)
class Stretch:
    """A model's success in some nights."""

    first: dt.date
    success: Rate


@dataclass(frozen=True, slots=True)
class SizeRow:
    """One model at prompts of one size."""

    bucket: int  # 0 = before the edges were frozen, 1 (shortest) to 4
    model: str
    items: int
    success: Rate | None
    cost_per_item_usd: float | None


@dataclass(frozen=True, slots=True)
class Source:
    """Who says whether the output achieved the task, and what they said of the last items."""

    name: str
    rank: int | None  # its place in the task type's success definition; None: a signal, shown and not deciding
    good: int
    bad: int
    unknown: int


def stretches(since: dt.date, until: dt.date, task_type: str, *, nights: int) -> dict[str, list[Stretch]]:
    """Success by model over stretches of so many nights; a stretch without graded items is left out."""
    sums: dict[str, dict[int, tuple[int, int]]] = {}
    rows = Tally.objects.filter(night__gte=since, night__lt=until, task_type=task_type).values("model", "night")
    for row in rows.annotate(n=Sum("graded"), good=Sum("successes")).order_by("model", "night"):
        at = (row["night"] - since).days // nights
        good, n = sums.setdefault(row["model"], {}).get(at, (0, 0))
        sums[row["model"]][at] = (good + row["good"], n + row["n"])
    told: dict[str, list[Stretch]] = {}
    for model, by_stretch in sums.items():
        rates = [
            (since + dt.timedelta(days=at * nights), rate(good, n)) for at, (good, n) in sorted(by_stretch.items())
        ]
        told[model] = [Stretch(first, found) for first, found in rates if found is not None]
    return told


def cost_errors(since: dt.date, until: dt.date, task_type: str) -> dict[str, float]:
    """Half the width of the 95 % interval of a work item's mean cost, USD, by model. Items that were compared only."""
    rows = Block.objects.filter(night__gte=since, night__lt=until, task_type=task_type).values("model")
    found = {}
    for row in rows.annotate(n=Sum("priced"), total=Sum("cost_sum"), squares=Sum("cost_sq")):
        if row["n"] > 1:
            mean = row["total"] / row["n"]
            variance = max(row["squares"] / row["n"] - mean * mean, 0.0) * row["n"] / (row["n"] - 1)
            found[row["model"]] = Z95 * math.sqrt(variance / row["n"])
    return found


def sizes(since: dt.date, until: dt.date, task_type: str) -> list[SizeRow]:
    """Compared work items by prompt size and model, the shortest first."""
    rows = Block.objects.filter(night__gte=since, night__lt=until, task_type=task_type).values("bucket", "model")
    sums = rows.annotate(
        items=Sum("opened"), n=Sum("graded"), good=Sum("successes"), free=Sum("priced"), cost=Sum("cost_sum")
    )
    return [
        SizeRow(row["bucket"], row["model"], row["items"], rate(row["good"], row["n"]), row["cost"] / row["free"] if row["free"] else None)
        for row in sums.order_by("bucket", "model")
    ]  # fmt: skip


def edges(task_type: str) -> list[float]:
    """The sizes, in tokens, that part the quarters; [] until they are frozen."""
    states = YardstickState.objects.filter(task_type=task_type).order_by("-night", "simulated")
    state = states.values_list("state", flat=True).first() or {}
    return list(state.get("edges") or [])


def sources(task: TaskType) -> list[Source]:
    """The sources of the task type's success definition in their order, then the signals, with the verdicts of its last items."""
    deciding = [*(task.label_sources or DEFAULT_SOURCES), *task.complete_sources]
    counted: dict[str, dict[str, int]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT source, verdict, count(*) FROM routing_label WHERE item_id IN"
            " (SELECT id FROM routing_workitem WHERE task_type = %s ORDER BY opened_at DESC LIMIT %s) GROUP BY 1, 2",
            [task.slug, LAST_ITEMS],
        )
        for source, verdict, n in cursor.fetchall():
            counted.setdefault(source, {})[verdict] = n
    names = [*dict.fromkeys(map(str, deciding)), *sorted(set(counted) - set(map(str, deciding)))]
    ranks = {str(name): number for number, name in enumerate(dict.fromkeys(map(str, deciding)), 1)}
    return [
        Source(name, ranks.get(name), *(counted.get(name, {}).get(word, 0) for word in ("good", "bad", "unknown")))
        for name in names
    ]
