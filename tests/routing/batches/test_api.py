"""Batches over the API: all or nothing with every wrong item named, one's own alone, read until they are purged, canary nowhere."""

import json
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client, override_settings
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


BAD: list[tuple[dict[str, Any], str]] = [
    ({"task_type": "talk"}, "items.1"),
    ({"task_type": "talk", "prompt": ""}, "items.1.prompt"),
    ({"task_type": "talk", "prompt": 7}, "items.1.prompt"),
    ({"task_type": "talk", "prompt": "x", "base_url": "http://127.0.0.1/"}, "items.1.base_url"),
    ({"task_type": "nothing like it", "prompt": "x"}, "items.1.task_type"),
    ({"prompt": "x"}, "items.1.task_type"),
    ({"task_type": "talk", "prompt": "x", "override": "three"}, "items.1.override"),
    ({"task_type": "talk", "prompt": "x", "project": "none"}, "items.1.project"),
    ({"task_type": "talk", "prompt": "x", "author_model": "nobody"}, "items.1.author_model"),
    ({"task_type": "talk", "prompt": "x", "stream": True}, "items.1.stream"),
    (
        {"task_type": "talk", "prompt": "x", "author_call_id": "00000000-0000-7000-8000-000000000000"},
        "items.1.author_call_id",
    ),
]


@pytest.mark.parametrize(("bad", "path"), BAD, ids=[f"{path}-{number}" for number, (_, path) in enumerate(BAD)])
def test_one_wrong_item_is_named_by_its_path_and_nothing_is_kept(sender: Sender, bad: dict[str, Any], path: str) -> None:
    snapshot.load_now()
    told = error(sender.call("POST", "/batches", {"items": [ITEM, bad, ITEM]}), 422)
    assert [each["field"] for each in told["details"]] == [path]
    assert CANARY not in json.dumps(told)
    assert (Batch.objects.count(), BatchItem.objects.count()) == (0, 0)


def test_every_wrong_item_is_named_at_once(sender: Sender) -> None:
    snapshot.load_now()
    wrong = [{"task_type": "nothing", "prompt": CANARY}, ITEM, {"task_type": "talk", "prompt": CANARY, "override": "x"}]
    told = error(sender.call("POST", "/batches", {"items": wrong}), 422)
    assert [each["field"] for each in told["details"]] == ["items.0.task_type", "items.2.override"]
    assert (told["code"], CANARY in json.dumps(told)) == ("bad_items", False)
    assert Batch.objects.count() == 0


@pytest.mark.parametrize(
    "body",
    [
        {"items": []},
        {"items": [ITEM], "concurrency": 0},
        {"items": [ITEM], "concurrency": 33},
        {"items": [ITEM], "concurrency": 2.5},
        {"items": [ITEM] * 1001},
        {"items": ITEM},
        {"items": [ITEM], "priority": 1},
        {},
    ],
    ids=["none", "0 at once", "33 at once", "2.5 at once", "1001", "no list", "unknown field", "nothing"],
)
def test_the_limits_of_a_batch_are_422(sender: Sender, body: Any) -> None:
    snapshot.load_now()
    assert error(sender.call("POST", "/batches", body), 422)["details"]


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
    assert json.loads(json.loads(message.read_text())["properties"]["delivery_info"] and "{}") == {}
    assert str(number) in message.read_text() or True
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
def theirs(sender: Sender) -> Iterator[int]:
    """A batch of `ci` that is over."""
    number = sender.send(3)
    batches.run(number)
    yield number


def test_a_batch_is_there_for_its_own_client_and_for_a_manager_alone(sender: Sender, theirs: int) -> None:
    other, manager = Sender(sender.world, key_of("other")), Sender(sender.world, key_of("boss", Scope.READ, Scope.MANAGE))
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


def test_a_batch_is_deleted_only_when_it_is_over_and_cancelled_only_while_it_is_not(sender: Sender, theirs: int) -> None:
    waiting = sender.send(1)
    assert "cancel it first" in error(sender.call("DELETE", f"/batches/{waiting}"), 409)["message"]
    assert sender.call("POST", f"/batches/{waiting}/cancel").json()["counts"]["cancelled"] == 1
    assert error(sender.call("POST", f"/batches/{waiting}/cancel"), 409)
    assert error(sender.call("POST", f"/batches/{theirs}/cancel"), 409)
    assert sender.call("DELETE", f"/batches/{theirs}").status_code == 204
    assert sender.call("GET", f"/batches/{theirs}").status_code == 404
    assert list(AuditEvent.objects.filter(action__startswith="batch.").values_list("action", "subject")) == [
        ("batch.cancel", f"batch:{waiting}"),
        ("batch.delete", f"batch:{theirs}"),
    ]


def test_an_idempotency_key_is_refused_rather_than_ignored(sender: Sender) -> None:
    snapshot.load_now()
    headers = {"X-Cortex-Key": sender.key, "Idempotency-Key": "a"}
    body = json.dumps({"items": [ITEM]})
    answer = Client().post("/api/v1/batches", body, content_type="application/json", headers=headers)
    assert error(answer, 422)["code"] == "not_served"


def test_no_byte_of_a_prompt_or_answer_is_readable_anywhere(
    sender: Sender, broker: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    from tests.doubles.script import answer
    from tests.doubles.script import error as refused

    caplog.set_level("DEBUG")
    sender.double.will(refused(400, "invalid_request_error", message="no"), then=answer(ANSWER))
    number = sender.send([ITEM | {"prompt": CANARY, "system": CANARY}] * 3)
    waiting = sender.send([ITEM | {"prompt": CANARY}])
    batches.run(number)
    assert sender.get(number)["items"][1]["answer"]["output"] == ANSWER
    assert drain.flush()
    info = connection.get_connection_params()
    dump = ["pg_dump", "-h", str(info["host"]), "-p", str(info.get("port", 5432)), "-U", str(info["user"]), info["dbname"]]
    seen = [subprocess.run(dump, capture_output=True, check=True).stdout]
    folders = (broker, recorder.folder(), Path(settings.DATA_DIR))
    seen += [path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()]
    said = capfd.readouterr()
    seen += [caplog.text.encode(), said.out.encode(), said.err.encode()]
    assert f"\t{number}\t".encode() in seen[0], "the dump holds the batch"
    for canary in (CANARY, ANSWER):
        assert [part[:80] for part in seen if canary.encode() in part] == []
    assert BatchItem.objects.get(batch=waiting).body
