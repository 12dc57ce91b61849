"""The degradation curve: as usage rises, cheaper models take over. It governs only the models it names."""

from dataclasses import dataclass
from datetime import datetime

from routing.policy.health import STALE_AFTER, Health
from routing.policy.table import Curve


@dataclass(frozen=True, slots=True)
class Level:
    """Where on the curve we are."""

    percent: float | None  # the highest window of any provider; None: nobody said lately
    number: int  # of the step, from 0
    steps: int
    allowed: tuple[str, ...]  # "provider:model", in the order in which they replace a removed step
    governed: frozenset[str]  # all that the curve names anywhere

    def removes(self, model: str) -> bool:
        return model in self.governed and model not in self.allowed

    @property
    def words(self) -> str:
        said = "usage is unknown" if self.percent is None else f"usage is {self.percent:g} %"
        return f"not allowed while {said}"


FREE = Level(None, 0, 0, (), frozenset())  # no curve: everything goes


def usage(health: Health, now: datetime) -> float | None:
    """The fullest window of any provider, in per cent; None when every reading is missing or stale. A window past its reset is empty."""
    percents = [
        0.0 if reading.resets_at is not None and reading.resets_at <= now else reading.percent
        for reading in health.readings
        if now < reading.read_at + STALE_AFTER
    ]
    return max(percents, default=None)


def level(curve: Curve | None, health: Health, now: datetime) -> Level:
    """The step in force: the highest whose lower bound is reached. Unknown usage stands on the first, or on the second where the curve says so."""
    if curve is None or not curve.steps:
        return FREE
    percent = usage(health, now)
    if percent is None:
        number = min(1, len(curve.steps) - 1) if curve.degrades_when_unknown else 0
    else:
        number = max((n for n, step in enumerate(curve.steps) if percent >= step.above), default=0)
    named = frozenset(model for step in curve.steps for model in step.allowed)
    return Level(percent, number, len(curve.steps), curve.steps[number].allowed, named)
