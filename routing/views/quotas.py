"""Quotas and usage: how full every window is, where on the curve that stands, and a quota exhausted or released by a person."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from routing import queries, quotas, usage
from routing.models import Curve, Quota
from routing.terms.words import Group
from routing.usage import WindowNow
from routing.views import curve_plot
from routing.views.access import actor, page

WATCHING, FULL = 70, 95  # per cent of a window from which its bar says so


@dataclass(frozen=True, slots=True)
class Bar:
    """A window and its bar."""

    now: WindowNow

    @property
    def share(self) -> float:
        return (self.now.percent or 0) / 100

    @property
    def kind(self) -> str:
        percent = self.now.percent or 0
        return "bad" if percent >= FULL else "warn" if percent >= WATCHING else "good"

    @property
    def said(self) -> str:
        return f"{self.now.provider} {self.now.window}: {self.now.percent:g} % used"


@dataclass(frozen=True, slots=True)
class QuotaCard:
    row: Quota
    is_exhausted: bool
    models: list[str]
    bars: list[Bar]


@page()
def every(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    bars = [Bar(each) for each in usage.windows(now)]
    degradation = queries.status()["degradation"]
    curve = Curve.objects.filter(active=True).first()
    context = {
        "bars": bars,
        "quotas": [
            _card(row, bars, now) for row in Quota.objects.prefetch_related("models__provider").order_by("slug")
        ],
        "marks": [step["from"] / 100 for step in curve.steps[1:]] if curve else [],
        "degradation": degradation,
        "curve": curve,
        "levels": [{**step, "number": number} for number, step in enumerate(curve.steps, 1)] if curve else [],
        "figure": curve_plot.figure(curve.steps, _lines(now), now) if curve else None,
        "time_zone": settings.TIME_ZONE,
        "others": Curve.objects.filter(active=False).order_by("name"),
    }
    return render(request, "routing/quotas.html", context)


def _card(row: Quota, bars: list[Bar], now: Any) -> QuotaCard:
    held = row.exhausted and (row.resets_at is None or row.resets_at > now)
    names = {usage.name_of(row.slug, window["name"]) for window in row.windows}
    mine = [bar for bar in bars if bar.now.window in names]
    return QuotaCard(row, held, [model.key for model in row.models.all()], mine)


def _lines(now: Any) -> list[curve_plot.Line]:
    return [
        curve_plot.Line(f"{provider} {window}", [(point.at, point.percent) for point in points])
        for provider, window, points in usage.today(now)
        if points
    ]


@page(Group.OPERATOR, "POST")
def exhaust(request: HttpRequest, slug: str) -> HttpResponse:
    """Nothing is sent to its models until then, on every worker."""
    until, reason = (
        request.POST.get("until", "").strip(),
        request.POST.get("reason", "").replace("\0", "").strip()[:300],
    )
    try:
        quotas.exhaust(slug, quotas.moment_ahead(until) if until else None, reason, by=actor(request))
    except quotas.Unknown as error:
        raise Http404(str(error)) from error
    except quotas.NoMoment as error:
        messages.error(request, f"Nothing was changed. {error}")
    else:
        messages.success(request, f"{slug} is exhausted {f'until {until}' if until else 'until it is released'}.")
    return redirect("quotas")


@page(Group.OPERATOR, "POST")
def release(request: HttpRequest, slug: str) -> HttpResponse:
    try:
        freed = quotas.release(slug, by=actor(request))
    except quotas.Unknown as error:
        raise Http404(str(error)) from error
    if freed:
        messages.success(request, f"{slug} is available again.")
    else:
        messages.info(request, f"{slug} was not exhausted.")
    return redirect("quotas")
