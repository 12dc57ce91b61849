"""Worlds that many tests begin with: made once in a process, by the product itself, and copied row by row from then on."""

import copy
import os
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from django.conf import settings
from django.db import connection, transaction
from time_machine import escape_hatch

Made = TypeVar("Made")
Rows = tuple[bytes, ...]  # each in PostgreSQL's own form for COPY, in the order in which they lie

# What migrations leave behind.
ALWAYS_THERE = frozenset({"django_migrations", "django_content_type", "auth_permission"})
BEGUN = frozenset({"auth_group", "routing_audithead", "routing_stateversion"})
KEYS = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "OLLAMA_BASE_URL")  # by which the seeds are simulated


@dataclass(frozen=True)
class _World:
    made: Any  # what the maker gave
    rows: dict[str, Rows]  # by table that it changed: all of its rows


_worlds: dict[Hashable, _World] = {}
_states: set[int] = set()  # of databases as a remembered world left them: another may stand on it


def remembered(name: Hashable, make: Callable[[], Made]) -> Made:
    """What `make` gives, with every row that it writes into a database as new; the second time the rows alone are written.

    `name` says all that the world depends on besides settings and environment. In a database that holds what neither migrations nor
    such a world left, and at a time that a test has set, the world is simply made: it would not be the same.
    """
    there = filled()
    if escape_hatch.is_travelling():
        return make()
    begun = {table: read(table) for table in there}
    state = _state(begun)
    if not BEGUN.issuperset(there) and state not in _states:
        return make()
    key = (name, state, *settings.ENCRYPTION_KEYS, settings.SECRET_KEY, *map(os.environ.get, KEYS))
    known = _worlds.get(key)
    if known is None:
        made = make()
        rows = {table: read(table) for table in filled()}
        changed = {table: each for table, each in rows.items() if begun.get(table) != each}
        _states.add(_state(rows))
        _worlds[key] = _World(copy.deepcopy(made), changed)
        return made
    with transaction.atomic():
        for table, rows_of_it in known.rows.items():
            write(table, rows_of_it, begun=begun.get(table, ()))
    return copy.deepcopy(known.made)


def forget() -> None:
    """Make every world anew: in a database of its own, whose identities count from one, a copy's rows would stand in the way of the next."""
    _worlds.clear()
    _states.clear()


def filled() -> list[str]:
    """The tables that hold a row, but for ALWAYS_THERE."""
    with connection.cursor() as cursor:
        cursor.execute(_question())
        return [table for (table,) in cursor.fetchall()]


@cache
def _question() -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
            " AND relnamespace = current_schema()::regnamespace ORDER BY relname"
        )
        tables = [table for (table,) in cursor.fetchall() if table not in ALWAYS_THERE]
    return " UNION ALL ".join(f"SELECT '{table}' WHERE EXISTS (SELECT FROM \"{table}\")" for table in tables)


def read(table: str) -> Rows:
    """All that it holds."""
    with connection.cursor() as cursor, cursor.copy(f'COPY (SELECT * FROM "{table}") TO STDOUT') as copied:
        return tuple(map(bytes, copied))


def _state(rows: dict[str, Rows]) -> int:
    """Whatever the order in which rows lie: what was undone leaves gaps, and who comes next may be put into them."""
    return hash(tuple((table, frozenset(each)) for table, each in rows.items()))


def write(table: str, rows: Rows, *, begun: Rows = ()) -> None:
    """Have a table that holds what it began with, if anything, hold these rows."""
    with connection.cursor() as cursor:
        there = set(begun)
        if not there.issubset(rows):
            cursor.execute(f'DELETE FROM "{table}"')
            there = set()
        with cursor.copy(f'COPY "{table}" FROM STDIN') as copied:
            copied.write(b"".join(row for row in rows if row not in there))
