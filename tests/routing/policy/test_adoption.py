"""What a client's model names are likely to mean, and which of them one pattern stands for."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.policy.adoption import likely
from routing.policy.families import families, literal, pattern
from routing.policy.resolve import fits
from routing.policy.table import Route, TaskType
from tests.routing.policy.worlds import table

TASKS = {
    "capture": TaskType("capture", wants=("fast",)),
    "coding": TaskType("coding", wants=("code",)),
    "review": TaskType("review", wants=("code",)),
    "old": TaskType("old", enabled=False),
}
SONNET, HAIKU, CODEX = "anthropic:sonnet", "anthropic:haiku", "openai:codex"
ROUTES = {
    ("capture", None, ""): Route("capture", (HAIKU, CODEX)),
    ("coding", None, ""): Route("coding", (SONNET, CODEX)),
    ("review", None, ""): Route("review", (SONNET,)),
    ("review", "site", ""): Route("review", (CODEX,), project="site"),
    ("old", None, ""): Route("old", (CODEX,)),
}
THERE = table(task_types=TASKS, routes=ROUTES)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        pytest.param("claude-sonnet-5", "claude-sonnet-*", id="a line and its version"),
        pytest.param("claude-opus-4-5-20250929", "claude-opus-*", id="… and its date"),
        pytest.param("Claude-Sonnet-5.5", "Claude-Sonnet-*", id="whatever its case"),
        pytest.param("gpt-4o-2024-08-06", "gpt-4o-20*", id="a date, which leaves gpt-4o-mini alone"),
        pytest.param("claude-3-5-haiku-20241022", "claude-3-5-haiku-20*", id="a number within the name is none at its end"),
        pytest.param("gpt-5.2", "gpt-5.2", id="one word is no line: gpt-* would be everything"),
        pytest.param("gpt-6.1-sol", "gpt-6.1-sol", id="a name that ends in a word"),
        pytest.param("qwen2.5:14b", "qwen2.5:14b", id="a local model"),
        pytest.param("odd*[name]", "odd[*][[]name]", id="what has a meaning in a pattern has none here"),
    ],
)  # fmt: skip
def test_a_names_pattern_is_that_of_its_line(name: str, found: str) -> None:
    assert pattern(name) == found


@given(st.text(min_size=1, max_size=40))
def test_a_pattern_always_stands_for_its_own_name(name: str) -> None:
    assert fits(name, pattern(name))
    assert fits(name, literal(name))


@given(st.lists(st.text(alphabet="ab-12.*[", min_size=1, max_size=12), max_size=8))
def test_each_name_belongs_to_one_family_that_stands_for_it(names: list[str]) -> None:
    found = families(names)
    assert set(found) == set(names)
    assert all(fits(name, each) for name, each in found.items())


@pytest.mark.parametrize(
    ("name", "given", "task", "why"),
    [
        pytest.param("claude-haiku", {}, "capture", "first model of its route", id="the route that begins with it"),
        pytest.param("sonnet", {}, "coding", "first model of its route", id="of two such routes the first of the table"),
        pytest.param("sonnet", {"said": {"review": 3}}, "review", "first model", id="… or the one that calls named"),
        pytest.param("sonnet", {"default": "review"}, "review", "first model", id="… or the client's default"),
        pytest.param("sonnet", {"said": {"capture": 9}}, "coding", "first model", id="the route goes before what calls said"),
        pytest.param("opus", {"said": {"review": 3, "coding": 1}}, "review", "3 of the 4 calls", id="what calls said"),
        pytest.param("opus", {"said": {"gone": 3}}, None, "", id="a task type that is gone says nothing"),
        pytest.param("codex", {}, "capture", "falls back to openai:codex", id="a route that falls back to it"),
        pytest.param("codex", {"project": "site"}, "review", "first model", id="the route of the client's project"),
        pytest.param("opus", {"default": "coding"}, "coding", "default task type", id="the default, where nothing else speaks"),
        pytest.param("unheard-of", {}, None, "", id="nothing speaks for any"),
    ],
)  # fmt: skip
def test_the_likeliest_task_type_says_why(name: str, given: dict, task: str | None, why: str) -> None:
    found = likely(THERE, name, **given)
    assert (found.task_type if found else None) == task
    assert why in (found.why if found else "")


def test_task_types_for_which_the_same_is_true_are_named_beside_it() -> None:
    found = likely(THERE, "sonnet")
    assert found is not None
    assert found.others == ("review",)


def test_tags_speak_where_no_route_has_the_model() -> None:
    opus = replace(THERE.models["anthropic:opus"], tags=("code", "reasoning"))
    there = table(task_types=TASKS, routes=ROUTES, models={**THERE.models, opus.key: opus})
    found = likely(there, "opus")
    assert found is not None
    assert (found.task_type, found.why) == ("coding", "anthropic:opus is tagged with what it wants: code.")
