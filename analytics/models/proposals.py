from django.conf import settings
from django.db import models
from django.db.models import Q

from analytics.models._fields import model_key, task_type
from routing.models._fields import usd_or_none, word
from routing.terms.words import ProposalKind, ProposalStatus

SWITCHES = (ProposalKind.QUALITY, ProposalKind.COST, ProposalKind.LATENCY, ProposalKind.ROLLBACK)


class Proposal(models.Model):
    """A change that the evidence speaks for, and what a person decided. One open switch a task type; the nightly job refreshes it under its id."""

    kind = word(ProposalKind)
    task_type = task_type()
    from_model = model_key(blank=True)  # "from" in the API; "" where there is none (trial)
    to_model = model_key(blank=True)
    status = word(ProposalStatus, default=ProposalStatus.OPEN)
    simulated = models.BooleanField(default=False)
    evidence = models.JSONField(default=dict)  # the contract's object
    evidence_sha256 = models.CharField(max_length=64, blank=True)
    explanation = models.TextField()
    details = models.JSONField(default=dict, blank=True)  # a trial's share, challengers, usd_cap, until
    saving_per_month_usd = usd_or_none()  # at the task type's pace; null: unpriced
    # what it was opened on: approval refuses when any of it moved
    base_steps = models.JSONField(default=list)  # the route, "provider:model" in order
    base_revision = models.PositiveIntegerField(default=0)
    base_prices = models.JSONField(default=dict)  # {"provider:model": price and version}
    opened_on = models.DateField()  # night
    as_of = models.DateField()  # night of the evidence shown
    supported_on = models.DateField()  # last night whose comparison still said so
    created_at = models.DateTimeField(auto_now_add=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    decided_by_name = models.CharField(max_length=200, blank=True)
    comment = models.TextField(blank=True)
    applied_revision = models.PositiveIntegerField(null=True, blank=True)
    reverted_revision = models.PositiveIntegerField(null=True, blank=True)
    superseded_by = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["task_type"], condition=Q(status="open", kind__in=SWITCHES), name="one_open_switch_a_task"
            )
        ]
        indexes = [models.Index(fields=["status", "task_type"], name="proposal_status")]
