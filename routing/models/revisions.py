"""Every state the routing table was ever in."""

from django.conf import settings
from django.db import models


class Revision(models.Model):
    """One publication of the table: the whole document, who, when, why. `number` is gapless and is what If-Match carries."""

    number = models.PositiveIntegerField(primary_key=True)
    document = models.JSONField()  # as `routing.document.dump` gives it: no secrets
    sha256 = models.CharField(max_length=64)
    reason = models.TextField(blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)
    by_name = models.CharField(max_length=200)  # stays when the account goes; "key ck_ab12 of ci" for a key
    source = models.CharField(max_length=40)  # "console", "api", "load", "proposal", "restore", "seed", "import"
    restores = models.PositiveIntegerField(null=True, blank=True)
    proposal_id = models.BigIntegerField(null=True, blank=True)  # of analytics; no foreign key upward
    changes = models.JSONField(default=list)  # [{"path", "before", "after"}], for timelines and four eyes
    task_types = models.JSONField(default=list)  # slugs whose routes this revision changed
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
