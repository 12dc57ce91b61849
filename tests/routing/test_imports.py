"""Files of calls become rows, whole or not at all, and once.

Over 300 lines: three forms of file go through the same tables of good and bad rows.
"""

import gzip
import io
import json
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routing import imports, records
from routing.imports import Refused, load
from routing.imports.columns import ALL
from routing.models import (
    Attempt,
    Call,
    ImportFile,
    JobRun,
    Label,
    Model,
    Provider,
    Revision,
    Route,
    TaskType,
    WorkItem,
)
from routing.records import Filters
from routing.terms.ids import item_of
from tests.routing.files import USUAL, csv_of, imported, row

pytestmark = pytest.mark.django_db


def counts() -> tuple[int, int, int, int]:
    return Call.objects.count(), Attempt.objects.count(), WorkItem.objects.count(), Label.objects.count()


def test_a_line_becomes_a_call_an_attempt_a_work_item_and_a_label() -> None:
    done = imported(row(request_id="a-1", session="s", client="ci", size="777"))
    assert (done.added, done.bad, done.written) == (1, 0, True)
    call, attempt, item, label = (model.objects.get() for model in (Call, Attempt, WorkItem, Label))
    assert (call.external_id, call.imported, call.status, call.size, call.drawn) == ("a-1", True, "ok", 777, True)
    assert (attempt.provider, attempt.model, attempt.cost_usd, attempt.success) == (
        "acme",
        "small",
        Decimal("0.0015"),
        True,
    )
    assert (item.id, item.model, item.propensity, item.shares) == (item_of("triage", "ci", "s"), "acme:small", 0.9, "")
    assert (label.source, label.verdict, label.observed_at) == (
        "import",
        "good",
        datetime(2026, 11, 20, 10, tzinfo=UTC),
    )
    assert call.id.version == 7


def test_the_same_file_twice_is_the_same_rows() -> None:
    lines = [row(), row(success=""), row(success="0", session="s"), row(success="1", session="s")]
    first = imported(*lines)
    before = (counts(), list(Attempt.objects.order_by("call_id").values()))
    again = imported(*lines)
    assert (first.added, again.added, again.unchanged, again.updated) == (4, 0, 4, 0)
    assert (counts(), list(Attempt.objects.order_by("call_id").values())) == before
    assert ImportFile.objects.count() == 2


def test_a_blank_success_is_not_drawn_and_may_be_filled_later() -> None:
    line = row(request_id="late", success="")
    imported(line)
    assert WorkItem.objects.get().drawn is False
    assert not Label.objects.exists()
    JobRun.objects.create(job="nightly", key="2026-11-20")
    done = imported({**line, "success": "0"})
    assert (done.added, done.updated, done.unchanged) == (0, 1, 0)
    assert (WorkItem.objects.get().drawn, Label.objects.get().verdict) == (True, "bad")
    assert JobRun.objects.get().dirty

    assert imported(line).unchanged == 1  # the older file again takes nothing away
    assert Label.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"cost_usd": "0.0016"}, "cost_usd: is 0.0016000000 here, and 0.0015000000 in the "),
        ({"cost_usd": ""}, "cost_usd: is blank here"),
        ({"success": "0"}, "success: is the opposite"),
        ({"model": "big"}, "model: is big here, and small"),
        ({"ts": "2026-11-20T10:00:01Z"}, "ts: is "),
        ({"task_type": "other"}, "task_type: is other here, and triage"),
        ({"session": "s"}, "session: is s here"),
        ({"propensity": "0.8"}, "propensity: is 0.8 here, and 0.9"),
        ({"size": "5"}, "size: is 5 here, and 900"),
        ({"status": "error", "error_kind": "timeout"}, "status: is error here, and ok"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("where", ["in one file", "in two"])
def test_the_same_key_with_other_values_is_a_bad_line(changes: dict[str, str], reason: str, where: str) -> None:
    line, other = row(request_id="k"), row(**{"request_id": "k", **changes})
    if where == "in two":
        imported(line)
        done = imported(other)
    else:
        if "size" in changes:  # within a file a size that is said differs from one that is not
            line["size"] = "900"
        if "status" in changes:
            line["status"] = "ok"
        done = imported(line, other)
    assert done.written is False
    assert [bad.line for bad in done.errors] == [2 if where == "in two" else 3]
    assert done.errors[0].reason.startswith(reason)


BAD = {
    "no zone": ({"ts": "2026-11-20T10:00:00"}, "ts: '2026-11-20T10:00:00' has no zone"),
    "no time": ({"ts": "yesterday"}, "ts: 'yesterday' is not an ISO 8601 time"),
    "blank time": ({"ts": ""}, "ts: is blank"),
    "too early": ({"ts": "1969-01-01T00:00:00Z"}, "is before 2015"),
    "in the future": ({"ts": "2999-01-01T00:00:00Z"}, "or in the future"),
    "blank task": ({"task_type": ""}, "task_type: is blank"),
    "task of signs": ({"task_type": "!!"}, "has no letter or digit"),
    "long task": ({"task_type": "x" * 121}, "task_type: is longer than 120"),
    "blank model": ({"model": ""}, "model: is blank"),
    "colon": ({"provider": "a:b"}, "provider: 'a:b' has a colon"),
    "role": ({"role": "main"}, "role: 'main' is none of primary, fallback"),
    "propensity 0": ({"propensity": "0"}, "propensity: '0' is not a probability"),
    "propensity 2": ({"propensity": "2"}, "propensity: '2' is not a probability"),
    "nan": ({"propensity": "nan"}, "propensity: 'nan' is not a number"),
    "negative tokens": ({"input_tokens": "-1"}, "input_tokens: '-1' is not a number from 0 on"),
    "half a token": ({"output_tokens": "1.5"}, "output_tokens: '1.5' is not a whole number"),
    "huge tokens": ({"input_tokens": "9" * 30}, "input_tokens: '99999"),
    "5,000 digits": ({"input_tokens": "9" * 5000}, "input_tokens: '99999"),
    "infinite time": ({"total_ms": "Infinity"}, "total_ms: 'Infinity' is not a number"),
    "words": ({"ttft_ms": "fast"}, "ttft_ms: 'fast' is not a number"),
    "maybe": ({"success": "maybe"}, "success: 'maybe' is not 1, 0 or blank"),
    "free money": ({"cost_usd": "-0.01"}, "cost_usd: '-0.01' is not a number from 0 on"),
    "dear": ({"cost_usd": "1e12"}, "cost_usd: '1e12' is more than a call can cost"),
    "no name": ({"request_id": ""}, "request_id: is blank"),
    "long name": ({"request_id": "r" * 201}, "request_id: is longer than 200"),
    "control": ({"session": "a\x07b"}, "session: is longer than 200 characters, or has one that cannot be printed"),
    "nul": ({"client": "a\x00"}, "client: is longer than 120 characters, or has one that cannot be printed"),
    "attempt 0": ({"attempt": "0"}, "attempt: is not a number from 1 to 1000"),
    "blank attempt": ({"attempt": ""}, "attempt: is not a number from 1 to 1000"),
    "status": ({"status": "fine"}, "status: 'fine' is none of ok, error"),
    "error kind": ({"error_kind": "oops"}, "error_kind: 'oops' is none of connect"),
    "simulated": ({"simulated": "2"}, "simulated: '2' is not 1, 0 or blank"),
    "estimated": ({"estimated": "maybe"}, "estimated: 'maybe' is not 1, 0 or blank"),
    "searches": ({"searches": "-1"}, "searches: '-1' is not a number from 0 on"),
    "cached": ({"cache_read_tokens": "half"}, "cache_read_tokens: 'half' is not a number"),
    "service tier": ({"service_tier": "x" * 25}, "service_tier: is longer than 24 characters"),
}


@pytest.mark.parametrize(("changes", "reason"), BAD.values(), ids=BAD)
def test_a_bad_line_is_named_and_keeps_the_whole_file_out(changes: dict[str, str], reason: str) -> None:
    done = imported(row(), row(**changes), row())
    assert (done.written, done.bad, done.lines) == (False, 1, 3)
    assert done.errors[0].line == 3
    assert reason in done.errors[0].reason
    assert counts() == (0, 0, 0, 0)
    assert not Provider.objects.exists()
    assert not Revision.objects.exists()
    assert not ImportFile.objects.exists()


def test_good_lines_are_kept_only_when_asked() -> None:
    done = imported(row(), row(ts="never"), row(), skip_bad=True)
    assert (done.written, done.added, done.bad) == (True, 2, 1)
    assert ImportFile.objects.get().bad == 1


def test_every_bad_line_is_counted_and_the_first_hundred_named() -> None:
    done = imported(*(row(ts="never") for _ in range(150)))
    assert (done.bad, len(done.errors)) == (150, 100)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("", "is empty"),
        ("ts,task_type", "the column 'provider' is missing"),
        (",".join(ALL).replace("session", "sesion"), "there is no column 'sesion'; is it 'session'?"),
        (",".join([*ALL, "ts"]), "the column 'ts' stands twice"),
    ],
    ids=["empty", "missing", "unknown", "twice"],
)
def test_a_header_that_does_not_fit_is_refused_with_what_is_wrong(header: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason.replace("?", r"\?")):
        load(io.BytesIO(header.encode()), "x.csv")


def test_broken_records_are_bad_lines_and_not_the_end() -> None:
    good = csv_of(row(), row())
    header, first, second = good.splitlines()
    content = b"\r\n".join([header, first, b"1,2,3", b"", b'"x"y,', second])
    done = load(io.BytesIO(content), "x.csv", skip_bad=True)
    assert done.added == 2
    assert [(bad.line, bad.reason[:12]) for bad in done.errors] == [(3, "has 3 cells;"), (5, "not CSV: ','")]


def test_bytes_that_are_not_utf8_make_their_line_bad() -> None:
    content = csv_of(row(session="caf\u00e9"), row()).decode().encode("latin-1")
    done = load(io.BytesIO(content), "x.csv")
    assert (done.bad, done.errors[0].line) == (1, 2)
    assert done.errors[0].reason.startswith("session:")


@pytest.mark.parametrize("dress", ["plain", "bom", "crlf", "gzip", "quoted", "ndjson", "ndjson gzip"])
def test_all_dresses_of_a_file_are_the_same_rows(dress: str) -> None:
    lines = [row(request_id="d1", session='a, "b"\u00e9'), row(request_id="d2", success="", cost_usd="")]
    content = csv_of(*lines)
    name = "calls.csv"
    if "ndjson" in dress:
        content = b"\n".join(
            json.dumps({name: value or None for name, value in line.items()}).encode() for line in lines
        )
        name = "calls.jsonl"
    if dress == "bom":
        content = b"\xef\xbb\xbf" + content
    if dress == "crlf":
        content = content.replace(b"\n", b"\r\n")
    if dress == "quoted":
        content = b"\n".join(
            b",".join(b'"' + cell + b'"' for cell in line.split(b",")) for line in content.splitlines()[::2]
        )
        lines = lines[1:]
    if "gzip" in dress:
        content, name = gzip.compress(content), name + ".gz"
    assert load(io.BytesIO(content), name).added == len(lines)
    last = Call.objects.get(external_id="d2")
    assert (last.cost_usd, last.drawn) == (None, False)
    if len(lines) == 2:
        assert Call.objects.get(external_id="d1").session == 'a, "b"\u00e9'


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (json.dumps({**USUAL, "request_id": "x", "cost_usd": float("nan")}), "cost_usd: 'NaN' is not a number"),
        ("[1]", "not a JSON object"),
        ("{", "not JSON"),
        ('{"ts": {}}', "ts: is not a plain value"),
        ('{"sucess": 1}', "there is no column 'sucess'; is it 'success'?"),
        ('{"ts": 1, "ts": 2}', "a name stands twice"),
        ('{"ts": ' + "[" * 5000 + "]" * 5000 + "}", ""),
    ],
    ids=["nan", "array", "torn", "object", "unknown", "twice", "deep"],
)
def test_a_bad_ndjson_line_is_named(line: str, reason: str) -> None:
    done = load(io.BytesIO(f"\n{line}\n".encode()), "x.ndjson")
    assert [bad.line for bad in done.errors] == [2]
    assert reason in done.errors[0].reason


def test_a_gzip_that_is_torn_or_too_large_is_refused() -> None:
    packed = gzip.compress(csv_of(*(row() for _ in range(200))))
    with pytest.raises(Refused, match="broken"):
        load(io.BytesIO(packed[:-20]), "x.csv.gz")
    bomb = gzip.compress(b"," * 1_000_000)
    with pytest.raises(Refused, match="larger than"):
        load(io.BytesIO(bomb), "x.csv.gz", limit_bytes=10_000)
    with pytest.raises(Refused, match="no log of calls"):
        load(io.BytesIO(bomb), "x.csv.gz")
    assert counts() == (0, 0, 0, 0)


def test_attempts_of_one_request_are_one_call() -> None:
    done = imported(
        row(request_id="f", status="error", error_kind="timeout", success="", cost_usd="0.001", total_ms="30000"),
        row(request_id="f", attempt="2", model="big", role="fallback", propensity="", success="1", cost_usd="0.002",
            ts="2026-11-20T10:00:31Z", total_ms="1000"),
    )  # fmt: skip
    assert done.added == 2
    call = Call.objects.get()
    assert (call.attempts_count, call.status, call.served_model, call.used_fallback) == (2, "ok", "acme:big", True)
    assert (call.cost_usd, call.total_ms) == (Decimal("0.003"), 32_000)  # from the first start to the last end
    item = WorkItem.objects.get()
    assert (item.model, item.first_error, item.role) == ("acme:small", "timeout", "primary")
    assert Label.objects.get().verdict == "good"


def test_an_attempt_that_another_followed_had_failed() -> None:
    imported(
        row(request_id="f", success=""), row(request_id="f", attempt="2", role="fallback", propensity="", success="")
    )
    assert [(one.status, one.error_kind) for one in Attempt.objects.order_by("attempt")] == [
        ("error", "server"),
        ("ok", ""),
    ]


@pytest.mark.parametrize("order", [("1", "2"), ("2", "1")], ids=["in order", "reversed"])
def test_attempts_may_come_in_several_files(order: tuple[str, str]) -> None:
    lines = {
        "1": row(request_id="f", status="error", error_kind="server", success="", cost_usd="0.001"),
        "2": row(request_id="f", attempt="2", model="big", role="fallback", propensity="", ts="2026-11-20T10:00:02Z"),
    }
    for number in order:
        assert imported(lines[number]).added == 1
    call, item = Call.objects.get(), WorkItem.objects.get()
    assert (call.attempts_count, call.served_model, call.cost_usd) == (2, "acme:big", Decimal("0.0025"))
    assert (call.role, item.model, item.first_status) == ("primary", "acme:small", "error")
    assert Label.objects.count() == 1
    assert imported(*lines.values()).unchanged == 2


def test_attempts_of_one_request_do_one_task() -> None:
    done = imported(row(request_id="f"), row(request_id="f", attempt="2", task_type="other"))
    assert done.errors[0].line == 3
    assert "task_type: is other here, and triage in the first attempt" in done.errors[0].reason


def test_what_nobody_knew_is_added_and_does_not_dispatch() -> None:
    done = imported(
        row(task_type="Bug Triage", model="Qwen/Qwen3-235B A22B", ts="2026-11-19T10:00:00Z"),
        row(task_type="Bug Triage", model="newer"),
        row(task_type="Bug Triage", model="tried", role="explore", propensity="0.1", ts="2026-11-21T10:00:00Z"),
    )
    assert done.revision == Revision.objects.get().number
    assert Provider.objects.get().imported
    assert not Provider.objects.get().enabled
    names = Model.objects.order_by("slug").values_list("slug", "name", "imported", "enabled")
    assert list(names) == [
        ("newer", "newer", True, False),
        ("qwen/qwen3-235b-a22b", "Qwen/Qwen3-235B A22B", True, False),
        ("tried", "tried", True, False),
    ]
    assert TaskType.objects.get().slug == "bug-triage"
    assert [step.model.slug for step in Route.objects.get().steps.all()] == ["newer"]  # its latest primary row's
    assert imported(row(task_type="bug-triage", model="newer")).revision is None


def test_aliases_of_the_table_are_understood() -> None:
    imported(row(task_type="triage", model="small"))
    TaskType.objects.update(aliases=["sorting"])
    Model.objects.update(aliases=["tiny"])
    done = imported(row(task_type="Sorting", model="tiny"))
    assert done.revision is None
    assert set(Attempt.objects.values_list("model", flat=True)) == {"small"}
    assert set(Call.objects.values_list("task_type", flat=True)) == {"triage"}


def test_calls_of_a_session_are_one_item_of_its_first_call() -> None:
    imported(
        row(session="s", client="ci", success="", ts="2026-11-20T11:00:00Z", model="big"),
        row(session="s", client="ci", success="1", ts="2026-11-20T10:00:00Z"),
        row(session="s", client="other"),
    )
    assert WorkItem.objects.count() == 2
    item = WorkItem.objects.get(client="ci")
    assert (item.model, item.drawn) == ("acme:small", True)


def test_simulated_rows_are_marked_as_such() -> None:
    imported(row(), row(simulated="0"), simulated=True)
    assert sorted(WorkItem.objects.values_list("simulated", flat=True)) == [False, True]


def test_what_a_cost_is_made_of_may_be_told_and_a_blank_contradicts_nothing() -> None:
    parts = {
        "cache_read_tokens": "800",
        "cache_write_1h_tokens": "50",
        "searches": "2",
        "service_tier": "flex",
        "estimated": "1",
    }
    line = row(**parts)
    imported(line)
    found = Attempt.objects.get()
    assert (found.cache_read_tokens, found.cache_write_tokens, found.cache_write_1h_tokens) == (800, None, 50)
    assert (found.searches, found.service_tier, found.estimated, found.rates) == (2, "flex", True, "")
    assert imported({**line, **dict.fromkeys(parts, "")}).unchanged == 1
    (bad,) = imported({**line, "searches": "3"}).errors
    assert "searches: is 3 here, and 2 in the row that is there" in bad.reason


def test_late_rows_make_their_nights_dirty() -> None:
    for night in ("2026-11-19", "2026-11-20", "2026-11-21"):
        JobRun.objects.create(job="nightly", key=night)
    imported(row())
    assert set(JobRun.objects.filter(dirty=True).values_list("key", flat=True)) == {"2026-11-20", "2026-11-21"}


@pytest.mark.django_db(transaction=True)
def test_one_file_in_parallel_is_imported_once() -> None:
    content = csv_of(*(row() for _ in range(50)))
    done: list[imports.Imported] = []

    def bring() -> None:
        try:
            done.append(load(io.BytesIO(content), "x.csv"))
        finally:
            connection.close()

    threads = [threading.Thread(target=bring) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.added for one in done) == [0, 0, 50]
    assert counts() == (50, 50, 50, 50)


LOG = """# Performance

| Date | Task type | Provider + model used | Input / output tokens | TTFT | Total time | Success? | Cost estimate | Notes |
|:-----|-----------|---|---|--:|---|---|---|---|
| 2026-02-03 | Meeting summary | anthropic / haiku | 1,200 / 300 | 0.8 s | 4.1s | no | $0.0031 | missed \\| the owner |
| 2026-02-03 | Meeting summary | anthropic / haiku | 1,200 / 300 | 0.8 s | 4.1s | no | $0.0031 | the same again |
| 2026-02-04T09:30:00+01:00 | vibe_coding | openai: codex | 5000 / 900 | | 12 s | **yes** | ~$0.04 | |
| 2026-02-05 | classification | anthropic / haiku | 100 / 5 | 350 ms | 400 | – | — | not judged |

| Model | Strength |
|---|---|
| haiku | fast |
"""


def test_the_seeds_log_is_read_as_people_write_it() -> None:
    done = load(io.BytesIO(LOG.encode()), "model-performance.md")
    assert (done.form, done.added, done.bad, done.errors) == ("markdown", 4, 0, ())
    rows = list(
        Attempt.objects.order_by("started_at", "call_id").values_list(
            "provider", "model", "input_tokens", "output_tokens", "ttft_ms", "total_ms", "success", "cost_usd"
        )
    )
    haiku = ("anthropic", "haiku", 1200, 300, 800, 4100, False, Decimal("0.0031"))
    assert rows == [
        haiku,
        haiku,
        ("openai", "codex", 5000, 900, None, 12_000, True, Decimal("0.04")),
        ("anthropic", "haiku", 100, 5, 350, 400, None, None),
    ]
    assert set(Call.objects.values_list("task_type", flat=True)) == {"meeting_summary", "vibe_coding", "classification"}
    assert Call.objects.get(task_type="classification").drawn is False


def test_a_log_that_has_grown_adds_its_new_rows_alone() -> None:
    load(io.BytesIO(LOG.encode()), "log.md")
    line = "| 2026-02-03 | Meeting summary | anthropic / haiku | 1,200 / 300 | 0.8 s | 4.1s | no | $0.0031 | third |\n"
    grown = LOG.replace("| 2026-02-04T", line + "| 2026-02-04T").replace("| – | — | not", "| yes | — | now")
    done = load(io.BytesIO(grown.encode()), "log.md")
    assert (done.added, done.updated, done.unchanged) == (1, 1, 3)


def test_a_log_line_keeps_the_name_that_it_always_had() -> None:
    # The name is a hash of the line: were it another in a newer version, a log that is imported again would count twice.
    log = "| date | task | provider | model | success |\n|---|---|---|---|---|\n| 2026-02-03 | triage | acme | small | yes |\n"
    load(io.BytesIO(log.encode()), "log.md")
    assert Call.objects.get().external_id == "log-b65e83dcc7dabc52e8574c76-1"


def test_a_log_that_names_no_provider_takes_the_one_that_has_the_model() -> None:
    imported(row(provider="acme", model="solo"))
    log = "| date | task | model | success |\n|---|---|---|---|\n| 2026-02-03 | triage | solo | yes |\n| 2026-02-03 | triage | nobody | no |\n"
    done = load(io.BytesIO(log.encode()), "log.md", skip_bad=True)
    assert done.added == 1
    assert [(bad.line, bad.reason) for bad in done.errors] == [
        (4, "provider: not said, and no single provider has the model 'nobody'")
    ]


AUTUMN = datetime(2026, 9, 1, tzinfo=UTC)
texts = st.text(
    st.characters(exclude_categories=["C", "Z"], include_characters=" ,\"'=+-@;"), min_size=1, max_size=20
).map(str.strip)
lines = st.fixed_dictionaries(
    {
        "ts": st.integers(0, 60 * 86_400 * 10**6).map(lambda us: (AUTUMN + timedelta(microseconds=us)).isoformat()),
        "task_type": st.sampled_from(["a", "b/c"]),
        "provider": st.sampled_from(["p", "q"]),
        "model": st.sampled_from(["m", "m:2"]),
        "role": st.sampled_from(["primary", "explore", "fallback", "observed"]),
        "propensity": st.one_of(st.just(""), st.floats(0.001, 1).map(repr)),
        "input_tokens": st.one_of(st.just(""), st.integers(0, 2**31 - 1).map(str)),
        "output_tokens": st.one_of(st.just(""), st.integers(0, 10**6).map(str)),
        "ttft_ms": st.one_of(st.just(""), st.integers(0, 10**6).map(str)),
        "total_ms": st.one_of(st.just(""), st.integers(0, 10**6).map(str)),
        "success": st.sampled_from(["", "0", "1"]),
        "cost_usd": st.one_of(st.just(""), st.decimals(0, 9_999, places=10).map(str)),
        "session": st.one_of(st.just(""), texts),
        "client": st.one_of(st.just(""), texts),
        "status": st.sampled_from(["ok", "error", "cancelled", "unknown"]),
        "error_kind": st.just(""),
        "simulated": st.sampled_from(["0", "1"]),
        "cache_read_tokens": st.one_of(st.just(""), st.integers(0, 10**6).map(str)),
        "reasoning_tokens": st.one_of(st.just(""), st.integers(0, 10**6).map(str)),
        "searches": st.sampled_from(["", "0", "3"]),
        "service_tier": st.sampled_from(["", "flex", "=batch"]),
        "estimated": st.sampled_from(["", "0", "1"]),
    }
)


def wipe() -> None:
    for model in (Label, WorkItem, Attempt, Call):
        model.objects.all().delete()


def contents() -> list[list[tuple[Any, ...]]]:
    hidden = {"created_at", "received_at", "id"}
    tables: list[list[tuple[Any, ...]]] = []
    for model in (Call, Attempt, WorkItem, Label):
        names = [field.name for field in model._meta.concrete_fields if model is not Label or field.name not in hidden]
        tables.append(sorted(model.objects.values_list(*(name for name in names if name != "created_at")), key=repr))
    return tables


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(lines, texts), max_size=12, unique_by=lambda pair: pair[1]), st.sampled_from(["csv", "ndjson"])
)
def test_what_is_exported_and_imported_elsewhere_is_the_same_rows(
    pairs: list[tuple[dict[str, str], str]], form: str
) -> None:
    wipe()
    brought = [{**USUAL, **line, "request_id": name} for line, name in pairs if name]
    done = imported(*brought)
    assert done.errors == ()
    before = contents()
    exported = "".join(records.export(Filters(), form)).encode()
    assert load(io.BytesIO(exported), f"x.{form}").unchanged == len(brought)
    wipe()
    assert load(io.BytesIO(exported), f"x.{form}").added == len(brought)
    assert contents() == before


def test_an_export_carries_no_formula(tmp_path: Path) -> None:
    imported(row(request_id="=1+1", session="@cmd", client="-5"))
    lines = "".join(records.export(Filters(), "csv")).splitlines()
    assert ",'=1+1,1,'@cmd,900,-5," in lines[1]
    assert records.defused("'=x") == "''=x"  # what looks like ours already is told apart


def test_the_planner_is_told_of_a_large_import_at_once() -> None:
    """Else a night run right after it goes by what autovacuum saw before, and takes minutes for seconds."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE routing_workitem")
        imported(*(row(request_id=f"r-{number}") for number in range(1_000)))
        cursor.execute("SELECT reltuples FROM pg_class WHERE relname = 'routing_workitem'")
        assert cursor.fetchone() == (1_000,)
