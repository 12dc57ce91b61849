"""What a route's owner is told although nothing stops."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from routing.policy.table import Route, TaskType
from routing.policy.warnings import warnings
from tests.routing.policy.worlds import KEYS, MODELS, steps, table

TODAY = date(2026, 11, 22)


def shorts(route, there=None):
    return [each.short for each in warnings(there or table(), route, TODAY)]


def with_model(slug, **changes):
    models = {model.key: replace(model, **changes) if model.slug == slug else model for model in MODELS}
    return table(models=models)


def test_a_primary_without_the_tags_that_its_task_wants_is_told():
    there = table(task_types={"bulk_ops": TaskType("bulk_ops", wants=("cheap",))})
    assert shorts(Route("bulk_ops", steps("opus")), there) == ["not tagged cheap"]
    cheap = replace(there, models={**there.models, KEYS["opus"]: replace(MODELS[0], tags=("cheap",))})
    assert shorts(Route("bulk_ops", steps("opus")), cheap) == []


@pytest.mark.parametrize(
    ("route", "told"),
    [
        (Route("t", steps("sonnet opus")), ["one provider"]),
        (Route("t", steps("sonnet codex")), []),
        (Route("t", steps("sonnet")), []),  # a chain of one says so by itself
        (Route("t", steps("sonnet opus"), tier_chain=True), []),
        (Route("t", steps("sonnet opus"), terminal_local=True), []),
    ],
)
def test_a_chain_of_one_provider_is_told_unless_it_goes_on_elsewhere(route, told):
    assert shorts(route) == told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"retire_at": TODAY + timedelta(days=31)}, []),
        ({"retire_at": TODAY + timedelta(days=30)}, ["codex retires"]),
        ({"retire_at": TODAY + timedelta(days=1)}, ["codex retires"]),
        ({"retire_at": TODAY}, ["codex retired"]),
        ({"deprecated_at": TODAY}, ["codex is deprecated"]),
        ({"deprecated_at": TODAY + timedelta(days=1)}, []),
        ({"enabled": False, "retire_at": TODAY}, ["codex is off"]),
    ],
)
def test_a_model_that_ends_soon_or_has_ended_is_told(changes, told):
    assert shorts(Route("t", steps("codex sonnet")), with_model("codex", **changes)) == told
