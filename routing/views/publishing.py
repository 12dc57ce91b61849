"""What publishing from a page takes, whatever is edited: a preview, a reason, and to be told who was first without losing a word."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect

from routing import changes
from routing.document import Change, Invalid, rows
from routing.document.table import as_table
from routing.forms.part import PartForm
from routing.models import Revision
from routing.views import wording

Form = TypeVar("Form", bound=PartForm)


@dataclass(frozen=True, slots=True)
class Subject:
    """One part of the table that is being edited."""

    section: str
    key: str
    what: str  # "the route coding"
    url: str  # of its editor

    @property
    def path(self) -> str:
        return f"{self.section}[{self.key}]"

    def now(self) -> dict[str, Any] | None:
        """As the table has it; None when it is not there."""
        return rows.dump()[self.section].get(self.key)

    def at(self, revision: int) -> dict[str, Any] | None:
        """As a revision had it."""
        found = Revision.objects.filter(number=revision).first()
        return as_table(found.document)[self.section].get(self.key) if found else None

    def is_touched_by(self, change: Change | Mapping[str, Any]) -> bool:
        path: str = change.path if isinstance(change, Change) else change["path"]
        return path == self.path or path.startswith(f"{self.path}.")


def preview(subject: Subject, form: PartForm) -> dict[str, Any] | None:
    """The lines of the difference and what proves that they were seen; None, and the problems in the form, when it cannot be."""
    try:
        found = changes.preview({subject.section: [form.part()]})
    except Invalid as error:
        form.take(error.problems)
        return None
    return {"lines": wording.lines(found), "previewed": form.fingerprint()}


def publish(subject: Subject, form: PartForm, *, by: Any) -> Revision:
    """Publish, also over revisions that left this part alone: they are nobody's conflict. Raises Stale and Invalid."""
    expected = form.cleaned_data["revision"]
    while True:
        try:
            return changes.publish(
                {subject.section: [form.part()]},
                by=by,
                reason=form.cleaned_data["reason"],
                source="console",
                expected_revision=expected,
            )
        except changes.Stale as stale:
            if any(subject.is_touched_by(change) for change in stale.diff) or not stale.diff:
                raise
            expected = stale.current


def conflict(subject: Subject, form: Form, posted: QueryDict, stale: changes.Stale) -> tuple[Form, dict[str, Any]]:
    """Who was first, and the form again: fields that only they changed become theirs, all that was typed here stays."""
    mine, expected = form.part(), form.cleaned_data["revision"]
    base, theirs = subject.at(expected) or {}, subject.now() or {}
    kept = {name: theirs[name] if name in theirs and mine[name] == base.get(name) else mine[name] for name in mine}
    merged = type(form)(form.posted({**theirs, **kept}, posted, stale.current), keys=form.keys)
    merged.is_valid()
    first = _first_to_touch(subject, expected)
    differing = [Change(f"{subject.path}.{name}", theirs.get(name), kept[name]) for name in kept]
    told = {
        "who": first.by_name if first else stale.who,
        "when": first.created_at if first else stale.when,
        "reason": first.reason if first else "",
        "what": subject.what,
        "lines": wording.lines(each for each in differing if each.before != each.after),
        "reload_url": subject.url,
    }
    return merged, told


def _first_to_touch(subject: Subject, since: int) -> Revision | None:
    """The newest revision after `since` that changed the part."""
    later = Revision.objects.filter(number__gt=since).defer("document")
    return next((each for each in later if any(map(subject.is_touched_by, each.changes))), None)


def remove(request: HttpRequest, subject: Subject, *, by: Any) -> HttpResponse | None:
    """Take the part out of the table, as the posted reason and revision say; an answer that sends back, when it cannot be.

    Raises changes.Unknown.
    """
    reason, expected = request.POST.get("reason", "").replace("\0", "").strip()[:2000], request.POST.get("revision", "")
    try:
        new = changes.remove(
            subject.section,
            subject.key,
            by=by,
            reason=reason,
            source="console",
            expected_revision=int(expected)
            if expected.isascii() and expected.isdecimal() and len(expected) < 10
            else None,
        )
    except (changes.Stale, Invalid) as error:
        messages.error(request, f"Nothing was removed. {error}")
        return redirect(subject.url)
    messages.success(request, f"Revision {new.number} is in force, without {subject.what}.")
    return None
