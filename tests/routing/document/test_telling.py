"""A dry run is read by a person: what is new, what becomes of which field, what is gone."""

import pytest

from routing.document import diff_lines, diff_summary
from routing.document.table import Change, as_table, compare
from tests.routing.document.tables import SMALL


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            Change("routes[coding].steps", ["openai:codex"], ["openai:small", "openai:codex"]),
            "~ routes[coding].steps: [openai:codex] → [openai:small, openai:codex]",
        ),
        (
            Change("models[openai:codex].retire_at", None, "2026-11-30"),
            "~ models[openai:codex].retire_at: – → 2026-11-30",
        ),
        (Change("models[openai:codex].tier", "premium", ""), "~ models[openai:codex].tier: premium → –"),
        (Change("routes[coding].tier_chain", False, True), "~ routes[coding].tier_chain: false → true"),
        (Change("projects[site]", {"slug": "site"}, None), "- projects[site]"),
        (Change("projects[site]", None, {"slug": "site", "name": ""}), "+ projects[site]"),
        (
            Change("models[a:b].price", None, {"input": "1", "output": "2"}),
            '~ models[a:b].price: – → {"input": "1", "output": "2"}',
        ),
    ],
)
def test_a_change_is_one_line(change: Change, line: str) -> None:
    assert list(diff_lines([change])) == [line]


def test_of_what_is_new_only_what_is_its_own_is_said() -> None:
    made = compare(as_table({}), as_table(SMALL))
    told = list(diff_lines(made))
    assert "+ routes[coding]: steps [openai:codex, openai:small]" in told
    assert "+ models[openai:codex]: upstream_id gpt-6.1-sol, aliases [gpt-codex]" in told
    assert "+ credentials[openai:main]: env OPENAI_API_KEY" in told
    assert diff_summary(made) == "8 new"


def test_the_summary_counts_parts_and_not_fields() -> None:
    before, after = as_table(SMALL), as_table(SMALL)
    after["models"]["openai:codex"] |= {"tier": "premium", "name": "Codex"}
    del after["models"]["openai:small"]
    after["projects"]["site"] = {"slug": "site", "name": "Site"}
    assert diff_summary(compare(before, after)) == "1 new, 1 changed, 1 deleted"
    assert diff_summary([]) == ""


def test_a_long_text_is_cut() -> None:
    (line,) = diff_lines([Change("routes[coding].note", "", "x" * 5000)])
    assert len(line) < 250
