"""What a caller's words mean: a task type, a model. The prompt itself is never read for it."""

import difflib
import fnmatch
import re
from collections.abc import Iterable, Sequence
from typing import Literal

from routing.policy.table import Table
from routing.terms.raw import speaks

_KINDS = {"task_type": "task type", "model": "model", "project": "project", "author": "model or provider"}
MOST_NAMED = 5  # where nothing is spelled alike
LONGEST_NAME = 120  # of a model that no table lists; and it is spelled as one that a table could list
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]*")
TASK, AUTO = "task:", "auto"  # what a client may name instead of a model: a task type, its default one


class Unknown(LookupError):
    """A name that nothing bears. `nearest`: names that are spelled alike."""

    def __init__(
        self, what: Literal["task_type", "model", "project", "author"], name: str, near: tuple[str, ...]
    ) -> None:
        self.what, self.name, self.nearest = what, name, near
        said = f"There is no {_KINDS[what]} '{name}'." if name else f"No {_KINDS[what]} is named."
        super().__init__(said + (f" Nearest: {', '.join(near)}." if near else ""))


class Unlisted(Unknown):
    """A model's name that the table does not list, and nobody else may be asked for it. `way_out`: what would help, as an imperative."""

    def __init__(self, name: str, near: tuple[str, ...], way_out: str) -> None:
        super().__init__("model", name, near)
        self.way_out = way_out


class Ambiguous(LookupError):
    """A name that several models bear, or a phrase that names several."""

    def __init__(self, name: str, choices: tuple[str, ...]) -> None:
        self.name, self.choices = name, choices
        super().__init__(f"'{name}' may mean {' or '.join(choices)}. Say which.")


def task_type(table: Table, text: str) -> str:
    """The slug of the task type that the text names: by slug, alias or name, else by the first rule whose words stand in it.

    Raises Unknown with the nearest names.
    """
    wanted = _plain(text)
    for slug, task in table.task_types.items():
        if task.enabled and wanted in (_plain(slug), _plain(task.name), *map(_plain, task.aliases)):
            return slug
    for rule in table.rules:
        named = table.task_types.get(rule.task_type)
        if named is not None and named.enabled and has_words(text, rule.pattern):
            return named.slug
    known = [name for slug, task in table.task_types.items() if task.enabled for name in (slug, *task.aliases)]
    raise Unknown("task_type", text[:120], nearest(wanted, known))


def model(table: Table, text: str) -> str:
    """ "provider:model" of the model that the text names: so, or by a slug or alias that one model bears. Raises Unknown or Ambiguous."""
    wanted = text.strip().lower()
    if wanted in table.models:
        return wanted
    found = _able(table, table.names.get(wanted, ()))
    if len(found) == 1:
        return found[0]
    if found:
        raise Ambiguous(text[:120], found)
    raise Unknown("model", text[:120], nearest(wanted, (*table.models, *table.names)))


def requested(table: Table, text: str) -> str:
    """The model that a client's program names as it would at its vendor: as `model`, or by the vendor's own id of it.

    Raises Unknown or Ambiguous.
    """
    wanted = text.strip().lower()
    try:
        return model(table, wanted)
    except Unknown:
        found = _able(table, (key for key, each in table.models.items() if each.upstream_id.lower() == wanted))
        if len(found) == 1:
            return found[0]
        if found:
            raise Ambiguous(text[:120], found) from None
        raise


def unlisted(table: Table, text: str, wire: str) -> str | None:
    """ "provider:model" of a model that only the wire's own vendor knows, spelled as it was named there; None where nobody may be asked for it.

    The vendor is the enabled provider of the wire that takes clients' own credentials; of several the one that bears the vendor's name,
    else the first.
    """
    if len(text) > LONGEST_NAME or not _NAME.fullmatch(text):
        return None
    takers = (each for each in table.providers.values() if each.enabled and each.takes_callers)
    vendors = sorted((each.slug != each.kind, each.slug) for each in takers if speaks(each.kind, wire))
    return f"{vendors[0][1]}:{text}" if vendors else None


def fits(name: str, pattern: str) -> bool:
    """Whether a client's pattern, with * as in a shell, stands for the requested name. Case says nothing."""
    return fnmatch.fnmatchcase(name.lower(), pattern.lower())


def mapped(name: str, mapping: Sequence[tuple[str, str]]) -> int | None:
    """The place of the first rule (pattern, task type) that stands for the requested name; None when none does."""
    return next((place for place, (pattern, _) in enumerate(mapping) if fits(name, pattern)), None)


def named_task(table: Table, name: str, mapping: Sequence[tuple[str, str]], default: str | None) -> str | None:
    """The task type that a client means by what it names as its model: by "task:…", "auto" or its mapping.

    None where the name is a model's and nothing maps it. Raises Unknown.
    """
    if name.startswith(TASK):
        return task_type(table, name.removeprefix(TASK))
    if name == AUTO:
        return default
    place = mapped(name, mapping)
    return None if place is None else mapping[place][1]


def model_in(table: Table, phrase: str) -> str:
    """The model that a phrase like "use Opus for this" or "send this to Codex" names. Raises Unknown or Ambiguous.

    A whole name decides; else the beginnings of names: "use GPT" is ambiguous as soon as several models' names begin with gpt.
    """
    words: list[str] = re.findall(r"[a-z0-9][a-z0-9._:/@-]*[a-z0-9]|[a-z0-9]", phrase.lower())
    for word in words:
        if word in table.models:
            return word
    found = {key for word in words for key in table.names.get(word, ())}
    if not found:
        stems = [re.compile(rf"{re.escape(word)}[-._:0-9]") for word in words if len(word) > 2]
        found = {key for name, keys in table.names.items() for key in keys if any(stem.match(name) for stem in stems)}
    choices = _able(table, found)
    if len(choices) == 1:
        return choices[0]
    if choices:
        raise Ambiguous(phrase[:120], choices)
    names = [name for word in words for name in nearest(word, table.names)]
    raise Unknown("model", phrase[:120], tuple(dict.fromkeys(names))[:3])


def project(table: Table, text: str) -> str:
    """The slug of the project that the text names, by slug or name. Raises Unknown with the nearest, else with all that there are."""
    wanted = _plain(text)
    for slug, name in table.projects.items():
        if wanted and wanted in (_plain(slug), _plain(name)):
            return slug
    raise Unknown("project", text[:120], nearest(wanted, table.projects) or tuple(sorted(table.projects))[:MOST_NAMED])


def author(table: Table, text: str) -> str:
    """Who wrote what is to be reviewed: "provider:model", or "provider:" where only the provider is sure. Raises Unknown or Ambiguous.

    A call of last month may name a model that is gone; its provider is known all the same.
    """
    wanted = text.strip().lower()
    provider = wanted.partition(":")[0]
    try:
        return model(table, wanted)
    except Ambiguous as error:
        providers = {choice.partition(":")[0] for choice in error.choices}
        if len(providers) > 1:
            raise
        return f"{providers.pop()}:"
    except Unknown as error:
        if provider in table.providers:
            return f"{provider}:"
        raise Unknown("author", text[:120], nearest(wanted, (*table.models, *table.names, *table.providers))) from error


def has_words(text: str, pattern: str) -> bool:
    """Whether the pattern's words stand in the text as whole words: "script" does not stand in "job description"."""
    return re.search(rf"(?<!\w){re.escape(_plain(pattern))}(?!\w)", _plain(text)) is not None


def _plain(text: str) -> str:
    return " ".join(re.split(r"[\s_-]+", text.strip().casefold()))


def _able(table: Table, keys: Iterable[str]) -> tuple[str, ...]:
    """The enabled ones among the models; all of them when none is."""
    all_keys = tuple(sorted(keys))
    enabled = tuple(
        key
        for key in all_keys
        if (each := table.models.get(key)) and each.enabled and table.providers[each.provider].enabled
    )
    return enabled or all_keys


def nearest(wanted: str, known: Iterable[str]) -> tuple[str, ...]:
    """At most three names that are spelled like it."""
    return tuple(dict.fromkeys(difflib.get_close_matches(wanted.replace(" ", "_"), list(known), n=3, cutoff=0.5)))
