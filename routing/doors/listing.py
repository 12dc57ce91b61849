"""GET /v1/models: what a client may name as its model, in the form of its own vendor."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from routing import snapshot
from routing.clients import Caller
from routing.doors.converse import refuse
from routing.doors.exchange import Exchange
from routing.doors.refusal import Refusal, refusal_of
from routing.policy import resolve
from routing.policy.resolve import AUTO, TASK, mapped
from routing.policy.table import Table
from routing.terms.words import ClientMode, Scope
from routing.wire import chat, messages
from routing.wire.base import Unreadable

MOST = 1000  # on a page, as at Anthropic
MADE = 1_700_000_000  # the wires want a date; the routing table keeps none


@dataclass(frozen=True, slots=True)
class Named:
    id: str
    owner: str
    shown: str


async def models(exchange: Exchange) -> None:
    """All that the caller may name; a page of it where the query says so, in the words of either vendor."""
    named = await _named(exchange)
    if named is None:
        return
    is_anthropic = bool(exchange.header("anthropic-version"))
    try:
        page, has_more = _page(named, dict(parse_qsl(exchange.query.decode("latin-1"))))
    except Unreadable as error:
        await refuse(exchange, messages if is_anthropic else chat, refusal_of(error))
        return
    ends = {"first_id": page[0].id if page else None, "last_id": page[-1].id if page else None, "has_more": has_more}
    if is_anthropic:
        await exchange.answer(200, {"data": [_of_anthropic(each) for each in page], **ends})
    else:
        await exchange.answer(200, {"object": "list", "data": [_of_openai(each) for each in page], **ends})


async def model(exchange: Exchange) -> None:
    """One of them, or what a name that is not listed means."""
    named = await _named(exchange)
    wanted = exchange.path.removeprefix("/v1/models/")
    if named is None:
        return
    is_anthropic = bool(exchange.header("anthropic-version"))
    found = next((each for each in named if each.id == wanted), None) or await _meant(exchange, named, wanted)
    if found is None:
        words = f"There is no model '{wanted[:120]}' that this key may name; GET /v1/models lists them."
        await refuse(exchange, messages if is_anthropic else chat, Refusal(404, "model_not_found", words))
    else:
        await exchange.answer(200, _of_anthropic(found) if is_anthropic else _of_openai(found))


def _page(named: list[Named], query: Mapping[str, str]) -> tuple[list[Named], bool]:
    """The part of the list that is asked for, and whether more follows in the direction in which it is read. Raises Unreadable."""
    places = {each.id: place for place, each in enumerate(named)}
    for name in ("after_id", "after", "before_id"):
        if query.get(name) and query[name] not in places:
            raise Unreadable(name, f"there is no model '{query[name][:120]}' in this list")
    limit = query.get("limit", str(MOST))
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:9]) <= MOST):
        raise Unreadable("limit", f"must be a whole number from 1 to {MOST}")
    after = query.get("after_id") or query.get("after")
    begin = places[after] + 1 if after else 0
    end = places[query["before_id"]] if query.get("before_id") else len(named)
    rest = named[begin:end]
    if query.get("before_id") and not after:  # backwards: the page that ends there
        return rest[-int(limit) :], len(rest) > int(limit)
    return rest[: int(limit)], len(rest) > int(limit)


async def _meant(exchange: Exchange, named: list[Named], wanted: str) -> Named | None:
    """A name that the client's mapping takes, or a model's other name; None for one that a call could not name either."""
    table, caller = snapshot.fresh().table, await exchange.caller(Scope.DISPATCH)
    if caller.mode is ClientMode.ROUTE:
        task = _task_of(caller, wanted)
        if task is not None:
            return _mapped(table, wanted, task)
    try:
        key = resolve.requested(table, wanted)
    except (resolve.Unknown, resolve.Ambiguous):
        return None
    found = next((each for each in named if each.id == key), None)  # the caller's models only
    return replace(found, id=wanted) if found is not None else None


async def _named(exchange: Exchange) -> list[Named] | None:
    try:
        caller = await exchange.caller(Scope.DISPATCH)
        return list({each.id: each for each in _all(snapshot.fresh().table, caller)}.values())
    except Exception as error:  # noqa: BLE001 - told in the wire's own shape
        await refuse(exchange, messages if exchange.header("anthropic-version") else chat, refusal_of(error))
        return None


def _all(table: Table, caller: Caller) -> Iterator[Named]:
    if caller.default_task_type:
        yield Named(AUTO, "cortex", "The client's default task type")
    for task in table.task_types.values():
        if task.enabled:
            yield Named(f"{TASK}{task.slug}", "cortex", task.name or task.slug)
    if caller.mode is ClientMode.ROUTE:
        for pattern, task_type in caller.mapping:
            if not set(pattern) & set("*?[") and _task_of(caller, pattern) == task_type:  # no earlier pattern takes it
                yield _mapped(table, pattern, task_type)
    for each in table.models.values():
        is_allowed = caller.allowed_models is None or each.key in caller.allowed_models
        if is_allowed and each.enabled and table.providers[each.provider].enabled:
            yield Named(each.key, each.provider, f"{each.slug} of {each.provider}")


def _task_of(caller: Caller, name: str) -> str | None:
    """The task type that the client's mapping makes of the name."""
    place = mapped(name, caller.mapping)
    return None if place is None else caller.mapping[place][1]


def _mapped(table: Table, name: str, task_type: str) -> Named:
    task = table.task_types.get(task_type)
    return Named(name, "cortex", f"{task.name if task and task.name else task_type}, by the client's mapping")


def _of_openai(named: Named) -> dict[str, Any]:
    return {"id": named.id, "object": "model", "created": MADE, "owned_by": named.owner}


def _of_anthropic(named: Named) -> dict[str, Any]:
    created = datetime.fromtimestamp(MADE, UTC).isoformat().replace("+00:00", "Z")
    return {"type": "model", "id": named.id, "display_name": named.shown, "created_at": created}
