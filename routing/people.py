"""Which person may do what: four groups in rank order, each may do all that the one before it may."""

from typing import TYPE_CHECKING

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import Group as GroupRow
from django.contrib.sessions.models import Session
from django.utils import timezone

from routing.terms.words import Group, Scope

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

RANK = tuple(Group)

# What a person of a group may give a key: no key exceeds its maker.
SCOPES: dict[Group, frozenset[Scope]] = {
    Group.VIEWER: frozenset({Scope.READ}),
    Group.OPERATOR: frozenset({Scope.READ, Scope.DISPATCH, Scope.VERDICT, Scope.MANAGE}),
    Group.APPROVER: frozenset(Scope),
    Group.ADMIN: frozenset(Scope),
}


def group_of(user: "User | AnonymousUser") -> Group | None:
    """The highest group of an active user; a superuser is an admin; None for everyone else."""
    if not user.is_authenticated or not user.is_active:
        return None
    if user.is_superuser:
        return Group.ADMIN
    held = {group.name for group in user.groups.all()}
    return next((group for group in reversed(RANK) if group.value in held), None)


def may(user: "User | AnonymousUser", group: Group) -> bool:
    """Whether the user may do what `group` may. Read once a request: it asks the database."""
    held = group_of(user)
    return held is not None and RANK.index(held) >= RANK.index(group)


def scopes_of(user: "User | AnonymousUser") -> frozenset[Scope]:
    """What keys of this person may do, today: a key is worth no more than its maker."""
    held = group_of(user)
    return SCOPES[held] if held else frozenset()


def put(user: "User", group: Group) -> None:
    """Make `group` the user's only one of the four. Other groups stay. Audit is the caller's.

    Where that changes what they may, their sessions end: they log in again as what they are now.
    """
    rows = {each: GroupRow.objects.get_or_create(name=each.value)[0] for each in RANK}
    names = {each.value for each in RANK}
    held = {each.name for each in user.groups.all()} & names
    user.groups.remove(*rows.values())
    user.groups.add(rows[group])
    if held != {group.value}:
        _end_sessions(user)


def _end_sessions(user: "User") -> None:
    """A session tells whose it is to its own key alone: each of those that still hold is opened."""
    for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator():
        if session.get_decoded().get(SESSION_KEY) == str(user.pk):
            session.delete()
