"""Quotas, usage readings and degradation curves."""

# By name: a Quota has `models` of its own, the rows of its pool.
from django.db.models import (
    CASCADE,
    SET_NULL,
    BooleanField,
    CharField,
    DateTimeField,
    FloatField,
    ForeignKey,
    Index,
    JSONField,
    Model,
    PositiveSmallIntegerField,
    UniqueConstraint,
)

from routing.models._fields import slug


class Quota(Model):
    """A pool of one product: Codex CLI is not Codex Code Review."""

    slug = slug(unique=True)
    name = CharField(max_length=120)
    provider = ForeignKey("Provider", SET_NULL, null=True, blank=True, related_name="quotas")
    windows = JSONField(default=list, blank=True)  # [{"name", "limit", "unit"}]
    exhausted = BooleanField(default=False)
    resets_at = DateTimeField(null=True, blank=True)  # past: available again, at read time
    reason = CharField(max_length=300, blank=True)


class UsageReading(Model):
    """How full a window was, as pushed or computed. The newest of a window counts."""

    provider = ForeignKey("Provider", CASCADE, related_name="usage")
    window = CharField(max_length=60)
    percent = FloatField()
    resets_at = DateTimeField(null=True, blank=True)
    read_at = DateTimeField()
    source = CharField(max_length=20)  # "pushed", "computed"

    class Meta:
        indexes = [Index(fields=["provider", "window", "-read_at"], name="usage_newest")]


class UsageAlert(Model):
    """A threshold that was crossed: once per window and threshold, re-armed at its reset."""

    provider = ForeignKey("Provider", CASCADE, related_name="usage_alerts")
    window = CharField(max_length=60)
    threshold = PositiveSmallIntegerField()
    window_resets_at = DateTimeField(null=True, blank=True)
    created_at = DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["provider", "window", "threshold", "window_resets_at"],
                name="usage_alert_once",
                nulls_distinct=False,
            )
        ]


class Curve(Model):
    """Which models may serve at which usage: [{"from": 0, "allowed": [...]}], lower bound inclusive."""

    name = slug(unique=True)
    steps = JSONField(default=list)
    active = BooleanField(default=True)
    when_unknown = CharField(max_length=12, default="allow")  # or "degrade"
