"""What `up` tells a newcomer: one account, one key, one answer, the same on every start."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model

from cortex import welcome
from routing import audit, clients, people
from routing.terms.words import Group

ANSWER = (
    b'{"task_type": "quick_capture", "provider": "anthropic", "model": "haiku", "output": "It picks\\n a model.", "cost_usd": null,'
    b' "total_ms": 412}'
)


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORTEX_DATA_DIR", str(tmp_path))


@pytest.mark.django_db
def test_the_first_start_makes_an_admin_and_the_next_tells_the_same() -> None:
    first = welcome.log_in()
    admin = get_user_model().objects.get()
    assert people.group_of(admin) == Group.ADMIN
    assert admin.check_password(first.rpartition(" ")[2])
    assert welcome.log_in() == first


@pytest.mark.django_db
def test_a_password_that_was_changed_is_not_told() -> None:
    welcome.log_in()
    admin = get_user_model().objects.get()
    admin.set_password("changed")
    admin.save()
    assert welcome.log_in() == "Log in as admin with the password you gave it."


@pytest.mark.django_db
def test_where_people_have_accounts_none_is_made() -> None:
    get_user_model().objects.create_user("anna")
    assert welcome.log_in() == "Log in with your own account."
    assert get_user_model().objects.count() == 1


@pytest.mark.django_db
def test_the_key_is_the_same_until_it_is_revoked() -> None:
    first = welcome.key()
    assert welcome.key() == first
    caller = clients.lookup(clients.digest(first))
    assert caller is not None
    assert caller.client == "first-steps"
    assert clients.revoke_key(caller.prefix, by=audit.SYSTEM)
    second = welcome.key()
    assert second != first
    assert clients.lookup(clients.digest(second)) is not None


class Answering(http.server.BaseHTTPRequestHandler):
    status = 200
    body = ANSWER

    def do_POST(self) -> None:
        assert self.path == "/api/v1/dispatch"
        assert self.headers["X-Cortex-Key"] == "ck_test"
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}/"
        listening.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (
            200,
            ANSWER,
            "A first dispatch of quick_capture went to anthropic:haiku (412 ms, unpriced): “It picks a model.”",
        ),
        (
            200,
            ANSWER.replace(b"null", b'"0.0000234000"'),
            "A first dispatch of quick_capture went to anthropic:haiku (412 ms, $0.0000234): “It picks a model.”",
        ),
        (
            502,
            b'{"error": {"message": "All failed."}}',
            "A first dispatch of quick_capture was answered 502: All failed.",
        ),
        (500, b"<html>", "A first dispatch of quick_capture was answered 500: no reason given"),
    ],
    ids=["an answer", "an answer with a price", "an error of the contract", "no error of ours"],
)
def test_the_first_answer_is_told_in_a_sentence(
    server: str, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes, sentence: str
) -> None:
    monkeypatch.setattr(Answering, "status", status)
    monkeypatch.setattr(Answering, "body", body)
    assert welcome.first_dispatch(server, "ck_test") == sentence


def test_no_answer_is_told_too() -> None:
    assert welcome.first_dispatch("http://127.0.0.1:1/", "ck_test").startswith(
        "A first dispatch of quick_capture was not answered: "
    )
