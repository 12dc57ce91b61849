"""Alerts: what a person may want to know, open or over."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from routing import alerts
from routing.models import Alert
from routing.terms.words import Group
from routing.views.access import actor, page

PAGE = 50


@page()
def every(request: HttpRequest) -> HttpResponse:
    is_over = request.GET.get("state") == "resolved"
    rows = Alert.objects.exclude(resolved_at=None).order_by("-pk") if is_over else alerts.open_alerts().order_by("-pk")
    cursor = request.GET.get("cursor", "")
    before = int(cursor) if cursor.isascii() and cursor.isdecimal() and len(cursor) < 18 else 0
    found = list(rows.filter(pk__lt=before)[: PAGE + 1] if before else rows[: PAGE + 1])
    context = {
        "alerts": found[:PAGE],
        "is_over": is_over,
        "first": not before,
        "next": str(found[PAGE - 1].pk) if len(found) > PAGE else None,
    }
    return render(request, "routing/alerts.html", context)


@page(Group.OPERATOR, "POST")
def acknowledge(request: HttpRequest, number: int) -> HttpResponse:
    """A person sees to it: it stays open until it is over, and waits for nobody else."""
    row = Alert.objects.filter(pk=number).first() if number < 2**63 else None
    if row is None:
        raise Http404(f"There is no alert {number}.")
    if alerts.acknowledge(number, by=actor(request)):
        messages.success(request, f"Acknowledged: {row.title}")
    elif row.resolved_at is not None:
        messages.info(request, "It is over already.")
    else:
        messages.info(request, f"{row.seen_by} has acknowledged it before.")
    return redirect("alerts")
