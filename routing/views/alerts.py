"""Alerts: what a person may want to know, open or over."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from routing import alerts
from routing.models import Alert
from routing.views.access import page

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
