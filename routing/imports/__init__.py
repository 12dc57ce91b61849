"""Calls that were made elsewhere: files of attempts become the same rows that dispatch leaves.

`load` takes a file whole or, with `skip_bad`, its good lines. The key of a line is (request_id, attempt): what is there already stays as it is,
except that a blank success may be filled. Providers, models and task types that nobody knew are added, marked imported and disabled.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from routing import audit, changes
from routing.document.table import Invalid
from routing.imports import forms, staging
from routing.imports.checked import Checker
from routing.imports.columns import ALL, COLUMNS, COST, BadLine, BadValue, Refused
from routing.models import ImportFile, Model, Provider, TaskType

__all__ = ["ALL", "COLUMNS", "COST", "BadLine", "Imported", "Refused", "load"]

LIMIT_BYTES = 8 * 1024**3
# After so many rows the planner is told at once: by what autovacuum saw before, a night run now would take minutes for seconds.
MANY = 1_000
REPORTED = 100  # bad lines that are named; all are counted


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file."""

    form: str
    sha256: str
    lines: int  # records that were read
    bad: int
    errors: tuple[BadLine, ...]  # the first of the bad ones
    written: bool = False  # False: a bad line kept the whole file out
    added: int = 0
    updated: int = 0  # attempts whose success was blank and is now known
    unchanged: int = 0
    revision: int | None = None  # of the routing table, when the file named what nobody knew


def load(
    file: forms.Readable,
    name: str,
    *,
    by: audit.Actor = audit.SYSTEM,
    form: str | None = None,
    skip_bad: bool = False,
    simulated: bool = False,
    limit_bytes: int = LIMIT_BYTES,
) -> Imported:
    """Import a file, in one transaction. Raises Refused when it is none of the forms, broken, or too large.

    `name` tells the form where `form` does not, and is kept. `simulated` marks every row that does not say it itself.
    """
    source, content = forms.opened(file, limit_bytes)
    form = form or forms.form_of(name, content)
    if form not in forms.FORMS:
        raise Refused(f"There is no form {form!r}; there are {', '.join(forms.FORMS)}.")
    known = _Known()
    checker = Checker(timezone.now(), known.task, known.model, simulated)
    reading = _Reading(forms.lines_of(form, content, known.provider_of), checker)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('import'))")
        staging.open_tables(cursor)
        staging.fill(cursor, reading.staged())
        repeats, contradicting = staging.match(cursor)
        errors = sorted([*reading.errors, *contradicting[:REPORTED]], key=lambda bad: bad.line)[:REPORTED]
        done = Imported(
            form=form,
            sha256=source.sha256.hexdigest(),
            lines=reading.count,
            bad=reading.bad + len(contradicting),
            errors=tuple(errors),
        )
        if done.bad and not skip_bad:
            transaction.set_rollback(True)
            return done
        revision = _add_unknown(cursor, known, checker, name, by)
        counts = staging.write(cursor, by.name)
        done = replace(
            done,
            written=True,
            added=counts.added,
            updated=counts.updated,
            unchanged=counts.unchanged + repeats,
            revision=revision,
        )
        _keep(done, name, by)
        if counts.added + counts.updated >= MANY:
            cursor.execute("ANALYZE routing_call, routing_attempt, routing_workitem, routing_label")
    return done


def _keep(done: Imported, name: str, by: audit.Actor) -> None:
    ImportFile.objects.create(
        sha256=done.sha256,
        name=name[:300],
        form=done.form,
        by_name=by.name[:200],
        added=done.added,
        updated=done.updated,
        unchanged=done.unchanged,
        bad=done.bad,
    )


@dataclass(slots=True)
class _Reading:
    """The good lines as staging rows, while the bad ones are counted and the first of them kept."""

    lines: forms.Lines
    checker: Checker
    count: int = 0
    bad: int = 0
    errors: list[BadLine] = field(default_factory=list)

    def staged(self) -> Iterator[str]:
        check = self.checker.line
        for line, cells in self.lines:
            self.count += 1
            if isinstance(cells, BadLine):
                self._note(cells)
                continue
            try:
                yield check(line, cells)
            except BadValue as error:
                self._note(BadLine(line, str(error)))

    def _note(self, bad: BadLine) -> None:
        self.bad += 1
        if len(self.errors) < REPORTED:
            self.errors.append(bad)


class _Known:
    """The names of the routing table, as they stand before the import."""

    def __init__(self) -> None:
        self.providers = set(Provider.objects.values_list("slug", flat=True))
        self.tasks = set(TaskType.objects.values_list("slug", flat=True))
        self._task_aliases = {
            alias: slug for slug, names in TaskType.objects.values_list("slug", "aliases") for alias in names
        }
        self.models: set[tuple[str, str]] = set()
        self._aliases: dict[tuple[str, str], str] = {}
        self._providers_of: dict[str, set[str]] = {}
        for provider, slug, aliases in Model.objects.values_list("provider__slug", "slug", "aliases"):
            self.models.add((provider, slug))
            self._aliases |= {(provider, alias): slug for alias in aliases}
            for name in (slug, *aliases):
                self._providers_of.setdefault(name, set()).add(provider)

    def task(self, slug: str) -> str:
        return slug if slug in self.tasks else self._task_aliases.get(slug, slug)

    def model(self, provider: str, slug: str) -> str:
        return slug if (provider, slug) in self.models else self._aliases.get((provider, slug), slug)

    def provider_of(self, model: str) -> str | None:
        """The one provider that has a model of this name."""
        providers = self._providers_of.get(model, set())
        return next(iter(providers)) if len(providers) == 1 else None


def _add_unknown(cursor: Any, known: _Known, checker: Checker, name: str, by: audit.Actor) -> int | None:
    """Publish the providers, models and task types that the staged lines name and nobody knew: they wait for a person to enable them."""
    cursor.execute("SELECT DISTINCT provider, model FROM import_line")
    models = sorted(set(cursor.fetchall()) - known.models)
    cursor.execute("SELECT DISTINCT task_type FROM import_line")
    tasks = sorted({task for (task,) in cursor.fetchall()} - known.tasks)
    if not models and not tasks:
        return None
    primaries = staging.latest_primaries(cursor, tasks)
    marks = {"enabled": False, "imported": True}
    fragment = {
        "providers": [
            {"slug": slug, "kind": "openai_compatible", **marks}
            for slug in sorted({provider for provider, _ in models} - known.providers)
        ],
        "models": [
            {"provider": provider, "slug": slug, "name": named[:120], "upstream_id": named[:200], **marks}
            for provider, slug in models
            for named in [checker.named.get((provider, slug), slug)]
        ],
        "task_types": [{"slug": task, "name": checker.tasks.get(task, task)[:120], "imported": True} for task in tasks],
        "routes": [{"task_type": task, "steps": [primaries[task]]} for task in tasks],
    }
    try:
        return changes.publish(fragment, by=by, reason=f"named by the import of {name}"[:500], source="import").number
    except Invalid as error:
        raise Refused(f"What the file names does not fit the routing table: {error}") from error
