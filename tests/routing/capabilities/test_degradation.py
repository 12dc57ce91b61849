"""Rows 18 to 24: what exhausted quotas and usage on the curve make of a plan. How the state comes about stands elsewhere."""

from datetime import UTC, datetime, timedelta

import pytest

from routing import snapshot
from routing.policy.curve import level
from routing.policy.health import Reading, Rest
from tests.routing.capabilities.seeds import models, skipped


def soon():
    return datetime.now(UTC) + timedelta(hours=1)


def used(percent, window="weekly", provider="anthropic"):
    return Reading(provider, window, percent, datetime.now(UTC))


def test_row_18_a_quota_is_its_own_object(seeds):
    seeds.health(quotas={"codex-code-review": Rest(soon())})
    assert models(seeds.explain("vibe_coding"))[0] == "codex", "code review's quota is another"
    seeds.health(quotas={"codex-cli": Rest(soon())})
    assert models(seeds.explain("vibe_coding"))[0] == "sonnet"
    assert models(seeds.explain("code_review"))[0] == "sonnet", "code review does not need it"


def test_row_19_and_20_an_exhausted_quota_says_until_when_and_counts_no_more_after_that(seeds):
    far = datetime(2099, 2, 3, tzinfo=UTC)
    seeds.health(quotas={"codex-cli": Rest(far)})
    told = skipped(seeds.explain("vibe_coding"), "codex")
    assert (told["reason"], told["detail"], told["until"]) == (
        "quota_exhausted",
        "quota codex-cli exhausted until 3 Feb 2099",
        far.isoformat(),
    )
    seeds.health(quotas={"codex-cli": Rest(datetime.now(UTC))})
    assert models(seeds.explain("vibe_coding"))[0] == "codex"


@pytest.mark.parametrize(("percent", "served"), [(10, "sonnet"), (96, "gemini-flash")])
def test_row_21_exhausted_codex_gives_way_to_sonnet_and_at_96_percent_to_gemini(seeds, percent, served):
    seeds.health(quotas={"codex-cli": Rest(soon())}, readings=(used(percent),))
    assert seeds.dispatch("coding")["model"] == served, "dispatch, not only advice"


def test_row_22_the_highest_window_of_any_provider_decides_and_a_stale_one_is_unknown(seeds):
    seeds.health(readings=(used(96), used(10, "5h"), used(3, provider="openai")))
    there = level(snapshot.current().table.curve, snapshot.current().health, datetime.now(UTC))
    assert (there.percent, there.number + 1, there.steps) == (96, 5, 6)
    seeds.health(readings=(Reading("anthropic", "weekly", 96.0, datetime.now(UTC) - timedelta(days=1)),))
    assert models(seeds.explain("strategy"))[0] == "opus", "unknown: the seeds' curve allows"
    seeds.publish(
        curves=[
            {
                "name": "default",
                "when_unknown": "degrade",
                "steps": [{"from": 0, "allowed": ["opus", "sonnet"]}, {"from": 50, "allowed": ["sonnet"]}],
            }
        ]
    )
    told = seeds.explain("strategy")
    assert (models(told)[0], skipped(told, "opus")["detail"]) == ("sonnet", "not allowed while usage is unknown")


CURVE = [  # the degradation curve that the seeds print; the lower bound belongs to its step
    (0, 1, "opus sonnet codex gemini-flash local"),
    (69, 1, "opus sonnet codex gemini-flash local"),
    (70, 2, "opus sonnet codex gemini-flash local"),
    (79, 2, "opus sonnet codex gemini-flash local"),
    (80, 3, "sonnet codex gemini-flash local"),
    (92, 4, "sonnet codex gemini-flash local"),
    (95, 5, "codex gemini-flash local"),
    (96, 5, "codex gemini-flash local"),
    (100, 6, "gemini-flash local"),
    (130, 6, "gemini-flash local"),
]


@pytest.mark.parametrize(("percent", "number", "allowed"), CURVE)
def test_row_23_the_curve_is_data_and_its_lower_bounds_are_inclusive(seeds, percent, number, allowed):
    seeds.health(readings=(used(percent),))
    known = snapshot.current()
    there = level(known.table.curve, known.health, datetime.now(UTC))
    assert (there.number + 1, there.steps) == (number, 6)
    assert [key.partition(":")[2] for key in there.allowed] == allowed.split()
    told = seeds.explain("strategy")
    assert models(told)[0] == allowed.split()[0]
    assert "gpt-4o" in models(told), "the curve does not name it, so it stays"
    if percent >= 80:
        assert skipped(told, "opus")["detail"] == f"not allowed while usage is {percent} %"


@pytest.mark.parametrize(("percent", "served"), [(92, "sonnet"), (96, "codex"), (100, "gemini-flash")])
def test_row_24_a_removed_step_gives_its_place_to_the_first_ready_model_of_the_curve(seeds, percent, served):
    seeds.health(readings=(used(percent),))
    told = seeds.dispatch("strategy")
    assert (told["model"], told["used_fallback"]) == (served, True)
    assert seeds.dispatch("strategy", override="gpt-4o")["model"] == "gpt-4o"
    assert seeds.dispatch("bulk_ops")["model"] == "haiku", "a curve governs only the models it names"


def test_row_24_a_model_that_is_not_ready_is_passed_over(seeds):
    seeds.health(readings=(used(96),), quotas={"codex-cli": Rest(soon())})
    assert models(seeds.explain("strategy"))[0] == "gemini-flash"
