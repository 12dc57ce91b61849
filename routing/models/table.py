"""The routing table as rows: what `routing.document` loads and dumps, a Revision freezes and `routing.snapshot` turns into `policy.table`."""

from django.db import models

from routing.models._fields import Encrypted, slug, usd, usd_or_none, word
from routing.terms.words import CredentialKind, ProviderKind, SuccessFrom, TaskKind


class Provider(models.Model):
    slug = slug(unique=True)
    name = models.CharField(max_length=120, blank=True)
    kind = word(ProviderKind)
    base_url = models.URLField(max_length=500, blank=True)  # "": the kind's own address
    enabled = models.BooleanField(default=True)
    simulate = models.BooleanField(default=False)  # answered by the simulated provider until a key is there
    imported = models.BooleanField(default=False)  # made by an import; does not dispatch until a person enables it
    rotation = models.JSONField(default=list, blank=True)  # provider slugs, for the tier chain
    options = models.JSONField(default=dict, blank=True)  # of its wire; adapters list what they read
    max_concurrency = models.PositiveIntegerField(default=64)  # the bulkhead, of each process
    max_waiting = models.PositiveIntegerField(null=True, blank=True)  # for a place in it; null: as many as have one
    edited_at = models.DateTimeField(null=True, blank=True)  # last edit by hand; a file does not overwrite it unasked


class Credential(models.Model):
    """A way in. The secret is encrypted, never dumped, never shown; `env` names a variable instead."""

    provider = models.ForeignKey(Provider, models.CASCADE, related_name="credentials")
    name = slug()
    kind = word(CredentialKind)
    secret = Encrypted(null=True, blank=True)  # a JSON object, see credentials.material; null: none stored
    env = models.CharField(max_length=120, blank=True)
    oauth = models.JSONField(default=dict, blank=True)  # token_url, client_id, grant; no secrets
    expires_at = models.DateTimeField(null=True, blank=True)  # the secret's or, of OAuth, the access token's end
    # When to ask the token server next. null: never by itself; a person must act where it is not ready.
    refresh_at = models.DateTimeField(null=True, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)  # a process is asking; until then no other does
    refresh_failures = models.PositiveIntegerField(default=0)  # in a row
    problem = models.CharField(max_length=300, blank=True)  # why the last try brought no token
    refused_at = models.DateTimeField(null=True, blank=True)  # the last 401 that a new token was to mend
    ready = models.BooleanField(default=True)  # False after a 401/403, until renewed, tested or replaced
    not_ready_reason = models.CharField(max_length=300, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    priority = models.PositiveSmallIntegerField(default=0)  # lower first

    class Meta:
        constraints = [models.UniqueConstraint(fields=["provider", "name"], name="credential_name")]
        ordering = ["priority", "name"]


class Model(models.Model):
    provider = models.ForeignKey(Provider, models.CASCADE, related_name="models")
    slug = slug()
    name = models.CharField(max_length=120, blank=True)
    upstream_id = models.CharField(max_length=200)
    aliases = models.JSONField(default=list, blank=True)
    kind = word(TaskKind, default=TaskKind.CHAT)
    tier = models.CharField(max_length=24, blank=True)  # "premium", "standard" …: of the fallback chain
    role = models.CharField(max_length=24, blank=True)  # "T0" … "T4"
    used_for = models.CharField(max_length=200, blank=True)
    tags = models.JSONField(default=list, blank=True)  # reasoning, content, code, cheap, fast
    lacks = models.JSONField(default=list, blank=True)  # of tools, images, json_schema, thinking, web_search
    context_window = models.PositiveIntegerField(null=True, blank=True)
    max_output_tokens = models.PositiveIntegerField(null=True, blank=True)
    interactive_only = models.BooleanField(default=False)
    enabled = models.BooleanField(default=True)
    imported = models.BooleanField(default=False)
    quota = models.ForeignKey("Quota", models.SET_NULL, null=True, blank=True, related_name="models")
    version = models.PositiveIntegerField(default=1)  # grows when upstream_id changes: evidence starts anew
    deprecated_at = models.DateField(null=True, blank=True)
    retire_at = models.DateField(null=True, blank=True)
    edited_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["provider", "slug"], name="model_slug")]

    @property
    def key(self) -> str:
        """ "provider:model". Needs `provider` loaded."""
        return f"{self.provider.slug}:{self.slug}"


class Price(models.Model):
    """An admin's override, USD per million tokens and per thousand of a fee, from a day on.

    Without a row genai-prices decides; without both it is unpriced.
    """

    model = models.ForeignKey(Model, models.CASCADE, related_name="prices")
    input = usd()
    output = usd()
    cache_read = usd_or_none()  # null: as input
    cache_write = usd_or_none()
    cache_write_1h = usd_or_none()  # null: as cache_write
    reasoning = usd_or_none()  # null: as output
    searches_1k = usd_or_none()  # web searches; null: as genai-prices says
    requests_1k = usd_or_none()  # a fee for each request; null: as genai-prices says
    tiers = models.JSONField(default=list, blank=True)  # of long contexts: {"above": 200000, "input": "6", …}, rising
    # By a service tier's name, a whole price of its own: {"flex": {"input": "1", "output": "5", …, "tiers": []}}
    service_tiers = models.JSONField(default=dict, blank=True)
    valid_from = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "valid_from"], name="price_from")]
        ordering = ["-valid_from"]


class CataloguePrice(models.Model):
    """What genai-prices said of a vendor's model, from when we saw it on. A row for each price it ever had here."""

    provider = slug()
    upstream_id = models.CharField(max_length=200)
    rates = models.JSONField()  # {"input": "2", "output": "10", …} USD per million tokens; {} where it knows nothing
    source = models.CharField(max_length=60)  # "genai-prices 0.2.3"
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["provider", "upstream_id", "seen_at"], name="catalogue_price")]
        ordering = ["-seen_at"]


class Project(models.Model):
    slug = slug(unique=True)
    name = models.CharField(max_length=120, blank=True)


class TaskType(models.Model):
    """A kind of work, with its success definition (versioned: a change restarts the evidence)."""

    slug = slug(unique=True)
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    aliases = models.JSONField(default=list, blank=True)
    kind = word(TaskKind, default=TaskKind.CHAT)
    enabled = models.BooleanField(default=True)
    imported = models.BooleanField(default=False)
    wants = models.JSONField(default=list, blank=True)  # strength tags that its models should carry: "cheap", "fast" …
    success_from = word(SuccessFrom, default=SuccessFrom.LABELS)
    label_sources = models.JSONField(default=list, blank=True)  # in order of precedence; [] = the default four
    complete_sources = models.JSONField(default=list, blank=True)  # signals that the operator declares complete
    label_horizon_days = models.PositiveSmallIntegerField(default=2)
    grading_share = models.FloatField(default=1.0)  # share of items drawn for grading, before routing
    definition_version = models.PositiveIntegerField(default=1)
    margin = models.FloatField(default=0.03)
    target_success = models.FloatField(null=True, blank=True)
    four_eyes = models.BooleanField(default=False)
    auto_rollback = models.BooleanField(default=False)
    keep_payloads = models.BooleanField(default=False)
    edited_at = models.DateTimeField(null=True, blank=True)


class Rule(models.Model):
    """A word-boundary rule: a text that names no task type by slug or alias, matched in order."""

    pattern = models.CharField(max_length=200)  # words, not a regular expression
    task_type = models.ForeignKey(TaskType, models.CASCADE, related_name="rules")
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["position", "pk"]


class Route(models.Model):
    """Where a task type goes, for all projects (project null) or for one."""

    task_type = models.ForeignKey(TaskType, models.CASCADE, related_name="routes")
    project = models.ForeignKey(Project, models.CASCADE, null=True, blank=True, related_name="routes")
    condition = models.CharField(max_length=60, blank=True)  # a context condition: "in_session", "batch" …
    note = models.TextField(blank=True)
    tier_chain = models.BooleanField(default=False)
    # Provider slugs, for this route's tier chain; []: the providers' own.
    rotation = models.JSONField(default=list, blank=True)
    lower_tier_max_hops = models.PositiveSmallIntegerField(default=2, null=True, blank=True)  # null: all of that tier
    terminal_local = models.BooleanField(default=False)
    background = models.BooleanField(default=False)
    second_opinion = models.BooleanField(default=False)
    fallback_enabled = models.BooleanField(default=True)
    cooldown_s = models.FloatField(default=300)
    connect_s = models.FloatField(default=2)
    first_token_s = models.FloatField(default=30)
    idle_s = models.FloatField(default=30)
    total_s = models.FloatField(default=600)
    edited_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["task_type", "project", "condition"], name="route_of_task", nulls_distinct=False
            )
        ]


class RouteStep(models.Model):
    route = models.ForeignKey(Route, models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField()  # 0 is the primary
    model = models.ForeignKey(Model, models.PROTECT, related_name="steps")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["route", "position"], name="step_position"),
            models.UniqueConstraint(fields=["route", "model"], name="step_model"),
        ]
        ordering = ["position"]
