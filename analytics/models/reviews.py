from django.db import models


class Review(models.Model):
    """The report of one ISO week. The same rows give the same bytes."""

    week = models.CharField(max_length=8, unique=True)  # "2026-W47"
    starts_on = models.DateField()  # Monday
    result = models.JSONField()
    sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
