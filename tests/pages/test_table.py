"""The routing table: a row a task type, its chain, what is odd about it, and a filter."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from routing import changes
from routing.audit import SYSTEM
from routing.models import Cooldown
from routing.terms.words import Group
from routing.versions import bump_state
from tests.pages.conftest import World

ClientOf = Callable[[Group], Client]
EDIT = "/routing/meeting_summary/edit"


def test_every_task_type_has_a_row_with_its_chain(client_of: ClientOf) -> None:
    rows = client_of(Group.VIEWER).get("/routing/").context["rows"]
    row = next(row for row in rows if row.task.slug == "meeting_summary")
    assert len(rows) == 19
    assert [model.key for model in row.route.chain] == ["anthropic:sonnet", "anthropic:opus"]
    assert [warning.kind for warning in row.route.warnings] == ["one_provider"]
    assert row.figures is None


def test_routes_under_a_condition_stand_under_their_task_type(client_of: ClientOf) -> None:
    rows = client_of(Group.VIEWER).get("/routing/?q=code_generation").context["rows"]
    assert [[route.condition for route in row.others] for row in rows] == [
        ["batch", "debugging", "dispatched", "in_session", "interactive", "local"]
    ]


def test_a_primary_without_the_tags_its_task_wants_is_flagged(client_of: ClientOf) -> None:
    changes.change_route("bulk_ops", ["anthropic:opus"], by=SYSTEM, reason="")
    said = client_of(Group.VIEWER).get("/routing/?q=bulk_ops").content.decode()
    assert "not tagged cheap" in said


def test_a_cooling_model_counts_down_on_its_chip(client_of: ClientOf) -> None:
    until = datetime.now(UTC) + timedelta(minutes=5)
    Cooldown.objects.create(provider="anthropic", credential="", model="opus", until=until)
    bump_state()
    row = client_of(Group.VIEWER).get("/routing/?q=meeting_summary").context["rows"][0]
    assert [(model.health, model.until) for model in row.route.chain] == [("ready", None), ("cooldown", until)]


@pytest.mark.parametrize("words", ["codex", "CODEX openai", "vibe coding"])
def test_the_filter_reads_tasks_models_and_states(client_of: ClientOf, words: str) -> None:
    rows = client_of(Group.VIEWER).get("/routing/", {"q": words}).context["rows"]
    assert "vibe_coding" in {row.task.slug for row in rows}
    assert len(rows) < 19


def test_no_match_is_another_thing_than_an_empty_table(client_of: ClientOf) -> None:
    said = client_of(Group.VIEWER).get("/routing/?q=nothing-has-this").content.decode()
    assert "No match" in said
    assert "No task type yet" not in said


def test_a_table_without_task_types_says_what_to_do_next(db: None, django_user_model: Any) -> None:
    client = Client()
    client.force_login(django_user_model.objects.create_superuser("root"))
    assert "No task type yet" in client.get("/routing/").content.decode()


def test_a_viewer_reads_and_does_not_edit(client_of: ClientOf) -> None:
    viewer = client_of(Group.VIEWER)
    assert EDIT not in viewer.get("/routing/").content.decode()
    assert viewer.get(EDIT).status_code == 403
    assert viewer.post(EDIT, {"do": "preview"}).status_code == 403


def test_a_visitor_is_sent_to_the_log_in(world: World) -> None:
    assert Client().get(EDIT).headers["location"] == "/account/login/?next=/routing/meeting_summary/edit"
