"""The gauges of the state, for pages, the API and the terminal alike: quotas with a bar a window, usage now and today, where on the curve."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Q

from routing import quotas, snapshot, usage
from routing.models import Attempt, Quota
from routing.policy.curve import Level, level
from routing.policy.health import Rest
from routing.snapshot import Snapshot
from routing.terms.ids import floor_of
from routing.terms.words import ErrorKind, Status

STATISTICS = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Today:
    """The chart of today's usage on the curve."""

    since: datetime  # midnight in CORTEX_TIME_ZONE
    until: datetime  # now
    series: list[tuple[str, str, tuple[usage.Point, ...]]]  # (provider, window, readings)
    steps: list[tuple[float, tuple[str, ...]]]  # of the curve: from this per cent on, these models


def every_quota(now: datetime) -> list[dict[str, Any]]:
    """All quotas, exhausted or not, with a bar for each window."""
    resting = quotas.exhausted(now)
    known = {each.window: each for each in usage.windows(now)}
    rows = Quota.objects.select_related("provider").prefetch_related("models__provider").order_by("slug")
    return [_quota(row, resting.get(row.slug), known, now) for row in rows]


def quota(slug: str, now: datetime) -> dict[str, Any]:
    """One of `every_quota`. Raises quotas.Unknown."""
    found = next((each for each in every_quota(now) if each["quota"] == slug), None)
    if found is None:
        raise quotas.Unknown(slug)
    return found


def _quota(row: Quota, rest: Rest | None, known: dict[str, usage.WindowNow], now: datetime) -> dict[str, Any]:
    return {
        "quota": row.slug,
        "name": row.name or row.slug,
        "provider": row.provider.slug if row.provider else None,
        "models": sorted(model.key for model in row.models.all()),
        "exhausted": rest is not None,
        "until": rest.until.isoformat() if rest and rest.until else None,
        "seconds_left": seconds(rest.until, now) if rest else None,
        "reason": rest.reason if rest else "",
        "windows": [_bar(window, known.get(usage.name_of(row.slug, window["name"]))) for window in row.windows],
    }


def _bar(window: dict[str, Any], read: usage.WindowNow | None) -> dict[str, Any]:
    """A window of a quota as it was read last, by whoever: our own calls are counted once a minute."""
    percent = read.percent if read else None
    limit = window.get("limit")
    return {
        "window": window["name"],
        "unit": window.get("unit", "calls"),
        "limit": limit,
        "used": round(limit * percent / 100, 2) if limit and percent is not None else None,
        "percent": percent,
        "source": (read.source or None) if read else None,
        "reason": "" if percent is not None else read.reason if read else usage.why_not(window),
        "resets_at": read.resets_at.isoformat() if read and read.resets_at else None,
        "full_at": read.full_at.isoformat() if read and read.full_at else None,
    }


def usage_now(now: datetime) -> list[dict[str, Any]]:
    """Every usage window of every provider; an unknown one has no per cent and says why."""
    return [
        {
            "provider": each.provider,
            "window": each.window,
            "percent": each.percent,
            "state": "unknown" if each.percent is None else "known",
            "reason": each.reason,
            "source": each.source or None,
            "read_at": each.read_at.isoformat() if each.read_at else None,
            "resets_at": each.resets_at.isoformat() if each.resets_at else None,
            "full_at": each.full_at.isoformat() if each.full_at else None,
        }
        for each in usage.windows(now)
    ]


def today(now: datetime) -> Today:
    """What the chart on the curve shows."""
    curve = snapshot.fresh().table.curve
    steps = [(step.above, step.allowed) for step in curve.steps] if curve else []
    return Today(usage.midnight_of(now), now, usage.today(now), steps)


def degradation(known: Snapshot, now: datetime) -> dict[str, Any]:
    """Where on the curve we are, what it allows there, and what holds while usage is unknown."""
    curve = known.table.curve
    there = level(curve, known.health, now)
    higher = [step.above for step in curve.steps] if curve else []
    return {
        "curve": curve.name if curve else None,
        "percent": there.percent,
        "level": there.number + 1 if there.steps else 0,
        "levels": there.steps,
        "allowed": list(there.allowed),
        "next_at": higher[there.number + 1] if there.number + 1 < len(higher) else None,
        "when_unknown": ("degrade" if curve.degrades_when_unknown else "allow") if curve else None,
        "warning": _warning(there),
    }


def _warning(there: Level) -> str:
    if not there.steps or there.percent is not None:
        return ""
    holds = (
        "the curve allows as it does at first" if there.number == 0 else f"the curve stands on level {there.number + 1}"
    )
    return f"Usage is unknown: no window was read lately, so {holds}."


def recorded(done: usage.Recorded) -> dict[str, Any]:
    """A reading that was just kept, and where it leaves us on the curve."""
    reading = done.reading
    return {
        "provider": reading.provider,
        "window": reading.window,
        "percent": reading.percent,
        "resets_at": reading.resets_at.isoformat() if reading.resets_at else None,
        "crossed": list(done.crossed),
        "degradation": degradation(snapshot.load_now(), datetime.now(UTC)),
    }


def statistics(now: datetime) -> dict[str, dict[str, Any]]:
    """The last hour's attempts of each provider that was tried."""
    tried = Attempt.objects.filter(call_id__gte=floor_of(now - STATISTICS)).values("provider")
    sums = tried.annotate(
        attempts=Count("attempt"),
        ok=Count("attempt", filter=Q(status=Status.OK)),
        errors=Count("attempt", filter=Q(status=Status.ERROR)),
        rate_limited=Count("attempt", filter=Q(error_kind=ErrorKind.RATE_LIMIT)),
        last_at=Max("started_at"),
    )
    return {
        row["provider"]: {
            **{name: row[name] for name in ("attempts", "ok", "errors", "rate_limited")},
            "last_at": row["last_at"].isoformat(),
        }
        for row in sums
    }


def seconds(until: datetime | None, now: datetime) -> int | None:
    """Whole seconds that are left; None: without an end."""
    return None if until is None else max(0, round((until - now).total_seconds()))
