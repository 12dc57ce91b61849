"""The only writer of the routing table: every publication is one revision, with its audit event, in one transaction.

An edit is a fragment of the document (parts that are upserted) or a function from the whole document to a new one, which may
also delete. Nobody sees half an edit, and an edit that changes nothing makes no revision.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from routing import audit, credentials
from routing.audit import Actor
from routing.credentials import Given
from routing.document import checks, edits, rows, secrecy
from routing.document.table import (
    Change,
    Invalid,
    Problem,
    Table,
    as_document,
    as_table,
    changed_keys,
    key_of,
    merge,
    parse,
    sha256,
)
from routing.document.table import compare as compare_tables
from routing.document.writing import Writer, forget_variables
from routing.models import Revision
from routing.versions import bump_revision, current_revision

Document = edits.Document
Edit = Mapping[str, Any] | Callable[[Document], Document | None]

FILES = frozenset({"load", "seed"})  # not a hand: what they write may be written over by the next file
MACHINES = FILES | {"import", "environment"}


class Stale(Exception):
    """The table has moved since the editor read it: who moved it, when, and what differs."""

    def __init__(self, current: int, who: str, when: datetime | None, diff: tuple[Change, ...]) -> None:
        self.current, self.who, self.when, self.diff = current, who, when, diff
        said = f" by {who} at {when:%Y-%m-%d %H:%M %Z}" if when else ""
        super().__init__(f"The routing table is at revision {current}, published{said}. Read it again, then edit.")


Unknown = edits.Unknown


@dataclass(frozen=True, slots=True)
class _Prepared:
    before: Table
    after: Table
    secrets: dict[tuple[str, str], Given]  # (provider, name) → what to store


def publish(
    edit: Edit,
    *,
    by: Actor,
    reason: str,
    source: str,
    expected_revision: int | None = None,
    proposal_id: int | None = None,
    restores: int | None = None,
    force: bool = True,
) -> Revision:
    """Apply the edit as a new revision and give it; the current one when the edit changes nothing.

    Raises Stale when the table is not at `expected_revision`, Invalid with every problem of the edit or of the table it would
    make. Without `force`, parts that were edited by hand since the last load are such a problem.
    """
    if secrecy.is_secret(reason):
        raise Invalid([Problem("reason", secrecy.MEND)])
    with transaction.atomic():
        _lock()
        require(expected_revision)
        prepared = _prepare(edit, source, force)
        return _write(prepared, by, reason, source, proposal_id, restores)


def preview(edit: Edit, *, source: str = "console", force: bool = True) -> tuple[Change, ...]:
    """What publishing the edit would change. Writes nothing. Raises Invalid."""
    prepared = _prepare(edit, source, force)
    return compare_tables(prepared.before, prepared.after)


def change_route(
    task_type: str,
    steps: Sequence[str],
    *,
    by: Actor,
    reason: str,
    source: str = "console",
    project: str | None = None,
    condition: str = "",
    expected_revision: int | None = None,
    proposal_id: int | None = None,
    **fields: Any,
) -> Revision:
    """Give a route these steps ("provider:model", the primary first); other fields of the document's route as keywords."""
    route = {"task_type": task_type, "project": project, "condition": condition, "steps": list(steps), **fields}
    return publish(
        {"routes": [route]},
        by=by,
        reason=reason,
        source=source,
        expected_revision=expected_revision,
        proposal_id=proposal_id,
    )


def remove(
    section: str, key: str, *, by: Actor, reason: str, source: str, expected_revision: int | None = None
) -> Revision:
    """Delete one part ("models", "openai:codex"). Raises Unknown, or Invalid while others name it."""
    return publish(
        edits.without(section, key), by=by, reason=reason, source=source, expected_revision=expected_revision
    )


def restore(number: int, *, by: Actor, reason: str, expected_revision: int | None = None) -> Revision:
    """The table as revision `number` had it, as a new revision.

    Routes, rules and curves that came later go; providers, models and task types that came later stay, disabled, because secrets
    and evidence hang on them. Explorations are left alone: a budget was approved by a person, at its time.
    """
    old = revision(number)
    return publish(
        lambda document: edits.as_it_was(document, old.document),
        by=by,
        reason=reason,
        source="restore",
        expected_revision=expected_revision,
        restores=number,
    )


def revision(number: int) -> Revision:
    """One revision. Raises Unknown."""
    found = Revision.objects.filter(number=number).first()
    if found is None:
        raise Unknown(f"There is no revision {number}; the newest is {current_revision()}.")
    return found


def compare(before: int, after: int) -> tuple[Change, ...]:
    """What differs between two revisions; 0 is the empty table. Raises Unknown."""
    tables = [as_table(revision(number).document if number else {}) for number in (before, after)]
    return compare_tables(tables[0], tables[1])


def _lock() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('routing table'))")


def require(expected: int | None) -> None:
    """Raises Stale when the table is not at the expected revision; None expects nothing."""
    current = current_revision()
    if expected is None or expected == current:
        return
    last = Revision.objects.filter(number=current).first()
    try:
        diff = compare(expected, current)
    except Unknown:
        diff = ()
    raise Stale(current, last.by_name if last else "", last.created_at if last else None, diff)


def _prepare(edit: Edit, source: str, force: bool) -> _Prepared:
    before = rows.dump()
    fragment: Document = {}
    unformed: list[Problem] = []
    if callable(edit):
        document = as_document(copy.deepcopy(before))
        after = as_table(edit(document) or document)
    else:
        fragment, unformed = parse(edit)
        after, unwhole = merge(before, fragment)
        unformed += unwhole
    secrets = _take_secrets(fragment)
    where = _where(fragment)
    problems = checks.resolve(after, where)
    edits.settle(after)
    if not _is_operators(source):
        forget_variables(before, after)
    problems += [*checks.check(after, where), *checks.misplaced(after, secrets, where)]
    if unformed:
        # A name that is missing only because its own part is malformed is not a second mistake.
        meant = checks.names_in(edit)
        problems = unformed + [problem for problem in problems if problem.unknown not in meant]
    problems += _borrowed(before, after, source, where)
    if not force:
        problems += _overwrites(before, after, where)
    if problems:
        raise Invalid(problems)
    return _Prepared(before, after, secrets)


def _take_secrets(fragment: Document) -> dict[tuple[str, str], Given]:
    parts = filter(None, fragment.get("credentials", ()))
    taken = {(part["provider"], part.get("name", "main")): Given.out_of(part) for part in parts}
    return {named: given for named, given in taken.items() if given}


def _where(fragment: Document) -> checks.Where:
    """Paths as the reader knows them: the place in the file for what the file holds, the part's key for all else."""
    places = {
        (section, key_of(section, part)): f"{section}[{index}]"
        for section, parts in fragment.items()
        for index, part in enumerate(parts)
        if part
    }
    return lambda section, key: places.get((section, key), f"{section}[{key}]")


def _is_operators(source: str) -> bool:
    """A file and the environment are the operator's own; a revision that is restored was published with variable and address together."""
    return source in MACHINES or source == "restore"


def _borrowed(before: Table, after: Table, source: str, where: checks.Where) -> list[Problem]:
    """A variable of this server may be named only from this server: over the network it could be sent to anybody's address."""
    if _is_operators(source):
        return []
    return [
        Problem(
            f"{where('credentials', key)}.env", "only `manage.py load` may name a variable of the server's environment"
        )
        for key, part in after["credentials"].items()
        if part["env"] and part["env"] != (before["credentials"].get(key) or {}).get("env")
    ]


def _overwrites(before: Table, after: Table, where: checks.Where) -> list[Problem]:
    edited = rows.edited()
    return [
        Problem(where(*place), f"was edited by hand at {edited[place]:%Y-%m-%d %H:%M} UTC; --force overwrites it")
        for place in changed_keys(before, after)
        if place in edited
    ]


def _write(
    prepared: _Prepared, by: Actor, reason: str, source: str, proposal_id: int | None, restores: int | None
) -> Revision:
    now = timezone.now()
    diff = compare_tables(prepared.before, prepared.after)
    number = current_revision()
    if diff:
        stamp = None if source in FILES else False if source in MACHINES else now
        Writer(prepared.before, prepared.after, now, stamp).write()
    credentials.store_all(prepared.secrets, by=by)
    if not diff and number:
        return revision(number)
    document = as_document(rows.dump())
    new = Revision.objects.create(
        number=number + 1,
        document=document,
        sha256=sha256(document),
        reason=reason,
        by_id=by.user_id,
        by_name=by.name[:200],
        source=source,
        restores=restores,
        proposal_id=proposal_id,
        changes=[change.as_dict() for change in diff],
        task_types=_routes_touched(diff),
    )
    audit.write(
        f"table.{source}",
        f"revision:{new.number}",
        by=by,
        before={change.path: change.before for change in diff},
        after={change.path: change.after for change in diff},
        reason=reason,
    )
    bump_revision(new.number)  # after the event: everyone locks the audit head first and this row last
    return new


def _routes_touched(diff: Sequence[Change]) -> list[str]:
    routes = (
        change.path.removeprefix("routes[").partition("]")[0] for change in diff if change.path.startswith("routes[")
    )
    return sorted({name.partition("@")[0].partition("?")[0] for name in routes})
