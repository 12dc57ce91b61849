"""What happened: one Call a dispatch, one Attempt a provider try, one WorkItem a unit of evidence, Labels on items.

Call and Attempt are native partitions by month of the call's UUIDv7 (`routing.migrations` makes the parents, `routing.drain` the months).
Only the drain and imports write calls and attempts.
"""

from django.db import models

from routing.models._fields import usd_or_none, word
from routing.terms.words import CredentialKind, LabelSource, Role, Status, Verdict


class Call(models.Model):
    """One dispatch. Slugs, not foreign keys: a row must outlive what it names."""

    id = models.UUIDField(primary_key=True)  # UUIDv7: its first 48 bits are the time
    external_id = models.CharField(max_length=200, blank=True)  # an import's own request_id
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    status = word(Status)
    error_code = models.CharField(max_length=60, blank=True)
    task_type = models.CharField(max_length=120)
    project = models.CharField(max_length=120, blank=True)
    client = models.CharField(max_length=120, blank=True)
    key_prefix = models.CharField(max_length=16, blank=True)
    wire = models.CharField(max_length=24)
    session = models.CharField(max_length=200, blank=True)
    item_id = models.UUIDField()  # the work item
    size = models.IntegerField(default=0)  # estimated input tokens, before the draw
    shares = models.TextField(blank=True)  # the share vector in force, canonical
    draw = models.FloatField(null=True, blank=True)
    drawn = models.BooleanField(default=True)  # for grading
    grading_p = models.FloatField(default=1)
    role = word(Role)  # of the first attempt
    propensity = models.FloatField(null=True, blank=True)
    route_revision = models.IntegerField(default=0)
    candidates = models.JSONField(default=list)  # the candidate set, "provider:model" in order
    requested_model = models.CharField(max_length=200, blank=True)
    routed_model = models.CharField(max_length=250, blank=True)  # "provider:model"
    served_model = models.CharField(max_length=250, blank=True)  # "provider:model"; "" when nothing was served
    would_route = models.CharField(max_length=250, blank=True)
    used_fallback = models.BooleanField(default=False)
    background = models.BooleanField(default=False)
    stream = models.BooleanField(default=False)
    simulated = models.BooleanField(default=False)
    imported = models.BooleanField(default=False)
    reason = models.CharField(max_length=500, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    context = models.CharField(max_length=200, blank=True, db_default="")  # the caller's conditions, commas between
    attempts_count = models.PositiveSmallIntegerField(default=0)
    input_tokens = models.IntegerField(null=True, blank=True)  # of the served attempt
    output_tokens = models.IntegerField(null=True, blank=True)
    ttft_ms = models.IntegerField(null=True, blank=True)
    total_ms = models.IntegerField(null=True, blank=True)  # of the whole call
    cost_usd = usd_or_none()  # all attempts; null: one that answered is unpriced
    created_at = models.DateTimeField(auto_now_add=True)  # when the row came: late rows make nights dirty


class Attempt(models.Model):
    """One provider try."""

    pk = models.CompositePrimaryKey("call_id", "attempt")
    call_id = models.UUIDField()
    attempt = models.SmallIntegerField()  # 1, 2, …
    started_at = models.DateTimeField()
    provider = models.CharField(max_length=120)
    model = models.CharField(max_length=120)  # slug
    upstream_id = models.CharField(max_length=200, blank=True)
    served_model = models.CharField(max_length=200, blank=True)  # as the provider named it
    credential = models.CharField(max_length=120, blank=True)
    credential_kind = word(CredentialKind, default=CredentialKind.NONE)
    role = word(Role)
    propensity = models.FloatField(null=True, blank=True)
    route_revision = models.IntegerField(default=0)
    status = word(Status)
    error_kind = models.CharField(max_length=24, blank=True)
    http_status = models.SmallIntegerField(null=True, blank=True)
    error_message = models.CharField(max_length=500, blank=True)
    input_tokens = models.IntegerField(null=True, blank=True)  # cached parts included
    output_tokens = models.IntegerField(null=True, blank=True)
    cache_read_tokens = models.IntegerField(null=True, blank=True)
    cache_write_tokens = models.IntegerField(null=True, blank=True)
    cache_write_1h_tokens = models.IntegerField(null=True, blank=True)
    reasoning_tokens = models.IntegerField(null=True, blank=True)
    searches = models.IntegerField(null=True, blank=True)  # web searches that the provider made and charges for
    service_tier = models.CharField(max_length=24, blank=True, db_default="")  # as the provider named it; "": standard
    estimated = models.BooleanField(db_default=False)  # its tokens: it broke off before the provider had counted
    ttft_ms = models.IntegerField(null=True, blank=True)
    total_ms = models.IntegerField(null=True, blank=True)
    cost_usd = usd_or_none()
    price = models.CharField(max_length=60, blank=True)  # by whom: "genai-prices 0.2.3", "override 12", "import" …
    # What that price said, so that the cost's parts can be told for ever: "input 2, output 10", per million; see policy.cost
    rates = models.TextField(blank=True, db_default="")
    success = models.BooleanField(null=True, blank=True)  # as an import said; verdicts are Labels
    simulated = models.BooleanField(default=False)
    thinking = models.CharField(max_length=40, blank=True)
    provider_request_id = models.CharField(max_length=120, blank=True)
    # Of the two attempts of a second opinion. A default of the database's, for writers that are older than the columns.
    output_hash = models.CharField(max_length=64, blank=True, default="", db_default="")
    output_chars = models.IntegerField(null=True, blank=True)
    # Of an answer that its provider keeps for calls that go on from it: see routing.stored. Half a SHA-256; its name is nowhere.
    stored = models.CharField(max_length=32, blank=True, db_default="")


class WorkItem(models.Model):
    """A client's calls of one task type in one session, as its first call set it up. Written with the calls; the earliest call wins.

    `id` is computed from (task type, client, session or request id), so that every process names it alike without asking.
    """

    id = models.UUIDField(primary_key=True)
    first_call_id = models.UUIDField()
    opened_at = models.DateTimeField()
    task_type = models.CharField(max_length=120)
    client = models.CharField(max_length=120, blank=True)
    session = models.CharField(max_length=200, blank=True)
    model = models.CharField(max_length=250)  # "provider:model" of the first attempt: the arm
    role = word(Role)
    propensity = models.FloatField(null=True, blank=True)
    shares = models.TextField(blank=True)
    size = models.IntegerField(default=0)
    drawn = models.BooleanField(default=True)
    grading_p = models.FloatField(default=1)
    first_status = word(Status)  # of the first attempt
    first_error = models.CharField(max_length=24, blank=True)
    first_total_ms = models.IntegerField(null=True, blank=True)  # of the first call
    simulated = models.BooleanField(default=False)
    imported = models.BooleanField(default=False)
    scope = models.CharField(max_length=330, blank=True, db_default="")  # project?conditions: see policy.pins
    seen_at = models.DateTimeField(
        null=True, blank=True
    )  # its session's last call, a few minutes late; null: no session
    definition_version = models.PositiveIntegerField(default=1)
    model_version = models.PositiveIntegerField(default=1)

    class Meta:
        indexes = [
            models.Index(fields=["opened_at"], name="item_opened"),
            models.Index(fields=["task_type", "opened_at"], name="item_task"),
            models.Index(fields=["seen_at"], name="item_seen", condition=models.Q(seen_at__isnull=False)),
        ]


class Label(models.Model):
    """A verdict on a work item, from one source. A source may say it again: `seen` tells the first, `verdict` the last."""

    item = models.ForeignKey(WorkItem, models.CASCADE, related_name="labels", db_constraint=False, db_index=False)
    call_id = models.UUIDField(null=True, blank=True)  # the call it was said of; null: of the whole item
    source = word(LabelSource)
    verdict = word(Verdict)
    score = models.FloatField(null=True, blank=True)
    comment = models.TextField(blank=True)
    by = models.CharField(max_length=200, blank=True)
    observed_at = models.DateTimeField()  # row time: which night it counts on
    received_at = models.DateTimeField(auto_now_add=True)  # late arrivals make nights dirty

    class Meta:
        indexes = [
            models.Index(fields=["item", "observed_at"], name="label_item"),
            models.Index(fields=["received_at"], name="label_received"),
            models.Index(fields=["observed_at"], name="label_observed"),
        ]


class ImportFile(models.Model):
    """A file that was imported: its hash, its counts, who brought it."""

    sha256 = models.CharField(max_length=64)
    name = models.CharField(max_length=300)
    form = models.CharField(max_length=12)  # csv, ndjson, markdown
    added = models.PositiveIntegerField(default=0)
    updated = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    bad = models.PositiveIntegerField(default=0)
    by_name = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
