"""What rests, is broken, full or spent. Frozen: a change makes a new Health with another version."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

FULL_PERCENT = 95.0  # of a window whose provider says that it is empty: a reading lags behind
STALE_AFTER = timedelta(hours=6)  # an older usage reading says nothing about now


@dataclass(frozen=True, slots=True)
class Rest:
    """Something is not to be used until then; `until` None: until a person says so."""

    until: datetime | None
    reason: str = ""

    def holds(self, now: datetime) -> bool:
        return self.until is None or now < self.until


@dataclass(frozen=True, slots=True)
class Broken:
    """An open circuit. `has_probe`: this process may send one call to find out."""

    retry_at: datetime
    reason: str = ""
    has_probe: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """How full a window of a provider's usage is."""

    provider: str
    window: str
    percent: float
    read_at: datetime
    resets_at: datetime | None = None
    source: str = ""  # "pushed", or "computed" from our own calls


@dataclass(frozen=True, eq=False)
class Health:
    version: int = 0
    cooldowns: Mapping[tuple[str, str, str], Rest] = field(
        default_factory=dict
    )  # (provider, credential, model slug or "")
    circuits: Mapping[tuple[str, str], Broken] = field(default_factory=dict)  # (provider, model slug)
    not_ready: Mapping[tuple[str, str], str] = field(default_factory=dict)  # (provider, credential or "") → why
    renewals: Mapping[tuple[str, str], datetime] = field(default_factory=dict)  # of those, the next try by itself
    quotas: Mapping[str, Rest] = field(default_factory=dict)  # slug → exhausted until
    readings: tuple[Reading, ...] = ()
    spent: frozenset[str] = frozenset()  # budget scopes at a limit that blocks: "provider:openai"
    degraded: frozenset[str] = frozenset()  # budget scopes at a limit where cheaper models take over

    def full_until(self, quota: str, now: datetime) -> datetime | None:
        """When the fullest known windows of a quota that is said to be empty begin anew: the last of them; None: nobody knows."""
        ends = [
            reading.resets_at
            for reading in self.readings
            if reading.window.startswith(f"{quota} ") and reading.percent >= FULL_PERCENT
            if reading.resets_at is not None and reading.resets_at > now and reading.read_at + STALE_AFTER > now
        ]
        return max(ends, default=None)

    def valid_until(self, now: datetime) -> datetime | None:
        """The next moment at which this health means something else by itself; None: never."""
        moments = sorted(self._moments())
        place = bisect_right(moments, now)
        return moments[place] if place < len(moments) else None

    def _moments(self) -> Iterator[datetime]:
        for rest in (*self.cooldowns.values(), *self.quotas.values()):
            if rest.until is not None:
                yield rest.until
        for broken in self.circuits.values():
            yield broken.retry_at
        yield from self.renewals.values()
        for reading in self.readings:
            yield reading.read_at + STALE_AFTER
            if reading.resets_at is not None:
                yield reading.resets_at
