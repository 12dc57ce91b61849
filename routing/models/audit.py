from django.conf import settings
from django.db import models


class AuditEvent(models.Model):
    """Who did what, before and after. Append-only; each row's hash covers the one before it."""

    sequence = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    # The id stays when the account goes: an event is never touched again. Show `actor_name`.
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.DO_NOTHING, null=True, blank=True, db_constraint=False)
    actor_name = models.CharField(max_length=200)
    action = models.CharField(max_length=60)  # "route.publish", "proposal.approve" …
    subject = models.CharField(max_length=200)
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField(null=True, blank=True)
    reason = models.TextField(blank=True)
    address = models.CharField(max_length=64, blank=True)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        ordering = ["-sequence"]
        indexes = [models.Index(fields=["subject", "-sequence"], name="audit_subject")]


class AuditHead(models.Model):
    """One row: how many events there are, the last hash, and an HMAC over both under a key that is not in the database."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    count = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=64, default="0" * 64)
    hmac = models.CharField(max_length=64, blank=True)
