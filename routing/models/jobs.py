"""Runs of the scheduled jobs and batches of calls."""

from django.db import models

from routing.models._fields import Encrypted, word
from routing.terms.words import JobStatus


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
    client = models.ForeignKey("Client", models.CASCADE)
    status = word(JobStatus, default=JobStatus.QUEUED)
    concurrency = models.PositiveSmallIntegerField(default=4)
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    purge_at = models.DateTimeField(null=True, blank=True)


class BatchItem(models.Model):
    batch = models.ForeignKey(Batch, models.CASCADE, related_name="items")
    position = models.PositiveIntegerField()
    status = word(JobStatus, default=JobStatus.QUEUED)
    body = Encrypted(null=True, blank=True)  # the broker carries ids only
    answer = Encrypted(null=True, blank=True)
    call_id = models.UUIDField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["batch", "position"], name="batch_position")]
        ordering = ["position"]
