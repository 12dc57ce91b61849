"""State that all processes share: what rests, what is broken, and the version that says something moved."""

from django.db import models

from routing.models._fields import slug, word
from routing.terms.words import CircuitState


class StateVersion(models.Model):
    """One row. `revision` moves with the table, `state` with everything else a snapshot holds."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    revision = models.PositiveIntegerField(default=0)
    state = models.BigIntegerField(default=0)


class Cooldown(models.Model):
    """A 429 and its like: `model` rests at this credential, or the whole credential when `model` is "". deadline = max(old, new)."""

    provider = slug()
    credential = models.CharField(max_length=120)
    model = models.CharField(max_length=120, blank=True)
    until = models.DateTimeField()
    reason = models.CharField(max_length=300, blank=True)
    error_kind = models.CharField(max_length=24, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["provider", "credential", "model"], name="cooldown_of")]


class Circuit(models.Model):
    """Connect errors, timeouts, 5xx and malformed answers of one model. A missing row is a closed circuit."""

    provider = slug()
    model = models.CharField(max_length=120)
    state = word(CircuitState, default=CircuitState.CLOSED)
    failures = models.PositiveIntegerField(default=0)  # in a row
    openings = models.PositiveIntegerField(default=0)  # in a row; doubles the rest
    opened_at = models.DateTimeField(null=True, blank=True)
    retry_at = models.DateTimeField(null=True, blank=True)  # when one probe may go
    probe_until = models.DateTimeField(null=True, blank=True)  # a worker holds the probe until then
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["provider", "model"], name="circuit_of")]


class CircuitWindow(models.Model):
    """What one process saw of a model in the last 30 s, while anybody sees it fail. Old rows say nothing and are swept."""

    provider = slug()
    model = models.CharField(max_length=120)
    process = models.CharField(max_length=120)
    calls = models.PositiveIntegerField()
    failures = models.PositiveIntegerField()
    told_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["provider", "model", "process"], name="circuit_window_of")]
