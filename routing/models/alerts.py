from django.db import models

from routing.models._fields import word
from routing.terms.words import Severity


class Alert(models.Model):
    """Something a person may want to know, said once per `key`."""

    key = models.CharField(
        max_length=200, unique=True
    )  # what makes it the same alert: "credential:openai/main:not-ready:2026-11-22"
    kind = models.CharField(max_length=40)
    severity = word(Severity, default=Severity.WARNING)
    title = models.CharField(max_length=300)
    detail = models.TextField(blank=True)
    subject = models.CharField(max_length=200, blank=True)  # "provider:openai", "task:bulk_ops" …
    url = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    notified_at = models.DateTimeField(null=True, blank=True)
    notified_as = models.CharField(max_length=12, blank=True)  # "at once", or with the "digest"
    seen_by = models.CharField(max_length=200, blank=True)  # who has acknowledged it; "": nobody yet
    seen_at = models.DateTimeField(null=True, blank=True)
