"""Four groups in rank order."""

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.models import Group as GroupRow

from routing import people
from routing.terms.words import Group

pytestmark = pytest.mark.django_db


def test_the_four_groups_are_there_from_the_start() -> None:
    assert set(GroupRow.objects.values_list("name", flat=True)) >= {"viewer", "operator", "approver", "admin"}


@pytest.mark.parametrize("held", Group)
@pytest.mark.parametrize("needed", Group)
def test_each_may_do_all_that_the_one_before_it_may(held: Group, needed: Group) -> None:
    user = User.objects.create_user("anna")
    people.put(user, held)
    rank = ["viewer", "operator", "approver", "admin"]
    assert people.may(user, needed) == (rank.index(held) >= rank.index(needed))


def test_nobody_else_may_anything() -> None:
    plain, gone = User.objects.create_user("plain"), User.objects.create_user("gone", is_active=False)
    people.put(gone, Group.ADMIN)
    assert not any(people.may(user, Group.VIEWER) for user in (AnonymousUser(), plain, gone))
    assert people.scopes_of(plain) == frozenset()


def test_a_superuser_is_an_admin() -> None:
    assert people.may(User.objects.create_superuser("root"), Group.ADMIN)


def test_a_new_group_replaces_the_old_one_and_leaves_others() -> None:
    user = User.objects.create_user("anna")
    user.groups.add(GroupRow.objects.create(name="book club"))
    people.put(user, Group.ADMIN)
    people.put(user, Group.VIEWER)
    assert set(user.groups.values_list("name", flat=True)) == {"book club", "viewer"}
