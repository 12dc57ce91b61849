"""What a caller wishes, in the caller's words, turned into what policy and adapters take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from routing.clients import Caller
from routing.dispatch.call import Facts
from routing.policy import resolve
from routing.policy.table import Table
from routing.terms.request import Ask, Message, Request, Tool


@dataclass(frozen=True, slots=True)
class Wish:
    """A call in the caller's words: names are not resolved yet."""

    messages: Sequence[Message]
    size_bytes: int
    task_type: str | None = None
    system: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    tools: Sequence[Tool] = ()
    thinking_budget: int = 0
    project: str | None = None
    session: str = ""
    background: bool = False
    context: tuple[str, ...] = ()
    override: str | None = None
    override_text: str | None = None
    fallback: Literal["route", "none"] = "route"
    second_opinion: bool = False
    author: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float | None = None
    wire: str = "native"


@dataclass(frozen=True, slots=True)
class Asked:
    ask: Ask
    request: Request
    facts: Facts


def asked(table: Table, wish: Wish, caller: Caller) -> Asked:
    """The wish with every name resolved. Raises resolve.Unknown and resolve.Ambiguous."""
    override = _override(table, wish)
    ask = Ask(
        task_type=_task_type(table, wish, caller),
        project=resolve.project(table, wish.project) if wish.project else caller.project,
        background=wish.background,
        override=override,
        fallback=wish.fallback,
        author=resolve.author(table, wish.author) if wish.author else None,
        size=wish.size_bytes // 4,
        max_tokens=wish.max_tokens,
        needs=_needs(wish),
        context=wish.context,
        allowed_models=caller.allowed_models,
        client=caller.client,
        scopes=caller.budgets,
    )
    request = Request(
        messages=wish.messages,
        system=wish.system,
        max_tokens=wish.max_tokens,
        temperature=wish.temperature,
        tools=wish.tools,
        thinking_budget=wish.thinking_budget,
    )
    facts = Facts(
        session=wish.session,
        metadata=wish.metadata,
        timeout_s=wish.timeout_s,
        requested_model=wish.override or wish.override_text or "",
        wire=wish.wire,
        second_opinion=wish.second_opinion,
    )
    return Asked(ask, request, facts)


def _task_type(table: Table, wish: Wish, caller: Caller) -> str:
    """The task type that is named, else the client's default; that also where a name means nothing."""
    default = caller.default_task_type
    if wish.task_type is None:
        if default is None:
            raise resolve.Unknown("task_type", "", ())
        return default
    try:
        return resolve.task_type(table, wish.task_type)
    except resolve.Unknown:
        if default is None:
            raise
        return default


def _override(table: Table, wish: Wish) -> str | None:
    if wish.override is not None:
        return resolve.model(table, wish.override)
    if wish.override_text is not None:
        return resolve.model_in(table, wish.override_text)
    return None


def _needs(wish: Wish) -> frozenset[str]:
    """What a model must be able to do for this."""
    needs = {"tools"} if wish.tools else set()
    if wish.thinking_budget:
        needs.add("thinking")
    if any(_part_type(part) == "image" for message in wish.messages for part in _parts(message)):
        needs.add("images")
    return frozenset(needs)


def _parts(message: Message) -> Sequence[Mapping[str, Any]]:
    return () if isinstance(message.content, str) else message.content


def _part_type(part: Mapping[str, Any]) -> object:
    return part.get("type")
