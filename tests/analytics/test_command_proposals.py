"""`manage.py proposals`: the same decisions, under the same rules, from a terminal."""

import json
from collections.abc import Callable

import pytest
from django.core.management import CommandError, call_command

from analytics.models import Proposal
from routing.audit import Actor
from tests.analytics.conftest import summaries

Person = Callable[[str], Actor]


@pytest.fixture
def number(table: None) -> str:
    """An open proposal."""
    summaries(10, per_night=110)
    return str(Proposal.objects.get().pk)


def test_the_only_one_who_may_decides_without_being_named(
    number: str, person: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError, match=r"--by USER\. Who may: nobody yet"):
        call_command("proposals", "approve", number)
    person("anna")
    call_command("proposals", "approve", number, "--json")
    told = json.loads(capsys.readouterr().out)
    assert (told["status"], told["decided_by"]) == ("approved", "anna")


def test_where_several_may_one_is_named(number: str, person: Person) -> None:
    for name in ("anna", "ben"):
        person(name)
    with pytest.raises(CommandError, match=r"--by USER\. Who may: anna, ben"):
        call_command("proposals", "reject", number, "--comment", "Not now")
    with pytest.raises(CommandError, match="There is no user 'carl'"):
        call_command("proposals", "reject", number, "--by", "carl")
    with pytest.raises(CommandError, match="say why it is rejected"):
        call_command("proposals", "reject", number, "--by", "ben")
    assert Proposal.objects.get().status == "open"


def test_the_list_has_the_shape_of_all_lists(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("proposals", "list", "--status", "open", "--json")
    told = json.loads(capsys.readouterr().out)
    assert ([str(one["id"]) for one in told["items"]], told["next"]) == ([number], None)
