"""The first page: is it safe to start, how was the last day, what waits for a person, what changed."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from analytics import pulse, queries
from routing import alerts, catalogue, snapshot
from routing import queries as state
from routing.catalogue import ModelNow
from routing.models import Quota, Revision, TaskType
from routing.terms.words import ProposalStatus
from routing.views.access import page

MOST = 6  # of a list that another page shows whole
WATCHING = 70  # per cent of usage from which a window's bar says so
FULL = 95


@dataclass(frozen=True, slots=True)
class ProviderNow:
    """A provider's line in the first card."""

    slug: str
    state: str  # ready, not_ready, disabled, or what most of its models are kept by
    simulated: bool
    reason: str
    resting: list[ModelNow]  # models that cannot be called now, though the provider can
    windows: list["Window"]


@dataclass(frozen=True, slots=True)
class Window:
    """How full a usage window is."""

    name: str
    percent: float | None  # None: unknown
    kind: str
    reason: str = ""  # why it is unknown

    @property
    def share(self) -> float:
        return (self.percent or 0) / 100

    @property
    def said(self) -> str:
        return f"{self.name}: {self.percent:g} % used"


@dataclass(frozen=True, slots=True)
class Stat:
    """A figure of the row of cards, as `_stat.html` takes it."""

    label: str
    value: Any  # None: unknown
    writer: str  # count, pct, ms, money
    reason: str  # why it is unknown
    delta: float | None
    kind: str
    good: str
    note: str
    url: str


@page()
def overview(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    boot = state.boot()
    names = dict(TaskType.objects.values_list("slug", "name"))
    context = {
        "boot": boot,
        "blocked": [(slug, names.get(slug) or slug) for slug in boot["blocked_tasks"]],
        "off": [
            names.get(slug) or slug
            for slug, model in boot["recommended"].items()
            if model is None and slug not in boot["blocked_tasks"]
        ],
        "reachable": any(boot["recommended"].values()),
        "providers": _providers(),
        "marks": [step.above / 100 for step in curve.steps[1:]] if (curve := snapshot.fresh().table.curve) else [],
        "quotas": Quota.objects.filter(exhausted=True).exclude(resets_at__lte=now).order_by("slug"),
        "pulse": (measured := pulse.pulse(now)),
        "stats": _stats(measured),
        "proposals": queries.proposals(ProposalStatus.OPEN)[:MOST],
        "alerts": alerts.open_alerts()[:MOST],
        "revisions": Revision.objects.defer("document")[:MOST],
    }
    part = "#safe" if request.htmx else ""  # type: ignore[attr-defined]
    return render(request, f"analytics/overview.html{part}", context)


def _providers() -> list[ProviderNow]:
    known, models = state.status(), catalogue.models_now().values()
    windows: dict[str, list[Window]] = {}
    for each in known["usage"]:
        percent = each["percent"] or 0
        kind = "bad" if percent >= FULL else "warn" if percent >= WATCHING else "good"
        window = Window(each["window"], each["percent"], kind, each["reason"])
        windows.setdefault(each["provider"], []).append(window)
    found = [
        ProviderNow(
            slug=each["provider"],
            state="disabled" if not each["enabled"] else "ready" if each["ready"] else "not_ready",
            simulated=each["simulated"],
            reason=each["reason"] or "",
            resting=[model for model in models if _rests(model, each["provider"])] if each["ready"] else [],
            windows=windows.get(each["provider"], []),
        )
        for each in known["providers"]
    ]
    return sorted(found, key=lambda each: (each.state == "disabled", each.slug))


def _rests(model: ModelNow, provider: str) -> bool:
    return model.provider == provider and model.enabled and model.health != catalogue.READY


def _stats(measured: pulse.Pulse) -> list[Stat]:
    now, before = measured.now, measured.before
    success, earlier = measured.success, measured.success_before
    nothing = "no calls in 24 hours"
    return [
        Stat("Calls, 24 h", now.calls, "count", "", _relative(now.calls, before.calls), "pct", "",
             f"{now.fallbacks:,} served by a fallback", "calls"),
        Stat("Success, 7 nights", success and success.share, "pct", "nothing was graded",
             success.share - earlier.share if success and earlier else None, "points", "up",
             f"n {success.n:,}" if success else "", "reviews"),
        Stat("p95, 24 h", now.total_p95_ms, "ms", nothing, _relative(now.total_p95_ms, before.total_p95_ms), "pct", "down",
             f"n {now.answered.successes:,}" if now.answered else "", "calls"),
        Stat("Spend, 24 h", now.cost_usd if now.calls else None, "money", nothing,
             _relative(now.cost_usd, before.cost_usd), "pct", "down",
             f"{now.unpriced:,} unpriced" if now.unpriced else "", "spend"),
    ]  # fmt: skip


def _relative(value: Any, before: Any) -> float | None:
    """The change as a share of what it was; None where there is nothing to compare."""
    return float(value) / float(before) - 1 if value is not None and before else None
