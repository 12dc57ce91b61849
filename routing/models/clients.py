"""Who calls: clients, their keys, what their model names mean, and the claims of idempotent calls."""

from django.conf import settings
from django.db import models

from routing.models._fields import slug, word
from routing.terms.words import ClaimState, ClientMode


class Client(models.Model):
    slug = slug(unique=True)
    name = models.CharField(max_length=120, blank=True)
    mode = word(ClientMode, default=ClientMode.ROUTE)
    project = models.ForeignKey("Project", models.SET_NULL, null=True, blank=True)
    default_task_type = models.ForeignKey("TaskType", models.SET_NULL, null=True, blank=True)
    allowed_models = models.JSONField(null=True, blank=True)  # "provider:model" names; null: all
    requests_per_minute = models.PositiveIntegerField(null=True, blank=True)
    tokens_per_minute = models.PositiveIntegerField(null=True, blank=True)
    enabled = models.BooleanField(default=True)
    ignored = models.JSONField(default=list, blank=True)  # suggested names, with *, that a person does not want mapped
    version = models.PositiveIntegerField(default=0)  # counts its changes: who edits says which one was read
    created_at = models.DateTimeField(auto_now_add=True)


class ModelMapping(models.Model):
    """What a requested model name means for a client: first match in order."""

    client = models.ForeignKey(Client, models.CASCADE, related_name="mapping")
    requested = models.CharField(max_length=200)  # with * as in a shell
    task_type = models.ForeignKey("TaskType", models.CASCADE)
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["position", "pk"]


class ClientKey(models.Model):
    """A key, as its SHA-256. The prefix is what people see."""

    client = models.ForeignKey(Client, models.CASCADE, related_name="keys")
    prefix = models.CharField(max_length=16, unique=True)
    sha256 = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)
    budget_usd = models.DecimalField(max_digits=20, decimal_places=10, null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)


class LimitPool(models.Model):
    """What all processes together use of one client's limit: units by the second of the last minute, and what each may use unasked."""

    client = models.ForeignKey(Client, models.CASCADE, related_name="pools")
    measure = models.CharField(max_length=12)  # "requests" or "tokens"
    slots = models.JSONField(default=dict)  # {second since 1970: units}
    holds = models.JSONField(default=dict)  # {process: [units, told at, is hungry]}
    told_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["client", "measure"], name="limit_pool_of")]


class IdempotencyClaim(models.Model):
    """One Idempotency-Key of one client key. Nothing here tells what was asked or answered to who does not hold that key."""

    key = models.ForeignKey(ClientKey, models.CASCADE)
    idempotency_key = models.CharField(max_length=255)
    body_mac = models.CharField(max_length=64)  # of the request, under a key derived from the client's own
    call_id = models.UUIDField()  # the claim names the call before it is made
    state = word(ClaimState)
    replay = models.BinaryField(null=True, blank=True)  # sealed likewise; null in a done one: it was too large to keep
    owner = models.CharField(max_length=120, blank=True)  # "host/file": whoever holds the file's lock runs the call
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key", "idempotency_key"], name="idempotency_once")]
