"""What a client may name, page by page, as both vendors' SDKs read it."""

import anthropic
import openai
import pytest

from routing import clients, snapshot
from routing.audit import SYSTEM
from routing.models import Client
from routing.terms.words import ClientMode
from tests.routing.seeded import seeded  # noqa: F401

MAPPED = [
    {"requested": "gpt-house", "task_type": "code_generation"},
    {"requested": "claude-*", "task_type": "content_drafting"},
]


@pytest.fixture
def mapping(seeded: str) -> None:  # noqa: F811
    clients.save_client("ci", {"mapping": MAPPED, "mode": ClientMode.ROUTE}, by=SYSTEM)
    snapshot.load_now()


def test_pages_of_any_size_add_up_to_the_whole_list_without_a_name_twice(of_anthropic: anthropic.Anthropic) -> None:
    whole = [each.id for each in of_anthropic.models.list(limit=1000)]
    assert len(whole) > 10
    for limit in (1, 3, len(whole) - 1, len(whole)):
        assert [each.id for each in of_anthropic.models.list(limit=limit)] == whole


def test_a_page_may_be_asked_for_backwards(of_anthropic: anthropic.Anthropic) -> None:
    whole = [each.id for each in of_anthropic.models.list()]
    page = of_anthropic.models.list(limit=3, before_id=whole[5])
    assert ([each.id for each in page.data], page.has_more) == (whole[2:5], True)
    page = of_anthropic.models.list(limit=30, before_id=whole[2])
    assert ([each.id for each in page.data], page.has_more, page.first_id) == (whole[:2], False, whole[0])


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "x"}, {"limit": "1001"}, {"after_id": "nobody"}])
def test_a_page_that_there_is_not_is_refused_in_the_vendors_shape(
    of_anthropic: anthropic.Anthropic, query: dict[str, str]
) -> None:
    with pytest.raises(anthropic.BadRequestError) as refused:
        of_anthropic.models.list(extra_query=query)
    assert refused.value.body["type"] == "error"  # type: ignore[index]


def test_openais_sdk_reads_the_whole_list_and_a_page_of_it(of_openai: openai.OpenAI) -> None:
    whole = [each.id for each in of_openai.models.list()]
    page = of_openai.models.list(extra_query={"limit": 2, "after": whole[0]})
    assert [each.id for each in page.data] == whole[1:3]
    assert of_openai.models.retrieve(whole[-1]).id == whole[-1]


def test_names_that_the_mapping_takes_are_listed_or_at_least_found(of_openai: openai.OpenAI, mapping: None) -> None:
    listed = {each.id: each.owned_by for each in of_openai.models.list()}
    assert listed["gpt-house"] == "cortex"
    assert "claude-*" not in listed
    assert of_openai.models.retrieve("claude-sonnet-9").owned_by == "cortex"
    Client.objects.filter(slug="ci").update(mode=ClientMode.OBSERVE)
    snapshot.load_now()
    assert "gpt-house" not in {each.id for each in of_openai.models.list()}
    with pytest.raises(openai.NotFoundError):
        of_openai.models.retrieve("claude-sonnet-9")


def test_a_models_other_name_is_found_under_that_name(of_anthropic: anthropic.Anthropic) -> None:
    found = of_anthropic.models.retrieve("sonnet")
    assert (found.id, found.display_name) == ("sonnet", "sonnet of anthropic")
    with pytest.raises(anthropic.NotFoundError):
        of_anthropic.models.retrieve("nobody-knows-it")
