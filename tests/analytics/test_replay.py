"""Real results of real models, from a file to an approved route: BFCL replayed as nights of drawn first attempts.

What is right is known here, because the set has every model's answer to every task.
"""

import datetime as dt
import io
from collections.abc import Callable

import pytest

from analytics import nightly, proposals
from analytics.arms import current_routes
from analytics.models import Comparison, Proposal
from benchmarks import replay
from routing import imports
from routing.audit import Actor
from routing.models import Label, WorkItem

TASKS = ("simple", "multiple_function", "executable_simple")
NIGHTS, PER_NIGHT = 21, 160


@pytest.fixture(scope="module")
def banks() -> dict[str, replay.Bank]:
    found = replay.load()
    names = [name for name in TASKS if name in found] or sorted(found)[:3]
    return {name: found[name] for name in names}


def test_a_replay_ends_in_routes_that_are_cheaper_and_not_worse(
    db: None, banks: dict[str, replay.Bank], person: Callable[[str], Actor]
) -> None:
    rows = replay.import_rows(banks, nights=NIGHTS, per_night=PER_NIGHT, share=0.4, seed=3)
    text = rows.to_csv(index=False)
    done = imports.load(io.BytesIO(text.encode()), "bfcl.csv")
    assert (done.bad, done.added) == (0, len(rows))
    assert WorkItem.objects.count() == Label.objects.count() == len(rows)
    last = replay.START + dt.timedelta(days=NIGHTS - 1)
    nights = nightly.run_until(last)
    assert [night.items for night in nights] == [PER_NIGHT * len(banks)] * NIGHTS

    found = list(Proposal.objects.filter(status="open"))
    assert found, "nothing was proposed"
    for one in found:
        bank = banks[one.task_type]
        assert one.from_model == replay.PRIMARY
        assert bank.rate(one.to_model) >= bank.rate(one.from_model) - 0.03, "a model more than three points worse"
        if one.kind == "cost":
            assert bank.cost(one.to_model) <= 0.8 * bank.cost(one.from_model)
    # The imported incumbent cannot dispatch, so its challenger need not either.
    approved = proposals.approve(found[0].pk, by=person("anna"))
    assert current_routes()[approved.task_type][0] == approved.to_model

    again = imports.load(io.BytesIO(text.encode()), "bfcl.csv")
    assert (again.added, again.unchanged) == (0, len(rows))
    before = list(Comparison.objects.order_by("pk").values_list("night", "task_type", "challenger", "log_e"))
    nightly.run_until(last)
    assert list(Comparison.objects.order_by("pk").values_list("night", "task_type", "challenger", "log_e")) == before
