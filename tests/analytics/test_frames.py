"""What a night's rows become: held against the pure functions, and the closing rule case by case."""

import datetime as dt
import random

import pandas as pd
import pytest
from django.db import transaction

from analytics import frames
from analytics.columns import BLOCK_COUNTS, BLOCK_KEYS, BLOCKS, CALLS
from analytics.models import Block
from analytics.statements import FAULTS
from analytics.stats.blocks import fold
from analytics.stats.items import from_calls
from routing.models import Call, Label, TaskType, WorkItem
from tests.analytics.rows import NIGHT, World, at

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)


def run_nights(first: dt.date, count: int) -> None:
    for days in range(count):
        with transaction.atomic(), frames.stage(first + days * DAY) as cursor:
            frames.fold(cursor, first + days * DAY)


def calls_frame() -> pd.DataFrame:
    """The tables as columns.CALLS: the plain way, call by call in Python."""
    items = {item.pk: item for item in WorkItem.objects.all()}
    said: dict[object, list[Label]] = {}
    for label in Label.objects.order_by("observed_at"):
        said.setdefault(label.item_id, []).append(label)
    rows = []
    for call in Call.objects.all():
        item = items[call.item_id]
        label = said.get(item.pk, [None])[0] if item.first_call_id == call.pk else None
        failed = item.first_error in FAULTS
        rows.append(
            {
                "task_type": call.task_type, "client": call.client, "session": call.session, "request_id": str(call.pk),
                "ts": call.started_at.replace(tzinfo=None), "definition": item.definition_version, "size": call.size,
                "shares": call.shares, "role": call.role, "propensity": call.propensity, "model": call.routed_model,
                "version": str(item.model_version), "simulated": call.simulated, "failed": failed,
                "missing": call.status != "ok" and not failed, "drawn": call.drawn,
                "label": None if label is None else float(label.verdict == "good"),
                "labelled_at": label and label.observed_at.replace(tzinfo=None),
                "cost_usd": None if call.cost_usd is None else float(call.cost_usd),
                "ttft_ms": call.ttft_ms, "total_ms": call.total_ms,
            }
        )  # fmt: skip
    return pd.DataFrame(rows).astype(CALLS)


def some_calls(world: World, seed: int, nights: int, per_night: int) -> None:
    """Sessions, faults, cancels, fallbacks, late and missing labels, unpriced and ungraded calls, two task types."""
    rng = random.Random(seed)
    for night in (NIGHT + days * DAY for days in range(nights)):
        for number in range(per_night):
            explores = rng.random() < 0.3
            status, error = rng.choices(
                [("ok", ""), ("error", "timeout"), ("error", "rate_limit"), ("cancelled", "cancelled")], [90, 4, 3, 3]
            )[0]
            item = world.call(
                night,
                seconds=rng.randrange(86_000),
                name=f"{night} {number}",
                task_type=rng.choice(["coding", "drafting"]),
                session=rng.choice(["", "", f"s{night}{rng.randrange(20)}"]),
                model="anthropic:haiku" if explores else "anthropic:sonnet",
                role=rng.choice(["explore"] if explores else ["primary", "primary", "primary", "fallback"]),
                propensity=0.3 if explores else 0.7,
                shares="anthropic:haiku=0.3|anthropic:sonnet=0.7",
                size=int(rng.lognormvariate(6, 1)),
                status=status,
                error=error,
                drawn=rng.random() < 0.9,
                cost=rng.choice([None, *[f"{rng.lognormvariate(-5, 1):.4f}"] * 20]),
                ttft_ms=rng.choice([None, rng.randrange(50, 900)]),
                total_ms=rng.randrange(100, 9000),
            )
            if rng.random() < 0.8 and not any(label.item_id == item.pk for label in world.labels):
                late = at(night, 86_399) + dt.timedelta(days=rng.choice([0, 0, 0, 1, 2, 3]))
                world.label(item, rng.random() < 0.8, late)


def test_blocks_made_in_postgresql_are_those_of_the_pure_functions() -> None:
    world, nights = World(), 10
    some_calls(world, seed=7, nights=nights, per_night=420)
    world.save()
    last = NIGHT + (nights - 1) * DAY
    run_nights(NIGHT, nights)

    # Night by night: an item's cost is that of the calls of its own night, as it was known then.
    calls = calls_frame()
    parts, yardsticks = [], {}
    for night in (NIGHT + days * DAY for days in range(nights)):
        items = from_calls(calls, horizon_days=2, until=pd.Timestamp(night))
        found, yardsticks = fold(items, yardsticks, night, night)
        parts.append(found)
    expected = pd.concat(parts).sort_values(list(BLOCK_KEYS)).reset_index(drop=True)
    expected = expected[(expected[list(BLOCK_COUNTS)] != 0).any(axis=1)].reset_index(drop=True)
    actual = frames.blocks(last).sort_values(list(BLOCK_KEYS)).reset_index(drop=True)
    actual = actual[(actual[list(BLOCK_COUNTS)] != 0).any(axis=1)].reset_index(drop=True)

    assert len(actual) > 60
    assert set(actual["bucket"]) == {0, 1, 2, 3, 4}
    assert actual["slower_p95"].sum() > 0
    pd.testing.assert_frame_equal(actual[list(BLOCKS)], expected[list(BLOCKS)], rtol=1e-9, check_column_type=False)
    assert frames.yardsticks(last) == {(task, False): one for task, one in yardsticks.items()}


CLOSING = {
    "a label on the same night": ({}, [("person", True, 0)], 0, 1),
    "a label two nights late, within the horizon": ({}, [("person", False, 2)], 2, 0),
    "a label after the horizon": ({}, [("person", True, 3)], 2, None),
    "no label": ({}, [], 2, None),
    "a provider fault is a failure at once": ({"status": "error", "error": "server"}, [("person", True, 1)], 0, 0),
    "a client error is missing": ({"status": "error", "error": "client"}, [("person", True, 0)], None, None),
    "a cancel is missing": ({"status": "cancelled", "error": "cancelled"}, [("person", True, 0)], None, None),
    "no credential is missing": ({"status": "error", "error": "config"}, [("person", False, 0)], None, None),
    "the first night decides, not the better source": ({}, [("import", False, 0), ("validators", True, 1)], 0, 0),
    "on one night the better source decides": ({}, [("import", False, 0), ("validators", True, 0)], 0, 1),
    "an agent's own word decides nothing": ({}, [("agent", True, 0), ("person", False, 1)], 1, 0),
    "a judge is no source unless the task type says so": ({}, [("judge", True, 0)], 2, None),
}


@pytest.mark.parametrize(("call", "labels", "closes_after", "success"), CLOSING.values(), ids=CLOSING.keys())
def test_an_item_closes_with_its_first_decisive_label(
    call: dict[str, str], labels: list[tuple[str, bool, int]], closes_after: int | None, success: int | None
) -> None:
    world = World()
    item = world.call(NIGHT, **call)  # type: ignore[arg-type]
    for source, good, days in labels:
        world.label(item, good, at(NIGHT + days * DAY, 50_000), source)
    world.save()
    run_nights(NIGHT, 5)
    closed = Block.objects.filter(drawn__gt=0).values_list("night", "graded", "successes")
    if closes_after is None:
        assert list(closed) == []
    else:
        expected = (0, 0) if success is None else (1, success)
        assert list(closed) == [(NIGHT + closes_after * DAY, *expected)]


def test_a_task_type_that_nobody_grades_takes_an_answer_for_a_success() -> None:
    TaskType.objects.create(slug="coding", name="Coding", success_from="transport")
    world = World()
    world.call(name="served")
    world.call(name="broken", status="error", error="malformed")
    world.save()
    run_nights(NIGHT, 1)
    row = Block.objects.get()
    assert (row.drawn, row.graded, row.successes) == (2, 2, 1)


def test_later_words_of_one_source_on_one_night_correct_the_first() -> None:
    world = World()
    item = world.call()
    world.label(item, False, at(NIGHT, 50_000))
    world.label(item, True, at(NIGHT, 50_010))
    world.save()
    run_nights(NIGHT, 1)
    assert Block.objects.get().successes == 1


def test_an_imported_explore_row_joins_the_nearest_level_of_its_night() -> None:
    world = World()
    for number, (role, model, p) in enumerate(
        [
            ("primary", "anthropic:sonnet", 0.9), ("primary", "anthropic:sonnet", 0.5),
            ("explore", "anthropic:haiku", 0.05), ("explore", "anthropic:opus", 0.05), ("explore", "anthropic:opus", 0.25),
        ]
    ):  # fmt: skip
        world.call(name=str(number), role=role, model=model, propensity=p, shares="", imported=True)
    world.save()
    run_nights(NIGHT, 1)
    # Two challengers: 1 − 2 · 0.05 = 0.9 and 1 − 2 · 0.25 = 0.5.
    rows = Block.objects.order_by("shares", "model").values_list("shares", "model", "opened")
    assert list(rows) == [
        ("imported=0.5", "anthropic:opus", 1), ("imported=0.5", "anthropic:sonnet", 1),
        ("imported=0.9", "anthropic:haiku", 1), ("imported=0.9", "anthropic:opus", 1), ("imported=0.9", "anthropic:sonnet", 1),
    ]  # fmt: skip


def test_simulated_items_never_meet_real_ones() -> None:
    world = World()
    world.call(name="real", model="anthropic:haiku")
    for number in range(3):
        world.call(name=f"simulated {number}", simulated=True)
    world.save()
    run_nights(NIGHT, 1)
    assert [row.opened for row in Block.objects.order_by("simulated")] == [1, 3]
    states = frames.yardsticks(NIGHT)
    assert [states["coding", simulated].incumbent.model for simulated in (False, True)] == [  # type: ignore[union-attr]
        "anthropic:haiku",
        "anthropic:sonnet",
    ]


def test_a_fallback_an_override_and_an_observed_call_are_no_evidence() -> None:
    world = World()
    for role in ("fallback", "override", "observed"):
        world.call(name=role, role=role)
    world.call(name="unlogged", propensity=None)
    world.save()
    run_nights(NIGHT, 1)
    assert not Block.objects.exists()
