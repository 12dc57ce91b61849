"""Taking a key, and saying how its call ended. All of this waits for disk and PostgreSQL: `threads.in_thread` is for event loops."""

import contextlib
import logging
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from routing.idempotency import files, owners, rows
from routing.idempotency.claim import KEPT, Claim
from routing.idempotency.rows import Away, KeyGone
from routing.terms.words import ClaimState

log = logging.getLogger(__name__)
# Of a process on another host, which cannot be asked whether it lives: no route of a sane table lets a call run for longer.
LONGEST = timedelta(hours=1)


def take(wanted: Claim) -> Claim | None:
    """None: the key is ours and the call may be made. Else the claim that has it, as it stands now.

    Raises Away where that cannot be known, KeyGone, and OSError when the data dir cannot be written. Then no provider may be called.
    """
    found = _taken_here(wanted) if settings.SINGLE_HOST else _taken_in_the_table(wanted)
    return found and _judged(found)


def _taken_here(wanted: Claim) -> Claim | None:
    marked = files.mark(wanted)
    if marked is None:
        return _taken_with_a_mark(wanted)
    apart = files.apart(wanted.name)
    if apart is None:
        return rows.find(wanted.name) or marked
    if apart.state is not ClaimState.RELEASED:
        return apart
    _tell(apart)
    return _taken_here(wanted)


def _taken_with_a_mark(wanted: Claim) -> Claim | None:
    try:
        found = rows.take(wanted)
    except Away:
        try:
            files.set_apart(wanted)  # its row follows when PostgreSQL is back
        except OSError:
            files.unmark(wanted.name)
            raise
        return None
    except KeyGone:
        files.unmark(wanted.name)
        raise
    if found is not None:  # from before this data dir, or from a host that has gone
        files.unmark(wanted.name)
    _adopt_if_there()
    return found


def _taken_in_the_table(wanted: Claim) -> Claim | None:
    apart = files.apart(wanted.name)
    if apart is not None:
        _tell(apart)
    try:
        found = rows.take(wanted)
    except Away as away:
        if away.was_tried:  # the row may be there: then it must not stand in the way of the next try
            files.set_apart(replace(wanted, state=ClaimState.RELEASED))
        raise
    _adopt_if_there()
    return found


def _judged(found: Claim) -> Claim:
    """A running call whose process is dead is one of unknown outcome."""
    if found.state is not ClaimState.RUNNING:
        return found
    is_gone = owners.is_gone(found.owner)
    if is_gone is None:
        is_gone = timezone.now() > found.expires_at - KEPT + LONGEST
    return replace(found, state=ClaimState.UNKNOWN) if is_gone else found


def settle(claim: Claim, state: ClaimState, replay: bytes | None = None) -> None:
    """Keep how the call ended. Raises OSError when neither PostgreSQL nor the data dir takes it; then it becomes unknown with its process."""
    ended = replace(claim, state=state, replay=replay)
    try:
        rows.put(ended)
    except Away:
        files.set_apart(ended)
    else:
        files.forget_apart(claim.name)


def release(claim: Claim) -> None:
    """Give the key back: no provider did any work for it. Raises OSError as `settle` does."""
    apart = files.apart(claim.name)
    try:
        rows.drop(claim)
    except Away:
        if apart is None:  # the row is there, and must go before anybody gets the key
            files.set_apart(replace(claim, state=ClaimState.RELEASED))
            return
    files.forget_apart(claim.name)
    files.unmark(claim.name)


def begin() -> None:
    """At the start of a process: tell PostgreSQL what it does not know, the calls that died with their processes included."""
    try:
        _adopt()
        for each in rows.running(None if settings.SINGLE_HOST else owners.host()):
            if owners.is_gone(each.owner):
                rows.put(replace(each, state=ClaimState.UNKNOWN))
    except (Away, OSError) as error:
        log.warning("Claims of idempotent calls are told to PostgreSQL later: %s", error)


def purge(now: datetime) -> None:
    """Forget the claims whose day is over, of the table and of this host."""
    rows.purge(now)
    files.purge(now)
    owners.clear()


def _adopt_if_there() -> None:
    """Where a key was just taken, nothing else may keep its call from being made."""
    with contextlib.suppress(Away):
        _adopt()


def _adopt() -> None:
    """Whatever PostgreSQL was away for."""
    for claim in files.all_apart():
        if claim.state is not ClaimState.RUNNING:
            _tell(claim)
        elif owners.is_gone(claim.owner):
            _tell(replace(claim, state=ClaimState.UNKNOWN))


def _tell(apart: Claim) -> None:
    """Raises Away."""
    if apart.state is not ClaimState.RELEASED:
        rows.put(apart)
        files.forget_apart(apart.name)
        return
    rows.drop(apart)
    if files.forget_apart(apart.name):  # one process alone: the mark may be another call's a moment later
        files.unmark(apart.name)
