"""Audit: who did what, before and after; and whether the chain is whole."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from routing import audit
from routing.models import AuditEvent
from routing.terms.words import Group
from routing.views.access import page

PAGE = 50
MOST = 4_000  # characters of a value


@page(Group.ADMIN)
def events(request: HttpRequest) -> HttpResponse:
    return _show(request)


@page(Group.ADMIN, "POST")
def verify(request: HttpRequest) -> HttpResponse:
    """Read the whole chain. A POST, because it may take a while; it changes nothing."""
    return _show(request, audit.verify())


def _show(request: HttpRequest, verification: audit.Verification | None = None) -> HttpResponse:
    subject, cursor = request.GET.get("subject", "").replace("\0", ""), request.GET.get("cursor", "")
    rows = AuditEvent.objects.filter(subject=subject) if subject else AuditEvent.objects.all()
    before = int(cursor) if cursor.isascii() and cursor.isdecimal() and len(cursor) < 18 else 0
    found = list(rows.filter(sequence__lt=before)[: PAGE + 1] if before else rows[: PAGE + 1])
    context = {
        "events": [(event, _told(event.before), _told(event.after)) for event in found[:PAGE]],
        "subject": subject,
        "verification": verification,
        "first": not before,
        "next": str(found[PAGE - 1].sequence) if len(found) > PAGE else None,
    }
    return render(request, "routing/audit.html", context)


def _told(value: Any) -> str:
    """What was there, as JSON that fits on a page; "" for nothing."""
    if value is None:
        return ""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MOST else f"{text[:MOST]} … ({len(text):,} characters)"
