"""Counts that outlive the raw rows, and what each night concluded from them. Only the nightly job writes here."""

from django.db import models

from analytics.models._fields import counts, model_key, task_type
from routing.models._fields import usd, word
from routing.terms.words import Role


class Rollup(models.Model):
    """The attempts of one hour, task type, model, role, client and project: what pages and reports read.

    Latencies are log-histograms (`stats.histograms`): `*_buckets` are the buckets in order, `*_counts` how many fell into each. They merge by adding.
    """

    hour = models.DateTimeField()  # start of the hour in which the call started, UTC
    task_type = task_type()
    provider = models.CharField(max_length=120)
    model = models.CharField(max_length=120)  # slug
    role = word(Role)
    client = models.CharField(max_length=120)
    project = models.CharField(max_length=120)
    simulated = models.BooleanField()
    attempts = models.IntegerField()
    firsts = models.IntegerField()  # first attempts: calls, counted once
    ok = models.IntegerField()
    error = models.IntegerField()
    partial = models.IntegerField()
    cancelled = models.IntegerField()
    blocked = models.IntegerField()
    unknown = models.IntegerField()
    faults = models.IntegerField()  # errors that were the provider's: connect, timeout, 5xx, malformed, truncated
    input_tokens = models.BigIntegerField()
    output_tokens = models.BigIntegerField()
    cache_read_tokens = models.BigIntegerField()
    cost_usd = usd()
    unpriced = models.IntegerField()  # attempts that used tokens and have no price
    ttft_buckets = counts()
    ttft_counts = counts()
    total_buckets = counts()
    total_counts = counts()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "task_type", "provider", "model", "role", "client", "project", "simulated"],
                name="rollup_key",
            )
        ]
        indexes = [models.Index(fields=["task_type", "hour"], name="rollup_task")]


class Tally(models.Model):
    """The work items of one night, task type, model and role, whatever the role: descriptive tables, not evidence."""

    night = models.DateField()
    task_type = task_type()
    model = model_key()
    role = word(Role)
    simulated = models.BooleanField()
    opened = models.IntegerField()  # items whose first call was this night
    priced = models.IntegerField()  # of them: all calls priced
    cost_usd = usd()  # of the priced ones
    drawn = models.IntegerField()  # items that closed this night and were to be graded
    graded = models.IntegerField()
    successes = models.IntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["night", "task_type", "model", "role", "simulated"], name="tally_key")
        ]


class Block(models.Model):
    """The counts of one arm within one block: `analytics.columns.BLOCKS`, where each column is explained."""

    task_type = task_type()
    night = models.DateField()
    definition = models.IntegerField()
    simulated = models.BooleanField()
    bucket = models.SmallIntegerField()
    shares = models.TextField()
    model = model_key()
    version = models.CharField(max_length=40)
    opened = models.IntegerField()
    as_primary = models.IntegerField()
    priced = models.IntegerField()
    cost_sum = models.FloatField()
    cost_sq = models.FloatField()
    cost_cut = models.IntegerField()
    timed = models.IntegerField()
    slower_p50 = models.IntegerField()
    slower_p95 = models.IntegerField()
    ttft_n = models.IntegerField()
    ttft_log_sum = models.FloatField()
    ttft_log_sq = models.FloatField()
    total_n = models.IntegerField()
    total_log_sum = models.FloatField()
    total_log_sq = models.FloatField()
    drawn = models.IntegerField()
    graded = models.IntegerField()
    successes = models.IntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["night", "task_type", "definition", "simulated", "bucket", "shares", "model", "version"],
                name="block_key",
            )
        ]


class YardstickState(models.Model):
    """What a task type's items are measured against, as it stood after a night: `stats.yardsticks.Yardstick`.

    Kept a night each, so that any night can be run again from the one before it.
    """

    night = models.DateField()
    task_type = task_type()
    simulated = models.BooleanField()
    state = models.JSONField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["night", "task_type", "simulated"], name="yardstick_key")]


class Comparison(models.Model):
    """One challenger of one incumbent as the evidence stood after a night: `stats.results.Comparison`.

    `result` is that dataclass as JSON without its trail, which only the newest row of a pair's run keeps.
    """

    night = models.DateField()
    task_type = task_type()
    incumbent = model_key()
    challenger = model_key()
    simulated = models.BooleanField()
    definition = models.IntegerField()
    since = models.DateField()  # first night of the incumbent's run
    n_incumbent = models.IntegerField()
    n_challenger = models.IntegerField()
    verdict = models.CharField(max_length=24, blank=True)  # a proposal's kind; "" = not yet
    log_e = models.FloatField()  # of the verdict, else of the kind nearest to a proof
    log_threshold = models.FloatField()
    log_better = models.FloatField()
    log_not_worse = models.FloatField()
    log_faster = models.FloatField()
    log_not_slower = models.FloatField()
    result = models.JSONField()
    trail = models.JSONField(default=list)  # `stats.results.NightPoint` by night, for the chart

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["night", "task_type", "incumbent", "challenger", "simulated", "definition", "since"],
                name="comparison_key",
            )
        ]
        indexes = [models.Index(fields=["task_type", "incumbent", "challenger", "night"], name="comparison_pair")]
