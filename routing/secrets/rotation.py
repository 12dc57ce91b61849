"""Every encrypted column moved under the newest key, while everything serves.

A new key comes in four steps, each followed by a restart of every process (one after the other will do): add it at the end of
CORTEX_ENCRYPTION_KEYS, so that all can read it; move it to the front, so that all write with it; `manage.py secrets rotate`; take the
old keys away. Who can restart all at once begins with the second.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import models, transaction

from routing import audit, secrets
from routing.audit import Actor
from routing.models import Credential
from routing.models._fields import Encrypted
from routing.secrets import Unreadable

ROWS_AT_A_TIME = 200
MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class Counted:
    """What is stored, by the key that opens it."""

    newest: int = 0
    older: int = 0
    unreadable: tuple[str, ...] = ()  # "credential openai/main", "batch item 7: body"


@dataclass(frozen=True, slots=True)
class Rotated:
    rotated: int  # moved now
    newest: int  # under the newest key before


def columns() -> list[tuple[type[models.Model], str]]:
    """Every encrypted column of every app."""
    return [
        (model, field.attname)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, Encrypted)
    ]


def count() -> Counted:
    """Open everything once, and change nothing."""
    newest, older, unreadable = 0, 0, []
    for model, column in columns():
        for row, token in _tokens(model, column):
            if secrets.is_newest(token):
                newest += 1
            elif _is_readable(token):
                older += 1
            else:
                unreadable.append(_told(row, column))
    return Counted(newest, older, tuple(unreadable))


def rotate(*, by: Actor) -> Rotated:
    """Encrypt anew what an older key made. Run again it finds nothing to do.

    Raises Unreadable, before anything is changed, when something cannot be opened by any key.
    """
    found = count()
    if found.unreadable:
        raise Unreadable(_refusal(found.unreadable))
    moved = sum(
        _move(model, column, row.pk, token)
        for model, column in columns()
        for row, token in _tokens(model, column)
        if not secrets.is_newest(token)
    )
    with transaction.atomic():  # the event also seals the head of the audit chain under the newest key
        audit.write("secrets.rotate", "secrets", by=by, after={"rotated": moved, "newest": found.newest})
    return Rotated(moved, found.newest)


def _tokens(model: type[models.Model], column: str) -> Iterator[tuple[Any, bytes]]:
    named = ("provider__slug", "name") if model is Credential else ()
    rows: Any = model._base_manager.exclude(**{column: None}).order_by("pk")
    rows = rows.select_related("provider") if named else rows
    for row in rows.only("pk", column, *named).iterator(chunk_size=ROWS_AT_A_TIME):
        yield row, bytes(getattr(row, column))


def _move(model: type[models.Model], column: str, pk: Any, token: bytes) -> int:
    """Compare-and-set: who wrote the row meanwhile wins, and what he wrote is moved instead."""
    rows: Any = model._base_manager.filter(pk=pk)
    while not rows.filter(**{column: token}).update(**{column: secrets.rotate(token)}):
        now = rows.values_list(column, flat=True).first()
        if now is None or secrets.is_newest(now):
            return 0
        token = bytes(now)
    return 1


def _is_readable(token: bytes) -> bool:
    try:
        secrets.decrypt(token)
    except Unreadable:
        return False
    return True


def _told(row: Any, column: str) -> str:
    if isinstance(row, Credential):
        return f"credential {row.provider.slug}/{row.name}"
    return f"{row._meta.verbose_name} {row.pk}: {column}"


def _refusal(unreadable: tuple[str, ...]) -> str:
    more = len(unreadable) - MOST_NAMED
    names = ", ".join(unreadable[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
    return (
        f"Nothing was changed, because none of CORTEX_ENCRYPTION_KEYS opens {names}. "
        "Add the key that made them, or store or delete these first."
    )
