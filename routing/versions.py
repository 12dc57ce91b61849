"""The two numbers that tell every process to read anew: `revision` moves with the table, `state` with all else a snapshot holds.

Both updates are part of the caller's transaction, so that nobody sees the number before the rows.
"""

from django.db import connection

_BUMP = """
INSERT INTO routing_stateversion (id, revision, state) VALUES (1, 0, 1)
ON CONFLICT (id) DO UPDATE SET state = routing_stateversion.state + 1
"""
_REVISE = """
INSERT INTO routing_stateversion (id, revision, state) VALUES (1, %s, 1)
ON CONFLICT (id) DO UPDATE SET revision = EXCLUDED.revision, state = routing_stateversion.state + 1
"""


def bump_state() -> None:
    """Something that a snapshot holds has changed: a key, a credential, a quota …"""
    with connection.cursor() as cursor:
        cursor.execute(_BUMP)


def bump_revision(number: int) -> None:
    """The table is now revision `number`."""
    with connection.cursor() as cursor:
        cursor.execute(_REVISE, [number])


def current_version() -> tuple[int, int]:
    """(revision, state)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT revision, state FROM routing_stateversion WHERE id = 1")
        row = cursor.fetchone()
    return (row[0], row[1]) if row else (0, 0)


def current_revision() -> int:
    """The number that If-Match is compared with; 0 before the first publication."""
    return current_version()[0]
