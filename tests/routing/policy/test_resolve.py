"""What names mean."""

from dataclasses import replace

import pytest

from routing.policy import resolve
from routing.policy.resolve import Ambiguous, Unknown, has_words
from routing.policy.table import Rule, TaskType
from tests.routing.policy.worlds import MODELS, table

TASKS = {
    "vibe_coding": TaskType("vibe_coding", "Vibe coding (interactive)", ("coding", "scripts")),
    "quick_capture": TaskType("quick_capture", "Quick capture / filing"),
    "old": TaskType("old", "Old", enabled=False),
}
RULES = (Rule("script", "vibe_coding"), Rule("meeting notes", "quick_capture"))
THERE = table(task_types=TASKS, rules=RULES)


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("vibe_coding", "vibe_coding"),
        ("Vibe Coding", "vibe_coding"),
        ("vibe-coding", "vibe_coding"),
        ("coding", "vibe_coding"),
        ("Quick capture / filing", "quick_capture"),
        ("write a script for this", "vibe_coding"),
        ("Script!", "vibe_coding"),
        ("file the meeting  notes", "quick_capture"),
    ],
)
def test_a_task_is_a_slug_an_alias_a_name_or_a_rules_words(text, slug):
    assert resolve.task_type(THERE, text) == slug


@pytest.mark.parametrize("text", ["job description", "old", "", "unscripted"])
def test_what_names_no_task_is_refused(text):
    with pytest.raises(Unknown):
        resolve.task_type(THERE, text)


def test_the_refusal_names_the_nearest():
    with pytest.raises(Unknown, match="vibe_coding") as error:
        resolve.task_type(THERE, "vibe_codng")
    assert "vibe_coding" in error.value.nearest


def test_words_are_matched_whole():
    assert has_words("a Script, please", "script")
    assert not has_words("job description", "script")


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("openai:codex", "openai:codex"),
        ("codex", "openai:codex"),
        ("Claude", "anthropic:opus"),
        (" OPUS ", "anthropic:opus"),
    ],
)
def test_a_model_is_a_key_a_slug_or_an_alias(text, model):
    assert resolve.model(THERE, text) == model


def test_a_slug_of_two_providers_is_ambiguous():
    twin = replace(MODELS[0], provider="openai")
    models = {model.key: model for model in (*MODELS, twin)}
    names = {**THERE.names, "opus": ("anthropic:opus", "openai:opus")}
    with pytest.raises(Ambiguous) as error:
        resolve.model(table(models=models, names=names), "opus")
    assert error.value.choices == ("anthropic:opus", "openai:opus")


@pytest.mark.parametrize(
    ("phrase", "model"),
    [
        ("use Opus for this", "anthropic:opus"),
        ("send this to Codex", "openai:codex"),
        ("please: gpt-4o!", "openai:gpt-4o"),
        ("ask openai:gpt-5.2.", "openai:gpt-5.2"),
    ],
)
def test_a_phrase_names_a_model(phrase, model):
    assert resolve.model_in(THERE, phrase) == model


@pytest.mark.parametrize("phrase", ["use GPT", "opus or sonnet", "use gemini"])
def test_a_phrase_that_may_mean_several_is_ambiguous(phrase):
    with pytest.raises(Ambiguous):
        resolve.model_in(THERE, phrase)


@pytest.mark.parametrize("phrase", ["use something good", "", "corpus"])
def test_a_phrase_that_names_nobody_is_refused(phrase):
    with pytest.raises(Unknown):
        resolve.model_in(THERE, phrase)


def test_a_project_is_a_slug_or_a_name():
    there = table(projects={"site": "Our Site", "app": ""})
    assert (resolve.project(there, "site"), resolve.project(there, "our site")) == ("site", "site")


@pytest.mark.parametrize(("text", "near"), [("sites", ("site",)), ("nonsense", ("app", "site")), ("", ("app", "site"))])
def test_a_project_that_is_none_names_the_nearest_else_those_that_there_are(text, near):
    with pytest.raises(Unknown) as error:
        resolve.project(table(projects={"site": "Our Site", "app": ""}), text)
    assert (error.value.what, error.value.nearest) == ("project", near)


@pytest.mark.parametrize(
    ("text", "author"),
    [
        ("sonnet", "anthropic:sonnet"),
        ("openai", "openai:"),  # the provider alone
        ("anthropic:opus-3", "anthropic:"),  # a call of a model that is gone
        ("Claude", "anthropic:opus"),
    ],
)
def test_an_author_is_a_model_or_at_least_its_provider(text, author):
    assert resolve.author(THERE, text) == author


def test_a_name_of_two_models_of_one_provider_is_author_enough():
    names = {**THERE.names, "gpt": ("openai:codex", "openai:gpt-5.2")}
    assert resolve.author(table(names=names), "gpt") == "openai:"
    with pytest.raises(Ambiguous):
        resolve.author(table(names={**names, "gpt": ("openai:codex", "anthropic:opus")}), "gpt")


def test_an_author_that_nobody_bears_is_refused():
    with pytest.raises(Unknown, match=r"no model or provider 'sonet'.*sonnet"):
        resolve.author(THERE, "sonet")
