"""GET /v1/models: what a client may name as its model, in the form of its own vendor."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from routing import snapshot
from routing.clients import Caller
from routing.doors.converse import refuse
from routing.doors.exchange import Exchange
from routing.doors.naming import AUTO, TASK
from routing.doors.refusal import Refusal, refusal_of
from routing.policy.table import Table
from routing.terms.words import Scope
from routing.wire import chat, messages

MADE = 1_700_000_000  # the wires want a date; the routing table keeps none


@dataclass(frozen=True, slots=True)
class Named:
    id: str
    owner: str
    shown: str


async def models(exchange: Exchange) -> None:
    """All that the caller may name."""
    named = await _named(exchange)
    if named is None:
        return
    if exchange.header("anthropic-version"):
        listed = [_of_anthropic(each) for each in named]
        ends = {"first_id": named[0].id if named else None, "last_id": named[-1].id if named else None}
        await exchange.answer(200, {"data": listed, "has_more": False, **ends})
    else:
        await exchange.answer(200, {"object": "list", "data": [_of_openai(each) for each in named]})


async def model(exchange: Exchange) -> None:
    """One of them."""
    named = await _named(exchange)
    wanted = exchange.path.removeprefix("/v1/models/")
    if named is None:
        return
    is_anthropic = bool(exchange.header("anthropic-version"))
    found = next((each for each in named if each.id == wanted), None)
    if found is None:
        words = f"There is no model '{wanted[:120]}' that this key may name; GET /v1/models lists them."
        await refuse(exchange, messages if is_anthropic else chat, Refusal(404, "model_not_found", words))
    else:
        await exchange.answer(200, _of_anthropic(found) if is_anthropic else _of_openai(found))


async def _named(exchange: Exchange) -> list[Named] | None:
    try:
        caller = await exchange.caller(Scope.DISPATCH)
        return list(_all(snapshot.fresh().table, caller))
    except Exception as error:  # noqa: BLE001 - told in the wire's own shape
        await refuse(exchange, messages if exchange.header("anthropic-version") else chat, refusal_of(error))
        return None


def _all(table: Table, caller: Caller) -> Iterator[Named]:
    if caller.default_task_type:
        yield Named(AUTO, "cortex", "The client's default task type")
    for task in table.task_types.values():
        if task.enabled:
            yield Named(f"{TASK}{task.slug}", "cortex", task.name or task.slug)
    for each in table.models.values():
        is_allowed = caller.allowed_models is None or each.key in caller.allowed_models
        if is_allowed and each.enabled and table.providers[each.provider].enabled:
            yield Named(each.key, each.provider, f"{each.slug} of {each.provider}")


def _of_openai(named: Named) -> dict[str, Any]:
    return {"id": named.id, "object": "model", "created": MADE, "owned_by": named.owner}


def _of_anthropic(named: Named) -> dict[str, Any]:
    created = datetime.fromtimestamp(MADE, UTC).isoformat().replace("+00:00", "Z")
    return {"type": "model", "id": named.id, "display_name": named.shown, "created_at": created}
