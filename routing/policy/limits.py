"""How much a client may use in a minute, over all processes: one pool, of which each process holds a part that it may use unasked.

What was used counts by the second, for a minute. A process that runs out of its part asks the pool for more; the pool never gives what is
used or held already, so all processes together stay within the limit: never more than that in any 60 seconds. Only two things pass it:
tokens beyond their call's estimate, which nobody knew, and what a process had used and not yet told when it was killed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import ceil

WINDOW_S = 60
SLOT_S = 1  # a use counts by its second: up to a second longer than a minute, never shorter
DEAD_S = 10.0  # a process that says nothing for so long is gone; its part is free again
STALE_S = 2.0  # a part that is not confirmed for so long is not used: the pool may think us gone

Slots = Mapping[int, int]  # second since 1970 → units used in it


def kept(slots: Slots, now: float) -> dict[int, int]:
    """The slots that still count."""
    return {second: units for second, units in slots.items() if second + SLOT_S + WINDOW_S > now and units}


def used(slots: Slots, now: float) -> int:
    """Units that count at `now`."""
    return sum(units for second, units in slots.items() if second + SLOT_S + WINDOW_S > now)


def added(slots: Slots, more: Slots) -> dict[int, int]:
    return {second: slots.get(second, 0) + more.get(second, 0) for second in slots.keys() | more.keys()}


def frees_in(slots: Slots, limit: int, wanted: int, now: float) -> float:
    """Seconds until `wanted` units fit under the limit if nobody uses more; 0.0 when they fit now.

    What is more than the limit itself fits when nothing counts any more.
    """
    counting = sorted(kept(slots, now).items())
    over = sum(units for _, units in counting) + min(wanted, limit) - limit
    for second, units in counting:
        if over <= 0:
            break
        over -= units
        end = second + SLOT_S + WINDOW_S
        if over <= 0:
            return max(end - now, 0.0)
    return 0.0


@dataclass(frozen=True, slots=True)
class Hold:
    """The part of a process."""

    units: int
    told_at: float  # when it last said so
    is_hungry: bool = False  # it wanted more than there was


@dataclass(frozen=True, slots=True)
class Pool:
    """What all processes know together of one client and one measure."""

    slots: Slots = field(default_factory=dict)
    holds: Mapping[str, Hold] = field(default_factory=dict)  # by process

    def held(self, *, besides: str = "") -> int:
        return sum(hold.units for process, hold in self.holds.items() if process != besides)


@dataclass(frozen=True, slots=True)
class Telling:
    """What a process tells the pool."""

    spent: Slots
    wanted: int = 0  # that did not fit into its part
    keeps: int = 0  # of its part it goes on using so much while the pool is told
    is_idle: bool = False


def exchanged(pool: Pool, process: str, telling: Telling, *, limit: int, now: float) -> Pool:
    """The pool after a process has told what it used and was given a new part.

    The part is half of what is free, so that one who comes later finds something; at least what is wanted or kept where there is so much.
    An idle process keeps its part until somebody else is hungry. What was used counts whatever the limit: then nothing is free.
    """
    slots = kept(added(pool.slots, telling.spent), now)
    others = {name: hold for name, hold in pool.holds.items() if name != process and hold.told_at + DEAD_S > now}
    free = limit - used(slots, now) - sum(hold.units for hold in others.values())
    hungry = sum(hold.is_hungry and hold.told_at + STALE_S > now for hold in others.values())
    if telling.is_idle:
        part = 0 if hungry else min(pool.holds[process].units if process in pool.holds else 0, free)
    else:
        part = min(free, max(telling.wanted, telling.keeps, ceil(free / (2 + hungry))))
    mine = Hold(max(part, 0), now, is_hungry=max(part, 0) < min(telling.wanted, limit))
    return Pool(slots, {**others, process: mine})


class Verdict(StrEnum):
    TAKEN = "taken"
    FULL = "full"
    ASK = "ask"  # the pool may have more: ask it, and try again


class Meter:
    """One process's side of a pool. `now` is in seconds since 1970, and comes in."""

    def __init__(self, limit: int, processes: int = 1) -> None:
        self.limit = limit
        self.at_least = processes  # that may use this pool, by what is known beside it
        self.part = 0  # may be used unasked; below 0 after calls that took more than was thought
        self.mine: dict[int, int] = {}  # used here
        self.untold: dict[int, int] = {}  # of these, what the pool does not know yet
        self.others: Slots = {}  # used elsewhere, as the pool last said
        self.held_elsewhere = 0
        self.processes = 1  # that use this pool, this one included, as the pool last said
        self.told_at: float | None = None
        self.used_at = 0.0
        self.wanted = 0  # what did not fit into the part
        self.is_curious = False  # somebody was refused by what the pool last said

    def take(self, units: int, now: float, *, asks: bool, waited: bool = False) -> Verdict:
        """Use so many units now, if they fit. A call larger than the limit needs the whole of it.

        `asks`: the pool can be asked. `waited`: it was, and who has its answer is told yes or no.
        """
        units = min(units, self.limit)
        is_confirmed = self.told_at is not None and now - self.told_at <= STALE_S
        if not asks:
            return self._alone(units, now)
        if is_confirmed and self.part >= units:
            self.part -= units
            return self._book(units, now)
        if (waited and is_confirmed) or (self.told_at is not None and self._used(now) + units > self.limit):
            self.is_curious = True
            return Verdict.FULL
        self.wanted = max(self.wanted, units)
        return Verdict.ASK

    def _alone(self, units: int, now: float) -> Verdict:
        """Nobody can be asked: within an even share, and within what is known of all."""
        share = ceil(self.limit / max(self.processes, self.at_least))
        if used(self.mine, now) + units > share or self._used(now) + units > self.limit:
            return Verdict.FULL
        return self._book(units, now)

    def _book(self, units: int, now: float) -> Verdict:
        self.used_at = now
        self._count(int(now), units)
        return Verdict.TAKEN

    def correct(self, second: int, units: int) -> None:
        """What was used in that second was so much more (or, below 0, less) than was taken."""
        self._count(second, units)
        self.part -= units

    def _count(self, second: int, units: int) -> None:
        self.mine[second] = self.mine.get(second, 0) + units
        self.untold[second] = self.untold.get(second, 0) + units

    def _used(self, now: float) -> int:
        return used(self.others, now) + used(self.mine, now)

    def room(self, now: float) -> int:
        """Units that are left of this minute, as far as this process knows."""
        return max(self.limit - self._used(now), 0)

    def frees_in(self, units: int, now: float) -> float:
        """Seconds until so many units fit; a second where others hold them and will give them back."""
        return max(frees_in(added(self.mine, self.others), self.limit, units, now), 1.0)

    def is_due(self, now: float) -> bool:
        """Whether there is something to tell the pool or to ask of it."""
        if self.untold or self.wanted:
            return True
        confirms = self.part > 0 or self.is_curious
        return self.told_at is not None and confirms and now - self.told_at >= STALE_S / 2

    def is_idle(self, now: float) -> bool:
        return not self.wanted and now - self.used_at > SLOT_S

    def tell(self, now: float) -> Telling:
        """What the pool is told now. `told` or `not_told` must follow.

        Until then half of the part may be used, which the pool will not give to others; calls beyond that wait for what it says.
        """
        is_idle = self.is_idle(now)
        self.part = 0 if is_idle else max(self.part, 0) // 2
        telling = Telling(self.untold, self.wanted, self.part, is_idle)
        self.untold, self.wanted, self.is_curious = {}, 0, False
        return telling

    def not_told(self, telling: Telling) -> None:
        """The pool could not be told, or nobody knows: it stays to be told, and no more may be used than was kept."""
        self.untold = added(self.untold, telling.spent)

    def told(self, pool: Pool, process: str, telling: Telling, now: float) -> None:
        """The pool has taken it in. What was used since comes off the new part."""
        since = telling.keeps - self.part
        self.mine = kept(self.mine, now)
        known = added(self.mine, {second: -units for second, units in self.untold.items()})
        self.others = kept(added(pool.slots, {second: -units for second, units in known.items()}), now)
        self.held_elsewhere = pool.held(besides=process)
        self.processes = max(len(pool.holds), 1)
        self.part = pool.holds[process].units - since if process in pool.holds else -since
        self.told_at = now
