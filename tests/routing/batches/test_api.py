"""Batches over the API: all or nothing with every wrong item named, one's own alone, read until they are purged, canary nowhere."""

import base64
import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from routing import batches, drain, recorder, snapshot, tasks
from routing.batches import messages, sending
from routing.models import AuditEvent, Batch, BatchItem
from routing.terms.words import Scope
from tests.routing.batches.conftest import ITEM, Sender, key_of
from tests.routing.batches.conftest import messages as sent

CANARY = "canary-5f1c-prompt"
ANSWER = "canary-5f1c-answer"


def error(answer: Any, status: int) -> Any:
    assert answer.status_code == status, answer.content
    return answer.json()["error"]


# Each with the field that is named; "" for the item as a whole.
BAD: list[tuple[dict[str, Any], str]] = [
    ({"task_type": "talk"}, ""),
    ({"task_type": "talk", "prompt": ""}, ".prompt"),
    ({"task_type": "talk", "prompt": 7}, ".prompt"),
    ({"task_type": "talk", "prompt": CANARY, "base_url": "http://127.0.0.1/"}, ".base_url"),
]
MEANINGLESS: list[tuple[dict[str, Any], str]] = [
    ({"task_type": "nothing like it", "prompt": CANARY}, ".task_type"),
    ({"prompt": CANARY}, ".task_type"),
    ({"task_type": "talk", "prompt": CANARY, "override": "three"}, ".override"),
    ({"task_type": "talk", "prompt": CANARY, "override_text": "use the third"}, ".override_text"),
    ({"task_type": "talk", "prompt": CANARY, "project": "none"}, ".project"),
    ({"task_type": "talk", "prompt": CANARY, "author_model": "nobody"}, ".author_model"),
    ({"task_type": "talk", "prompt": CANARY, "stream": True}, ".stream"),
    (
        {"task_type": "talk", "prompt": CANARY, "author_call_id": "0" * 8 + "-0000-7000-8000-" + "0" * 12},
        ".author_call_id",
    ),
]


@pytest.mark.parametrize("bad", [BAD, MEANINGLESS], ids=["malformed", "meaningless"])
def test_every_wrong_item_is_named_by_its_path_and_nothing_is_kept(
    sender: Sender, bad: list[tuple[dict[str, Any], str]]
) -> None:
    snapshot.load_now()
    items = [ITEM, *(item for item, _ in bad), ITEM]
    told = error(sender.call("POST", "/batches", {"items": items}), 422)
    assert [each["field"] for each in told["details"]] == [f"items.{n}{field}" for n, (_, field) in enumerate(bad, 1)]
    assert CANARY not in json.dumps(told)
    assert (Batch.objects.count(), BatchItem.objects.count()) == (0, 0)


def test_the_limits_of_a_batch_are_422(sender: Sender) -> None:
    snapshot.load_now()
    bodies: list[dict[str, Any]] = [
        {},
        {"items": []},
        {"items": [ITEM] * 1001},
        {"items": ITEM},
        {"items": [ITEM], "concurrency": 0},
        {"items": [ITEM], "concurrency": 33},
        {"items": [ITEM], "concurrency": 2.5},
        {"items": [ITEM], "priority": 1},
    ]
    for body in bodies:
        assert error(sender.call("POST", "/batches", body), 422)["details"], str(body)[:60]
    assert Batch.objects.count() == 0


def test_a_client_with_too_many_open_batches_is_told_to_wait(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "MOST_OPEN", 1)
    sender.send(1)
    answer = sender.call("POST", "/batches", {"items": [ITEM]})
    assert "cancel it" in error(answer, 429)["message"]
    assert answer["Retry-After"] == "60"


def test_a_batch_is_accepted_before_anything_is_called(sender: Sender) -> None:
    snapshot.load_now()
    answer = sender.call("POST", "/batches", {"items": [ITEM, ITEM], "concurrency": 2})
    told = answer.json()
    assert (answer.status_code, answer["Location"]) == (202, f"/api/v1/batches/{told['id']}")
    assert (told["status"], told["total"], told["concurrency"], told["progress"]) == ("queued", 2, 2, 0.0)
    assert told["counts"] == {"queued": 2, "running": 0, "done": 0, "failed": 0, "cancelled": 0, "unknown": 0}
    assert sender.double.requests == []


def test_the_broker_is_told_an_id_and_no_more(sender: Sender, broker: Path) -> None:
    number = sender.send([ITEM | {"prompt": CANARY}])
    (message,) = sent()
    told = json.loads(message.read_text())
    arguments, keywords, _ = json.loads(base64.b64decode(told["body"]))
    assert (told["headers"]["task"], arguments, keywords) == ("routing.tasks.run_batch", [number], {})
    files = [path for path in broker.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []


def test_a_broker_that_is_away_keeps_nobody_waiting_and_the_minutes_watch_sends_what_waits(
    sender: Sender, monkeypatch: pytest.MonkeyPatch, broker: Path
) -> None:
    with override_settings(CELERY_BROKER_URL="redis://127.0.0.1:1/0", CELERY_BROKER_TRANSPORT_OPTIONS={}):
        messages._sender.cache_clear()
        number = sender.send(1)
        assert Batch.objects.get(pk=number).sent_at is None
    messages._sender.cache_clear()
    tasks.watch()
    assert Batch.objects.get(pk=number).sent_at is not None
    assert len(sent()) == 1
    tasks.watch()
    assert len(sent()) == 1, "once"


@pytest.fixture
def theirs(sender: Sender) -> int:
    """A batch of `ci` that is over."""
    number = sender.send(3)
    batches.run(number)
    return number


def test_a_batch_is_there_for_its_own_client_and_for_a_manager_alone(sender: Sender, theirs: int) -> None:
    other, manager = (
        Sender(sender.world, key_of("other")),
        Sender(sender.world, key_of("boss", Scope.READ, Scope.MANAGE)),
    )
    snapshot.load_now()
    for method, path in (
        ("GET", ""),
        ("GET", "/results"),
        ("POST", "/cancel"),
        ("DELETE", ""),
    ):
        assert other.call(method, f"/batches/{theirs}{path}").status_code == 404, (method, path)
    assert other.call("GET", "/batches").json()["items"] == []
    assert [each["id"] for each in manager.call("GET", "/batches").json()["items"]] == [theirs]
    assert manager.get(theirs)["client"] == "ci"
    assert Batch.objects.filter(pk=theirs).exists()


def test_batches_and_items_come_in_pages(sender: Sender) -> None:
    numbers = [sender.send(3) for _ in range(3)]
    first = sender.call("GET", "/batches?limit=2").json()
    rest = sender.call("GET", f"/batches?limit=2&cursor={first['next']}").json()
    assert [each["id"] for each in first["items"] + rest["items"]] == numbers[::-1]
    assert rest["next"] is None
    page = sender.get(numbers[0], "?limit=2")
    following = sender.get(numbers[0], f"?limit=2&cursor={page['next']}")
    assert [each["position"] for each in page["items"] + following["items"]] == [0, 1, 2]
    assert sender.call("GET", "/batches?status=done").json()["items"] == []
    assert sender.get(numbers[0], "?status=failed")["items"] == []
    for query in ("limit=0", "cursor=!!", "cursor=eA==", "status=lost"):
        assert sender.call("GET", f"/batches?{query}").status_code == 422, query
    assert sender.call("GET", f"/batches/{10**30}").status_code in (404, 422)


def test_results_are_a_line_an_item_in_order(sender: Sender, theirs: int) -> None:
    answer = sender.call("GET", f"/batches/{theirs}/results")
    lines = [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]
    assert [(line["position"], line["status"], line["answer"]["output"]) for line in lines] == [
        (0, "done", "It works."),
        (1, "done", "It works."),
        (2, "done", "It works."),
    ]
    assert answer["Content-Disposition"] == f'attachment; filename="batch-{theirs}.ndjson"'


def test_answers_are_read_until_their_time_is_over_and_then_counts_and_costs_stay(sender: Sender, theirs: int) -> None:
    before = sender.get(theirs)
    Batch.objects.filter(pk=theirs).update(purge_at=timezone.now() - timedelta(seconds=1))
    assert [each["answer"] for each in sender.get(theirs)["items"]] == [None] * 3, "judged when it is read"
    tasks.purge_batches()
    assert BatchItem.objects.exclude(answer=None).count() == 0
    after = sender.get(theirs)
    assert (after["counts"], after["cost_usd"]) == (before["counts"], before["cost_usd"])


def test_what_nobody_ran_in_time_is_forgotten_and_not_called(sender: Sender) -> None:
    number = sender.send(2)
    Batch.objects.update(purge_at=timezone.now() - timedelta(seconds=1))
    tasks.purge_batches()
    batches.run(number)
    told = sender.get(number)
    assert (told["status"], [each["error"]["code"] for each in told["items"]]) == ("done", ["expired"] * 2)
    assert (sender.double.requests, BatchItem.objects.exclude(body=None).count()) == ([], 0)


def test_a_batch_is_deleted_only_when_it_is_over_and_cancelled_only_while_it_is_not(
    sender: Sender, theirs: int
) -> None:
    waiting = sender.send(1)
    assert "cancel it first" in error(sender.call("DELETE", f"/batches/{waiting}"), 409)["message"]
    assert sender.call("POST", f"/batches/{waiting}/cancel").json()["counts"]["cancelled"] == 1
    assert error(sender.call("POST", f"/batches/{waiting}/cancel"), 409)
    assert error(sender.call("POST", f"/batches/{theirs}/cancel"), 409)
    assert sender.call("DELETE", f"/batches/{theirs}").status_code == 204
    assert sender.call("GET", f"/batches/{theirs}").status_code == 404
    assert list(
        AuditEvent.objects.filter(action__startswith="batch.").order_by("sequence").values_list("action", "subject")
    ) == [
        ("batch.cancel", f"batch:{waiting}"),
        ("batch.delete", f"batch:{theirs}"),
    ]


def dumped() -> bytes:
    """Every row of every table, as COPY tells it."""
    parts = io.BytesIO()
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            with cursor.copy(f'COPY (SELECT * FROM "{table}") TO STDOUT') as rows:
                for row in rows:
                    parts.write(row)
    return parts.getvalue()


def test_no_byte_of_a_prompt_or_answer_is_readable_anywhere(
    committed: Sender, broker: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    from tests.doubles.script import answer
    from tests.doubles.script import error as refused

    caplog.set_level("DEBUG")
    committed.double.will(refused(400, "invalid_request_error", message="no"), then=answer(ANSWER))
    number = committed.send([ITEM | {"prompt": CANARY, "system": CANARY}] * 3)
    waiting = committed.send([ITEM | {"prompt": CANARY}])
    batches.run(number)
    assert committed.get(number)["items"][1]["answer"]["output"] == ANSWER
    assert drain.flush()
    seen = [dumped()]
    folders = (broker, recorder.folder(), Path(settings.DATA_DIR))
    seen += [path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()]
    said = capfd.readouterr()
    seen += [caplog.text.encode(), said.out.encode(), said.err.encode()]
    assert str(BatchItem.objects.filter(batch=number)[0].call_id).encode() in seen[0], "the dump holds the batch"
    for canary in (CANARY, ANSWER):
        forms = (canary.encode(), canary.encode().hex().encode())  # COPY writes bytes in hex
        assert [part[:80] for part in seen if any(form in part for form in forms)] == []
    assert BatchItem.objects.get(batch=waiting).body
