"""One Idempotency-Key, one provider call: over every door, both lanes, whole and streamed, in one process that stays alive.

Over 300 lines: one table of doors, lanes and streams for every promise of the header.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from pathlib import Path

import anthropic
import openai
import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from routing import changes, circuits, clients, drain, recorder, snapshot, tasks
from routing.audit import SYSTEM
from routing.doors import recording
from routing.idempotency import threads
from routing.models import Call, IdempotencyClaim
from routing.terms.words import Scope
from tests import doubles
from tests.cortex.processes import until
from tests.doubles import Act, Double, script
from tests.routing.doors.asking import DOORS, Client
from tests.routing.two_providers import ANTHROPIC, OPENAI, SHORT, publish

pytestmark = pytest.mark.django_db(transaction=True)

HELLO = [{"role": "user", "content": "hello"}]
CANARY = "canary-7f3a-the-quick-brown-fox"


@pytest.fixture(autouse=True)
def folder(settings, tmp_path: Path) -> Iterator[Path]:
    settings.DATA_DIR = tmp_path
    recorder.close()
    yield tmp_path
    recorder.close()


@pytest.fixture
def ci(folder: Path, address: str) -> Client:
    return Client(address, clients.create_key("ci", by=SYSTEM, scopes=tuple(Scope)).key)


@contextmanager
def provider(
    *acts: Act, kind=OPENAI, other: tuple[Act, ...] = (), then: Act | None = None, **route
) -> Iterator[Double]:
    """The first of two."""
    with doubles.serve_in_thread(*acts, then=then) as one, doubles.serve_in_thread(*other) as two:
        publish([(kind, one.url), (OPENAI if kind is ANTHROPIC else ANTHROPIC, two.url)], **route)
        snapshot.load_now()
        yield one


KINDS = (OPENAI, ANTHROPIC)  # a door whose wire is the provider's relays, the others translate
WAYS = [(door, {"stream": True} if stream else {}) for door in DOORS for stream in (False, True)]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_same_request_again_is_answered_with_the_same_bytes(ci: Client, kind) -> None:
    acts = [script.answer(f"Answer-{number}.") for number in range(2 * len(WAYS))]
    with provider(*acts, kind=kind) as double:
        for number, (door, more) in enumerate(WAYS):
            first = ci.ask(door, f"k-{number}", more)
            again = [ci.ask(door, f"k-{number}", more) for _ in range(2)]
            assert len(double.requests) == number + 1, (door, more)

            assert first.status == 200, first.content
            assert f"Answer-{number}.".encode() in first.content
            assert not first.is_replayed
            for each in again:
                assert each.is_replayed
                assert (each.status, each.content, each.lasting) == (200, first.content, first.lasting)
            assert drain.flush()
            assert str(Call.objects.latest("id").id) == first.headers["x-cortex-request-id"]
        assert Call.objects.count() == len(WAYS)


@pytest.fixture
def embedder() -> Iterator[Double]:
    with doubles.serve_in_thread(script.embeddings((0, [0.25, -1.0])), script.embeddings((0, [1.0, 1.0]))) as double:
        document = {
            "providers": [{"slug": "local", "kind": "openai_compatible", "base_url": f"{double.url}/v1"}],
            "credentials": [{"provider": "local", "name": "main", "kind": "api_key", "secret": "sk-x"}],
            "models": [{"provider": "local", "slug": "small", "upstream_id": "embed-small", "kind": "embedding"}],
            "task_types": [{"slug": "vectors", "name": "Vectors", "kind": "embedding"}],
            "routes": [{"task_type": "vectors", "steps": ["local:small"]}],
        }
        changes.publish(document, by=SYSTEM, reason="an embedder", source="load")
        snapshot.load_now()
        yield double


def test_embeddings_are_made_once(ci: Client, embedder: Double) -> None:
    first, again = (
        ci.post("/v1/embeddings", {"model": "task:vectors", "input": "Paris", "encoding_format": "float"})
        for _ in range(2)
    )
    assert (first.status, again.content, len(embedder.requests)) == (200, first.content, 1)
    assert (first.is_replayed, again.is_replayed) == (False, True)


def test_the_official_sdks_get_what_they_got_before(ci: Client) -> None:
    with (
        provider(script.answer("Once."), script.answer("Twice."), script.answer("Thrice.")) as double,
        openai.OpenAI(base_url=f"{ci.url}/v1", api_key=ci.key, max_retries=0) as of_openai,
        anthropic.Anthropic(base_url=ci.url, api_key=ci.key, max_retries=0) as of_anthropic,
    ):
        said, streamed, messages = [], [], []
        for _ in range(2):
            whole = of_openai.chat.completions.create(
                model="task:talk", messages=HELLO, extra_headers={"Idempotency-Key": "whole"}
            )
            said.append(whole.choices[0].message.content)
            with of_openai.chat.completions.create(
                model="task:talk", messages=HELLO, stream=True, extra_headers={"Idempotency-Key": "streamed"}
            ) as stream:
                streamed.append("".join(each.choices[0].delta.content or "" for each in stream if each.choices))
            message = of_anthropic.messages.create(
                model="task:talk", max_tokens=20, messages=HELLO, extra_headers={"Idempotency-Key": "message"}
            )
            messages.append(message.content[0].text)
        assert len(double.requests) == 3
    assert (said, streamed, messages) == (["Once."] * 2, ["Twice."] * 2, ["Thrice."] * 2)


def test_while_the_call_runs_the_same_request_is_told_to_come_back(ci: Client) -> None:
    with provider(then=script.answer(delay_s=1.5)) as double, ThreadPoolExecutor() as pool:
        asking = {door: pool.submit(ci.ask, door, door) for door in DOORS}
        until(lambda: len(double.requests) == len(DOORS))
        meanwhile = {door: ci.ask(door, door) for door in DOORS}
        first = {door: each.result() for door, each in asking.items()}
        for door, each in meanwhile.items():
            assert (each.status, each.code) == (409, "call_in_progress"), door
            assert each.headers["retry-after"] == "1"
            assert "x-should-retry" not in each.headers
            assert each.headers["content-type"] == "application/json"
            assert each.headers["x-cortex-request-id"] == first[door].headers["x-cortex-request-id"]
            assert ci.ask(door, door).content == first[door].content
        assert len(double.requests) == len(DOORS)


def test_an_sdk_that_asks_again_by_itself_gets_the_answer_of_the_call_that_runs(ci: Client) -> None:
    with (
        provider(script.answer("Once.", delay_s=1.5)) as double,
        ThreadPoolExecutor() as pool,
        openai.OpenAI(base_url=f"{ci.url}/v1", api_key=ci.key, max_retries=5) as sdk,
    ):
        asking = [
            pool.submit(
                sdk.chat.completions.create,
                model="task:talk",
                messages=HELLO,
                extra_headers={"Idempotency-Key": "k"},
            )
            for _ in range(3)
        ]
        assert {each.result().choices[0].message.content for each in asking} == {"Once."}
        assert len(double.requests) == 1


def test_another_request_under_the_same_key_is_refused(ci: Client) -> None:
    with provider() as double:
        for door in DOORS:
            assert ci.ask(door, door).status == 200
            other = ci.ask(door, door, {"temperature": 0.5})
            assert (other.status, other.code) == (422, "idempotency_key_reused")
            assert other.headers["x-should-retry"] == "false"
        assert ci.ask("responses", "chat").status == 422
        assert len(double.requests) == len(DOORS)


def test_a_header_that_decides_the_call_is_part_of_the_request(ci: Client) -> None:
    with provider() as double:
        assert ci.ask("chat").status == 200
        for name, value in (("Task", "talk"), ("Override", "second:two"), ("Background", "1"), ("Project", "x")):
            assert ci.ask("chat", **{f"X_Cortex_{name}": value}).status == 422
        assert ci.ask("chat", OpenAI_Beta="x").status == 422
        assert ci.ask("chat", User_Agent="another", X_Stainless_Retry_Count="1", X_Cortex_Session="s").is_replayed
        assert len(double.requests) == 1


def test_another_clients_same_key_is_another_call(ci: Client) -> None:
    other = Client(ci.url, clients.create_key("other", by=SYSTEM).key)
    second = Client(ci.url, clients.create_key("ci", by=SYSTEM).key)
    with provider(*(script.answer(each) for each in ("One.", "Two.", "Three."))) as double:
        answers = [each.ask("chat") for each in (ci, other, second)]
        assert len(double.requests) == 3
        assert [each.is_replayed for each in answers] == [False] * 3
        assert [each.ask("chat").content for each in (ci, other, second)] == [each.content for each in answers]


def test_a_revoked_key_gets_no_answer_of_before(ci: Client) -> None:
    with provider():
        assert ci.ask("native").status == 200
        clients.revoke_key(ci.key[:7], by=SYSTEM)
        snapshot.load_now()
        for door in DOORS:
            refused = ci.ask(door)
            assert (refused.status, refused.is_replayed) == (401, False)
    assert ci.ask("native").headers["www-authenticate"].startswith("Bearer")


def test_what_is_kept_can_be_read_by_nobody_but_the_client(ci: Client, folder: Path) -> None:
    with provider(*[script.answer(f"answer {CANARY}")] * 2):
        for stream in (False, True):
            heard = ci.ask("chat", f"k-{stream}", {"messages": [{"role": "user", "content": CANARY}], "stream": stream})
            assert CANARY.encode() in heard.content
    rows = StringIO()
    call_command("dumpdata", "routing.idempotencyclaim", stdout=rows)
    assert "k-True" in rows.getvalue()
    kept = list(IdempotencyClaim.objects.values_list("replay", flat=True))
    assert all(kept)
    stored = rows.getvalue().encode() + b"".join(bytes(each) for each in kept)
    recorder.close()
    stored += b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    for trace in (CANARY, "assistant", "data: ", ci.key):
        assert trace.encode() not in stored


def test_a_guess_at_the_prompt_is_not_confirmed_by_what_is_stored(ci: Client) -> None:
    other = Client(ci.url, clients.create_key("other", by=SYSTEM).key)
    with provider():
        ci.ask("native")
        other.ask("native")
    one, two = IdempotencyClaim.objects.values_list("body_mac", flat=True)
    assert one != two


def test_a_replay_that_was_tampered_with_is_not_served(ci: Client) -> None:
    with provider() as double:
        ci.ask("native", "a")
        ci.ask("native", "b")
        a, b = IdempotencyClaim.objects.order_by("idempotency_key")
        IdempotencyClaim.objects.filter(pk=a.pk).update(replay=bytes(b.replay))
        heard = ci.ask("native", "a")
        assert (heard.status, heard.code, len(double.requests)) == (409, "replay_not_kept", 2)


def test_an_answer_that_is_too_large_to_keep_is_told_to_be_done(ci: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "KEPT_BYTES", 50)
    with provider() as double:
        first = ci.ask("messages")
        again = ci.ask("messages")
        assert len(double.requests) == 1
    assert (first.status, again.status, again.code) == (200, 409, "replay_not_kept")
    assert first.headers["x-cortex-request-id"] in again.content.decode()
    assert again.headers["x-should-retry"] == "false"


SAYS_NO = {400: script.error(400, "invalid_request_error", "", "No."), 404: script.error(404), 422: script.error(422)}
DID_NOTHING = (
    (script.rate_limited(), script.rate_limited()),
    (script.error(503), script.error(529)),
    (script.error(500), script.error(500)),
)
MAY_HAVE_WORKED = (
    *(script.stalls(before_headers=True), script.disconnects(before_headers=True), script.disconnects(20)),
    *(script.malformed(), script.cut_short()),
)


def test_a_providers_no_to_the_request_is_replayed(ci: Client) -> None:
    for kind in KINDS:
        with provider(*SAYS_NO.values(), kind=kind) as double:
            for number, status in enumerate(SAYS_NO):
                first, again = (ci.ask("chat", f"{kind}-{status}") for _ in range(2))
                assert len(double.requests) == number + 1
                assert (first.status, first.is_replayed) == (status, False)
                assert (again.status, again.is_replayed, again.content) == (status, True, first.content)


def test_a_call_for_which_no_provider_worked_may_be_made_again(ci: Client) -> None:
    for kind in KINDS:
        first, second = zip(*DID_NOTHING, strict=True)
        with provider(kind=kind, other=second) as double:
            for number, act in enumerate(first):
                double.will(act)
                assert ci.ask("chat", f"{kind}-{number}").status >= 429
                assert not IdempotencyClaim.objects.filter(idempotency_key=f"{kind}-{number}").exists()
                circuits.reset(by=SYSTEM)
                snapshot.load_now()
                assert ci.ask("chat", f"{kind}-{number}").status == 200
                assert len(double.requests) == 2 * number + 2


def test_a_call_that_reached_nobody_may_be_made_again(ci: Client) -> None:
    for kind in KINDS:
        publish([(kind, "http://127.0.0.1:1"), (OPENAI if kind is ANTHROPIC else ANTHROPIC, "http://127.0.0.1:1")])
        snapshot.load_now()
        assert ci.ask("chat").status == 502
        assert not IdempotencyClaim.objects.exists()


def test_a_failure_that_a_provider_may_want_money_for_is_replayed(ci: Client) -> None:
    for kind in KINDS:
        with provider(*MAY_HAVE_WORKED, kind=kind, steps=["first:one"], timeouts=SHORT) as double:
            for number, act in enumerate(MAY_HAVE_WORKED):
                first, again = (ci.ask("chat", f"{kind}-{number}", {"max_tokens": 1}) for _ in range(2))
                assert len(double.requests) == number + 1, act
                assert first.status in (502, 504)
                assert (again.status, again.content, again.is_replayed) == (first.status, first.content, True)
                circuits.reset(by=SYSTEM)


def test_a_stream_that_breaks_is_replayed_as_far_as_it_came(ci: Client) -> None:
    with provider(script.disconnects(4)) as double:
        first, again = (ci.ask("messages", more={"stream": True}) for _ in range(2))
        assert len(double.requests) == 1
    assert b"event: error" in first.content
    assert (again.content, again.is_replayed) == (first.content, True)


def test_what_cortex_itself_refuses_leaves_the_key_free(ci: Client) -> None:
    with provider() as double:
        for door in DOORS:
            for wrong in (b'{"model": 1}', b"{", b"[]"):
                assert 400 <= ci.post(DOORS[door][0], wrong, door).status < 500
            assert ci.ask(door, door).status == 200
        assert len(double.requests) == len(DOORS)


def test_the_answer_waits_for_a_client_that_went_away(ci: Client) -> None:
    def leave(number: int) -> None:
        path, body = DOORS[WAYS[number][0]]
        with pytest.raises(TimeoutError):
            ci.post(path, {**body, **WAYS[number][1]}, f"k-{number}", timeout=0.5)

    with provider(then=script.answer("Once.", delay_s=1.5)) as double, ThreadPoolExecutor(len(WAYS)) as pool:
        list(pool.map(leave, range(len(WAYS))))
        for number, (door, more) in enumerate(WAYS):
            heard = until(lambda: found if (found := ci.ask(door, f"k-{number}", more)).status != 409 else None)  # noqa: B023
            assert (heard.status, heard.is_replayed) == (200, True)
            assert b"Once." in heard.content
        assert (len(double.requests), double.cancelled) == (len(WAYS), 0)


def test_a_day_later_the_key_is_free(ci: Client, folder: Path) -> None:
    with provider() as double:
        first = ci.ask("native")
        claim = IdempotencyClaim.objects.get()
        assert abs(claim.expires_at - timezone.now() - timedelta(hours=24)) < timedelta(minutes=1)
        assert [each for each in (folder / "claims" / "taken").rglob("*") if each.is_file()]
        a_day_passes(folder)
        assert not ci.ask("native").is_replayed
        assert len(double.requests) == 2
        again = ci.ask("native")
        assert again.is_replayed
        assert again.content != first.content


def test_a_day_later_nothing_is_left_of_a_claim(ci: Client, folder: Path) -> None:
    with provider():
        ci.ask("native")
    tasks.drop_expired()
    assert IdempotencyClaim.objects.count() == 1
    a_day_passes(folder)
    tasks.drop_expired()
    assert IdempotencyClaim.objects.count() == 0
    assert not [each for each in (folder / "claims" / "taken").rglob("*") if each.is_file()]


def a_day_passes(folder: Path) -> None:
    IdempotencyClaim.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    for path in (folder / "claims").rglob("*"):
        if path.is_file():
            os.utime(path, (0, 0))


def test_without_the_header_nothing_is_claimed_asked_or_stored(ci: Client, folder: Path) -> None:
    with provider() as double, CaptureQueriesContext(connection) as queries:
        for door in DOORS:
            assert ci.ask(door, None).status == 200
            assert ci.ask(door, None).status == 200
        assert len(double.requests) == 8
    assert len(queries) == 0
    assert threads._pool is None
    assert not (folder / "claims").exists()
    assert not IdempotencyClaim.objects.exists()


def test_the_header_stays_here(ci: Client) -> None:
    for kind in KINDS:
        with provider(kind=kind) as double:
            for door in DOORS:
                assert ci.ask(door, f"{kind}-{door}").status == 200
            assert len(double.requests) == len(DOORS)
            assert not [seen for seen in double.requests if "idempotency-key" in seen.headers]


def test_eight_at_once_are_one_call(ci: Client) -> None:
    with provider(then=script.answer(delay_s=0.2)) as double, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ci.ask("chat"), range(8)))
        assert {each.status for each in answers} <= {200, 409}
        assert len({each.content for each in answers if each.status == 200}) == 1
        assert ci.ask("chat").is_replayed
        assert len(double.requests) == 1
