"""Runs of the scheduled jobs and batches of calls."""

from django.db import models

from routing.models._fields import Encrypted, usd_or_none, word
from routing.terms.words import ItemStatus, JobStatus


class JobRun(models.Model):
    """One job for one date. The unique key makes a second, parallel or redelivered run find the first."""

    job = models.CharField(max_length=40)  # "nightly", "weekly", "partitions" …
    key = models.CharField(max_length=60)  # its date: "2026-11-21", "2026-W47"
    status = word(JobStatus, default=JobStatus.QUEUED)
    dirty = models.BooleanField(default=False)  # rows came late: to be run again
    progress = models.FloatField(default=0)  # 0 … 1
    result = models.JSONField(default=dict, blank=True)
    result_sha256 = models.CharField(max_length=64, blank=True)
    error = models.TextField(blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "key"], name="job_once")]


class Batch(models.Model):
    """Calls that one client sent together. How many of them are in which state is counted over the items, and kept nowhere else."""

    client = models.ForeignKey("Client", models.CASCADE)
    key_prefix = models.CharField(
        max_length=16, blank=True
    )  # the key that sent it: its calls are that key's, as long as it is alive
    status = word(JobStatus, default=JobStatus.QUEUED)
    concurrency = models.PositiveSmallIntegerField(default=4)
    total = models.PositiveIntegerField(default=0)
    stops_running = models.BooleanField(default=False)  # of a cancelled one: calls on their way end at once
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)  # no item waits or runs any more
    purge_at = models.DateTimeField(null=True, blank=True)  # null: purged
    # A message that says "run it" is on its way since then; null: none is, so a run has begun, or the broker was away.
    sent_at = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)  # nothing could serve: worth no try until then

    class Meta:
        indexes = [models.Index(fields=["id"], condition=models.Q(finished_at=None), name="batch_open")]


class BatchItem(models.Model):
    batch = models.ForeignKey(Batch, models.CASCADE, related_name="items")
    position = models.PositiveIntegerField()  # from 0, as in the body that brought it
    status = word(ItemStatus, default=ItemStatus.QUEUED)
    body = Encrypted(null=True, blank=True)  # the wish, until its call has ended; the broker carries ids only
    answer = Encrypted(null=True, blank=True)  # what a dispatch would have answered, or its error
    error_code = models.CharField(max_length=60, blank=True)
    call_id = models.UUIDField(
        null=True, blank=True
    )  # chosen when the item is claimed: also a lost call can be looked for
    tries = models.PositiveSmallIntegerField(default=0)  # claims; more than one only where no provider was paid
    cost_usd = usd_or_none()
    input_tokens = models.IntegerField(null=True, blank=True)
    output_tokens = models.IntegerField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["batch", "position"], name="batch_position")]
        ordering = ["position"]
