"""Logging in and out: who guesses is locked out and learns no name, a session that was ended opens nothing, no page stands in a frame."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from routing import people
from routing.terms.words import Group
from tests.hostile import addresses
from tests.pages.conftest import World, client_of, world  # noqa: F401

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"
LIMIT = 10  # failures; the tenth locks


@pytest.fixture
def person(settings) -> User:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # a slow one is not what is tested
    return User.objects.create_user("alice", "alice@example.com", PASSWORD)


def log_in(name: str, password: str, address: str = "198.51.100.7") -> tuple[int, str]:
    """The status, and what the page says, without what each answer has of its own."""
    answer = Client(REMOTE_ADDR=address).post("/account/login/", {"login": name, "password": password})
    words = re.sub(r"<[^>]+>|\s+", " ", answer.content.decode())
    return answer.status_code, re.sub(r" +", " ", words).replace(name, "NAME")


def test_ten_wrong_passwords_lock_the_name_out_and_the_right_one_with_it(person: User) -> None:
    told = [log_in("alice", f"guess {number}") for number in range(LIMIT + 2)]
    assert [status for status, _ in told[: LIMIT - 1]] == [200] * (LIMIT - 1)
    assert {status for status, _ in told[LIMIT - 1 :]} == {429}
    assert log_in("alice", PASSWORD)[0] == 429
    assert log_in("alice", PASSWORD, address="203.0.113.9")[0] == 302  # nobody is locked out by a stranger elsewhere


def test_a_name_that_nobody_has_is_answered_as_one_that_somebody_has(person: User) -> None:
    for number in range(LIMIT + 2):
        known, unknown = log_in("alice", f"guess {number}"), log_in("nobody", f"guess {number}")
        assert known == unknown, number


def test_the_right_password_in_time_begins_the_count_anew(person: User) -> None:
    for _ in range(2):
        assert {log_in("alice", "a guess")[0] for _ in range(LIMIT - 1)} == {200}
        assert log_in("alice", PASSWORD)[0] == 302


def test_who_logs_out_leaves_a_cookie_that_opens_nothing(person: User) -> None:
    client, thief = Client(), Client()
    client.force_login(person)
    thief.cookies = client.cookies.__class__(client.cookies.output(header=""))
    assert not thief.get("/account/email/").headers.get("Location", "").startswith("/account/login")
    client.post("/account/logout/")
    assert thief.get("/account/email/").headers["Location"].startswith("/account/login")


def test_another_password_ends_every_other_session(person: User) -> None:
    client = Client()
    client.force_login(person)
    person.set_password("another one altogether")
    person.save()
    assert client.get("/account/email/").headers["Location"].startswith("/account/login")


def test_another_role_ends_every_session_of_that_person_and_of_nobody_else(person: User) -> None:
    people.put(person, Group.ADMIN)
    other = User.objects.create_user("bob")
    people.put(other, Group.ADMIN)
    at_work, at_home, of_bob = (Client() for _ in range(3))
    for client, who in ((at_work, person), (at_home, person), (of_bob, other)):
        client.force_login(who)
    people.put(person, Group.ADMIN)  # what they have: nothing changes
    assert at_work.get("/").status_code == 200
    people.put(person, Group.VIEWER)
    for client in (at_work, at_home):
        assert client.get("/").headers["Location"].startswith("/account/login")
    assert of_bob.get("/").status_code == 200


def test_no_page_may_stand_in_a_frame(world: World) -> None:  # noqa: F811
    admin = Client()
    admin.force_login(world[Group.ADMIN])
    paths = {**addresses.pages(), "log in": "/account/login/"}
    assert len(paths) > 40
    for name, path in paths.items():
        answer = admin.get(path) if name != "log in" else Client().get(path)
        if answer.get("Content-Type", "").startswith("text/html"):
            assert answer["X-Frame-Options"] == "DENY", name
            assert "frame-ancestors 'none'" in answer["Content-Security-Policy"], name
