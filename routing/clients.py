"""Clients and their keys: made once and shown once, kept as SHA-256, read into the snapshot as Callers."""

import hashlib
import re
import secrets
import string
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from routing import audit, budgets, people
from routing.audit import Actor
from routing.models import Budget, Client, ClientKey, Project, TaskType
from routing.models._fields import SLUG
from routing.terms.words import BudgetAction, ClientMode, Scope
from routing.versions import bump_state

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_SHAPE = re.compile(r"ck_[A-Za-z0-9]{4}[A-Za-z0-9_-]{43}")  # what `_new_key` makes
DEFAULT_SCOPES = (Scope.DISPATCH, Scope.READ, Scope.VERDICT)


class Refused(Exception):
    """A client or key that cannot be made as asked. The message is for the person who asked."""


class Stale(Refused):
    """Somebody else has changed the client since it was read. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A key as dispatch knows it: whose it is, what it may do, what its model names mean."""

    client: str  # slug
    prefix: str  # "ck_ab12"
    scopes: frozenset[Scope]
    sha256: str = ""
    mode: ClientMode = ClientMode.ROUTE
    project: str | None = None  # slug
    default_task_type: str | None = None  # slug
    allowed_models: frozenset[str] | None = None  # "provider:model"; None: all
    mapping: tuple[tuple[str, str], ...] = ()  # (requested name with *, task type), first match
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    expires_at: datetime | None = None
    maker_id: int | None = None  # the person whom the key counts as

    budgets: frozenset[str] = field(
        init=False, default=frozenset()
    )  # the scopes of the budgets that pay for its calls, besides those of task, project and provider

    def __post_init__(self) -> None:
        object.__setattr__(self, "budgets", frozenset({f"client:{self.client}", f"key:{self.prefix}"}))

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes

    def actor(self, address: str = "") -> Actor:
        """Who an act by this key counts as."""
        return Actor(f"key {self.prefix} of {self.client}", self.maker_id, address)


@dataclass(frozen=True, slots=True)
class Made:
    """A new key. `key` is nowhere else: it is told once."""

    client: str
    key: str
    prefix: str
    scopes: tuple[Scope, ...]

    def __repr__(self) -> str:
        return f"Made(client={self.client!r}, prefix={self.prefix!r})"


def digest(key: str) -> str:
    """What of a key is stored and looked up: its SHA-256. 256 random bits need no salt."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


@transaction.atomic
def create_key(
    client: str,
    *,
    by: Actor,
    scopes: Sequence[Scope] = DEFAULT_SCOPES,
    project: str | None = None,
    budget_usd: Decimal | None = None,
    expires_at: datetime | None = None,
    maker: "User | None" = None,
) -> Made:
    """A new key of the client, which is made if it is new. Raises Refused when the maker may less, or a name is unknown."""
    if maker is not None and not set(scopes) <= people.scopes_of(maker):
        beyond = ", ".join(sorted(set(scopes) - people.scopes_of(maker)))
        raise Refused(f"No key exceeds its maker: {maker.get_username()} may not give the scopes {beyond}.")
    row = _client(client, project, by)
    prefix, key = _new_key()
    made = ClientKey.objects.create(
        client=row,
        prefix=prefix,
        sha256=digest(key),
        scopes=sorted(set(scopes)),
        made_by=maker,
        budget_usd=budget_usd,
        expires_at=expires_at,
    )
    if budget_usd is not None:
        Budget.objects.create(
            scope=f"key:{prefix}",
            monthly_usd=budget_usd,
            steps=[50, 80, 100],
            at_limit=BudgetAction.BLOCK,
            month=budgets.month_of(timezone.now())[
                0
            ].date(),  # nothing was spent by a new key: there is nothing to count
        )
    audit.write("key.create", f"client:{client}", by=by, after={"prefix": prefix, "scopes": made.scopes})
    bump_state()
    return Made(client, key, prefix, tuple(Scope(scope) for scope in made.scopes))


@transaction.atomic
def revoke_key(prefix: str, *, by: Actor, reason: str = "") -> bool:
    """End a key for good; True when it was alive. Every process stops taking it within the snapshot's refresh."""
    if not ClientKey.objects.filter(prefix=prefix, revoked_at=None).update(revoked_at=timezone.now()):
        return False
    audit.write("key.revoke", f"key:{prefix}", by=by, reason=reason)
    bump_state()
    return True


def maker_of(caller: Caller) -> "User | None":
    """The person whom a key counts as: whoever it makes keys for is theirs too."""
    if caller.maker_id is None:
        return None
    return get_user_model().objects.filter(pk=caller.maker_id).first()


def all_keys() -> dict[str, Caller]:
    """Every key that may be used now or later, by SHA-256: what a snapshot holds, in two queries."""
    rows = _live_keys()
    makers = {key.made_by_id: people.scopes_of(key.made_by) for key in rows if key.made_by}
    return {key.sha256: _caller(key, makers) for key in rows}


def lookup(sha256: str) -> Caller | None:
    """One key from the database, for commands and for a process that has no snapshot yet."""
    return lookups([sha256]).get(sha256)


def lookups(sha256s: Collection[str]) -> dict[str, Caller]:
    """Those of these keys that are alive, from the database in one go."""
    found = {}
    for key in _live_keys().filter(sha256__in=sha256s):
        caller = _caller(key, {key.made_by_id: people.scopes_of(key.made_by)} if key.made_by else {})
        if is_alive(caller, timezone.now()):
            found[key.sha256] = caller
    return found


def is_shaped(key: str) -> bool:
    """Whether the text could be a key at all, by its form alone."""
    return _SHAPE.fullmatch(key) is not None


def is_alive(caller: Caller, now: datetime) -> bool:
    """Expiry is judged at use: a snapshot may be older than the key's end."""
    return caller.expires_at is None or now < caller.expires_at


def _live_keys() -> "QuerySet[ClientKey]":
    return (
        ClientKey.objects.filter(revoked_at=None, client__enabled=True)
        .select_related("client__project", "client__default_task_type", "made_by")
        .prefetch_related("client__mapping__task_type", "made_by__groups")
    )


def _caller(key: ClientKey, makers: Mapping[int | None, frozenset[Scope]]) -> Caller:
    client = key.client
    scopes = frozenset(Scope(scope) for scope in key.scopes)
    if key.made_by_id is not None:
        scopes &= makers.get(key.made_by_id, frozenset())
    return Caller(
        client=client.slug,
        prefix=key.prefix,
        scopes=scopes,
        sha256=key.sha256,
        mode=ClientMode(client.mode),
        project=client.project.slug if client.project else None,
        default_task_type=client.default_task_type.slug if client.default_task_type else None,
        allowed_models=None if client.allowed_models is None else frozenset(client.allowed_models),
        mapping=tuple((rule.requested, rule.task_type.slug) for rule in client.mapping.all()),
        requests_per_minute=client.requests_per_minute,
        tokens_per_minute=client.tokens_per_minute,
        expires_at=key.expires_at,
        maker_id=key.made_by_id,
    )


@transaction.atomic
def save_client(slug: str, fields: Mapping[str, Any], *, by: Actor, version: int | None = None) -> Client:
    """Make or change a client: the fields of a Client, `project` and `default_task_type` by slug, `mapping` as a list of
    {"requested", "task_type"}. Absent fields stay. `version`: the one that the writer has read. Raises Refused, and Stale of it.
    """
    row = _client(slug, None, by)
    as_read = Client.objects.filter(pk=row.pk) if version is None else Client.objects.filter(pk=row.pk, version=version)
    if not as_read.update(version=F("version") + 1):
        raise Stale(f"The client {slug!r} has changed since you read it.")
    before = {name: value for name, value in told(row).items() if name in fields}
    plain = {name: value for name, value in fields.items() if name not in ("project", "default_task_type", "mapping")}
    if "project" in fields:
        plain["project"] = fields["project"] and _project(fields["project"])
    if "default_task_type" in fields:
        plain["default_task_type"] = fields["default_task_type"] and _task_type(fields["default_task_type"])
    Client.objects.filter(pk=row.pk).update(**plain)
    if "mapping" in fields:
        row.mapping.all().delete()
        for position, rule in enumerate(fields["mapping"]):
            task = _task_type(rule["task_type"])
            row.mapping.create(requested=rule["requested"], task_type=task, position=position)
    audit.write("client.save", f"client:{slug}", by=by, before=before, after=dict(fields))
    bump_state()
    return Client.objects.get(pk=row.pk)


def told(row: Client) -> dict[str, Any]:
    """The fields of a client as `save_client` takes them."""
    return {
        "name": row.name,
        "mode": row.mode,
        "project": row.project.slug if row.project else None,
        "default_task_type": row.default_task_type.slug if row.default_task_type else None,
        "allowed_models": row.allowed_models,
        "mapping": [{"requested": rule.requested, "task_type": rule.task_type.slug} for rule in row.mapping.all()],
        "requests_per_minute": row.requests_per_minute,
        "tokens_per_minute": row.tokens_per_minute,
        "enabled": row.enabled,
        "ignored": row.ignored,
    }


@transaction.atomic
def delete_client(slug: str, *, by: Actor) -> bool:
    """Remove a client with its keys; False when there is none. Its calls keep its name."""
    deleted, _ = Client.objects.filter(slug=slug).delete()
    if not deleted:
        return False
    audit.write("client.delete", f"client:{slug}", by=by)
    bump_state()
    return True


def _task_type(slug: str) -> TaskType:
    found = TaskType.objects.filter(slug=slug).first()
    if found is None:
        raise Refused(f"There is no task type {slug!r}.")
    return found


def _project(slug: str) -> Project:
    found = Project.objects.filter(slug=slug).first()
    if found is None:
        known = ", ".join(Project.objects.order_by("slug").values_list("slug", flat=True)[:20]) or "none yet"
        raise Refused(f"There is no project {slug!r}. Known: {known}.")
    return found


def _client(slug: str, project: str | None, by: Actor) -> Client:
    try:
        MaxLengthValidator(120)(slug)
        SLUG(slug)
    except ValidationError as error:
        raise Refused(f"{slug[:120]!r} cannot name a client. {error.messages[0]}") from error
    row, created = Client.objects.get_or_create(slug=slug)
    if created:
        audit.write("client.create", f"client:{slug}", by=by)
    if project is not None:
        row.project = _project(project)
        row.save(update_fields=["project"])
    return row


def _new_key() -> tuple[str, str]:
    """A prefix that no key has, and the key: 4 visible characters of 62, then 256 bits that only the client sees."""
    alphabet = string.ascii_letters + string.digits
    while True:
        prefix = "ck_" + "".join(secrets.choice(alphabet) for _ in range(4))
        if not ClientKey.objects.filter(prefix=prefix).exists():
            return prefix, prefix + secrets.token_urlsafe(32)
