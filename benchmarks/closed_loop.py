"""The whole circle on real results: explore, compare, propose, approve at once, carry on from the new primary.

Nothing here but the statistics: no database, no console. Every proposal is approved on the night it is made, the
harshest use there is; what it gave up shrinks later margins as in the product.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd

from analytics.stats.blocks import fold, merge
from analytics.stats.comparisons import compare
from analytics.stats.results import Comparison, Kind, TaskSettings
from analytics.stats.switches import best_switches
from analytics.stats.yardsticks import Yardstick
from benchmarks.replay import START, Bank, night_items


@dataclass(frozen=True, slots=True)
class Change:
    """One approved switch, with what the whole bank says about it."""

    night: int  # counted from 1
    task_type: str
    kind: Kind
    incumbent: str
    challenger: str
    true_difference: float  # of success rates
    true_cost_ratio: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the routing table."""

    changes: tuple[Change, ...]
    table: dict[str, str]  # task type → primary at the end
    success_start: float  # mean of the task types' true rates
    success_end: float
    cost_start: float  # mean of the task types' true costs, USD
    cost_end: float


def run(
    banks: Mapping[str, Bank], *, nights: int, per_night: int, share: float, seed: int, start: dt.date = START
) -> Outcome:
    """The replay of so many nights, `per_night` items a task type, from the banks' first model everywhere."""
    table = {task_type: bank.models[0] for task_type, bank in banks.items()}
    settings = {task_type: TaskSettings() for task_type in banks}
    yardsticks: dict[str, Yardstick] = {}
    blocks = merge([])
    changes: list[Change] = []
    for number in range(nights):
        night = start + dt.timedelta(days=number)
        items = night_items(banks, table, night, per_night, share, seed)
        tonight, yardsticks = fold(items, yardsticks, night, night)
        blocks = pd.concat([blocks, tonight], ignore_index=True)
        for task_type, found in best_switches(compare(blocks, night, settings)).items():
            changes.append(_change(number + 1, found, banks[task_type]))
            table[task_type] = found.challenger
            settings[task_type] = _after(settings[task_type], found)
    return _outcome(banks, table, tuple(changes))


def _after(settings: TaskSettings, found: Comparison) -> TaskSettings:
    """The settings once the switch is approved: a loss of success is given up for good."""
    loss = max(0.0, -found.success.estimate) if found.success else 0.0
    return replace(settings, given_up=settings.given_up + loss)


def _change(night: int, found: Comparison, bank: Bank) -> Change:
    assert found.verdict is not None
    a, b = found.incumbent, found.challenger
    return Change(night, found.task_type, found.verdict, a, b, bank.rate(b) - bank.rate(a), bank.cost(b) / bank.cost(a))


def _outcome(banks: Mapping[str, Bank], table: Mapping[str, str], changes: tuple[Change, ...]) -> Outcome:
    n = len(banks)
    return Outcome(
        changes=changes,
        table=dict(table),
        success_start=sum(bank.rate(bank.models[0]) for bank in banks.values()) / n,
        success_end=sum(bank.rate(table[task_type]) for task_type, bank in banks.items()) / n,
        cost_start=sum(bank.cost(bank.models[0]) for bank in banks.values()) / n,
        cost_end=sum(bank.cost(table[task_type]) for task_type, bank in banks.items()) / n,
    )
