"""One Idempotency-Key, one batch: however often it is sent, at once or later."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import InterfaceError, connections, transaction

from routing import clients, snapshot
from routing.audit import SYSTEM
from routing.batches import messages, sending
from routing.models import Batch, BatchItem, IdempotencyClaim
from routing.models import Client as ClientRow
from tests.cortex.processes import until
from tests.routing.batches.conftest import ITEM, Sender
from tests.routing.doors.asking import Client, Heard
from tests.routing.doors.conftest import serving

PATH = "/api/v1/batches"
TWO = {"items": [ITEM, ITEM | {"prompt": "Say it again."}], "concurrency": 2}


@pytest.fixture
def ci(committed: Sender, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    # The API asks PostgreSQL in threads that end with their request, and with them ends their connection.
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 0)
    snapshot.load_now()
    with serving() as url:
        yield Client(url, committed.key)


def batch_of(heard: Heard) -> int:
    assert heard.status == 202, heard.content
    return int(json.loads(heard.content)["id"])


def test_the_same_batch_again_is_told_as_it_was_told_first(ci: Client) -> None:
    first, *again = (ci.post(PATH, TWO) for _ in range(3))
    assert not first.is_replayed
    assert first.headers["location"] == f"{PATH}/{batch_of(first)}"
    for each in again:
        assert each.is_replayed
        assert (each.status, each.content, each.lasting) == (202, first.content, first.lasting)
    assert (Batch.objects.count(), BatchItem.objects.count()) == (1, 2)


def test_another_batch_under_the_same_key_is_refused(ci: Client) -> None:
    batch_of(ci.post(PATH, TWO))
    for other in (TWO | {"concurrency": 1}, {"items": TWO["items"][:1], "concurrency": 2}):
        heard = ci.post(PATH, other)
        assert (heard.status, heard.code) == (422, "idempotency_key_reused")
        assert heard.headers["x-should-retry"] == "false"
    assert Batch.objects.count() == 1


def test_without_a_key_and_under_another_and_of_another_client_it_is_another_batch(ci: Client) -> None:
    other = Client(ci.url, clients.create_key("other", by=SYSTEM).key)
    snapshot.load_now()
    made = [ci.post(PATH, TWO), ci.post(PATH, TWO, "k-2"), ci.post(PATH, TWO, None), other.post(PATH, TWO)]
    assert len({batch_of(each) for each in made}) == 4


def test_while_it_is_being_kept_the_same_batch_is_told_to_come_back(ci: Client) -> None:
    with ThreadPoolExecutor() as pool:
        with transaction.atomic():  # the client's row is locked: nobody keeps a batch of it meanwhile
            ClientRow.objects.select_for_update().get(slug="ci")
            asking = pool.submit(ci.post, PATH, TWO)
            until(IdempotencyClaim.objects.exists)
            meanwhile = ci.post(PATH, TWO)
        first = asking.result()
    assert (meanwhile.status, meanwhile.code, meanwhile.headers["retry-after"]) == (409, "call_in_progress", "1")
    assert "The batch of this Idempotency-Key is being kept" in meanwhile.content.decode()
    assert batch_of(ci.post(PATH, TWO)) == batch_of(first)
    assert Batch.objects.count() == 1


def test_eight_at_once_are_one_batch(ci: Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        heard = list(pool.map(lambda _: ci.post(PATH, TWO), range(8)))
    assert {each.status for each in heard} <= {202, 409}
    assert len({batch_of(each) for each in [*heard, ci.post(PATH, TWO)] if each.status == 202}) == 1
    assert Batch.objects.count() == 1


def test_what_was_not_kept_leaves_the_key_free(ci: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong: list[Any] = [b"{", {"items": []}, {"items": [ITEM | {"task_type": "nothing like it"}]}]
    for body in wrong:
        assert 400 <= ci.post(PATH, body).status <= 422
        assert not IdempotencyClaim.objects.exists()
    with monkeypatch.context() as full:
        full.setattr(sending, "MOST_OPEN", 0)
        assert ci.post(PATH, TWO).status == 429
    assert not ci.post(PATH, TWO).is_replayed
    assert Batch.objects.count() == 1


def test_where_nobody_knows_whether_it_was_kept_it_is_not_kept_again(
    ci: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(batch: int) -> bool:
        raise InterfaceError("the connection is gone")

    with monkeypatch.context() as broken:
        broken.setattr(messages, "send", gone)
        assert ci.post(PATH, TWO).status == 503
    again = ci.post(PATH, TWO)
    assert (again.status, again.code) == (409, "outcome_unknown")
    assert "GET /api/v1/batches lists what was kept" in again.content.decode()
    assert "retry-after" not in again.headers
    assert Batch.objects.count() == 1


def test_a_key_that_may_not_send_and_a_word_that_is_none_are_refused(ci: Client) -> None:
    heard = ci.post(PATH, TWO, "two words")
    assert (heard.status, heard.code) == (400, "invalid_idempotency_key")
    stranger = Client(ci.url, "ck_nobody")
    assert stranger.post(PATH, TWO).status == 401
    assert Batch.objects.count() == 0
