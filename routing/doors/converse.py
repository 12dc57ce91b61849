"""A conversation over a wire: read, dispatched, answered in the wire's own words, whole or as it is written."""

import time
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from routing import dispatch, snapshot
from routing.clients import Caller
from routing.dispatch import Begun, Refused, Result, headers_of
from routing.dispatch.call import Facts
from routing.doors import keeping, naming, rates
from routing.doors.exchange import Exchange, Gone
from routing.doors.heard import Heard
from routing.doors.refusal import Refusal, refusal_of
from routing.terms.event import Relayed, StreamStart
from routing.terms.request import Ask
from routing.terms.words import Scope, TaskKind
from routing.wire import messages
from routing.wire.base import Asked, Stream, Wire


async def converse(exchange: Exchange, wire: Wire, name: str) -> None:
    """Serve one call. `name` is what the call's row says of its wire."""
    caller = None
    try:
        caller = await exchange.caller(Scope.DISPATCH)
        body = await exchange.body()
        with exchange.watched():
            heard = Heard(exchange, body, wire, name)
            ask, facts = _meant(heard, exchange, caller)
            if "stored" in heard.told.needs:
                ask = await keeping.bound(ask, heard.told.pins, heard.raw)
            serve = _stream if heard.told.stream else _whole
            await serve(exchange, wire, heard, ask, caller, facts)
    except Gone:
        return
    except Exception as error:
        if exchange.has_begun:
            raise
        await refuse(exchange, wire, _refusal_to(caller, error))


def _refusal_to(caller: Caller | None, error: Exception) -> Refusal:
    refusal = refusal_of(error)
    if caller is None or refusal.passed is None or not isinstance(error, Refused):
        return refusal
    return replace(refusal, passed=rates.handed_on(refusal.passed, caller, error.credential_kind))


async def refuse(exchange: Exchange, wire: Wire, refusal: Refusal) -> None:
    """The error in the wire's own shape; a provider's own, where it speaks this wire, as it came."""
    if refusal.passed is not None:
        await exchange.hand_on(refusal.passed, refusal.headers)
        return
    body: Mapping[str, Any] = wire.error(
        refusal.status, refusal.code, refusal.message, refusal.request_id, refusal.details
    )
    await exchange.answer(refusal.status, body, refusal.headers)


def _meant(heard: Heard, exchange: Exchange, caller: Caller) -> tuple[Ask, Facts]:
    asked, raw = heard.told, heard.raw
    known = snapshot.fresh()
    ask, facts = naming.meant(known, asked, exchange, caller, raw.wire, brings=bool(raw.credential))
    task = known.table.task_types.get(ask.task_type)
    if task is not None and task.kind is TaskKind.EMBEDDING:
        raise Refused(422, "wrong_kind", f"Task type '{task.slug}' embeds; this endpoint answers in words.")
    return ask, facts


async def _whole(exchange: Exchange, wire: Wire, heard: Heard, ask: Ask, caller: Caller, facts: Facts) -> None:
    result = await dispatch.dispatch(ask, heard.request, caller, facts)
    passed, headers = result.answer.passed, headers_of(result)
    if rates.are_told(caller, result.credential_kind):
        headers |= rates.told(caller, as_anthropic=wire is messages)
        passed = passed and rates.passed_without(passed)
    if passed is not None:
        await exchange.hand_on(passed, headers)
    else:
        told = heard.asked.told(result.request_id.hex, _now())
        await exchange.answer(200, wire.answer(result.answer, told), headers)


async def _stream(exchange: Exchange, wire: Wire, heard: Heard, ask: Ask, caller: Caller, facts: Facts) -> None:
    """Nothing is sent before the first content: what fails until then has a status of its own."""
    stream, begun, is_relayed = wire.Stream(), None, False
    async with aclosing(dispatch.stream(ask, heard.request, caller, facts)) as events:  # type: ignore[type-var]  # a generator
        try:
            async for event in events:
                if isinstance(event, Relayed):
                    await exchange.write(event.data)
                elif isinstance(event, Begun):
                    begun, is_relayed = event, event.passed is not None
                    headers = {**(event.passed or {}), **headers_of(event)}
                    if rates.are_told(caller, event.credential_kind):
                        headers = {**rates.without(headers), **rates.told(caller, as_anthropic=wire is messages)}
                    await exchange.begin(headers)
                    if not is_relayed:
                        await exchange.write(_opening(stream, heard.asked, event))
                elif isinstance(event, Result):
                    if not is_relayed:
                        await exchange.write(stream.end(event.answer))
                else:
                    await exchange.write(stream.feed(event))
        except Refused as refused:
            if begun is None:
                raise
            if is_relayed:  # only its error is ours: to be told as if all of it had been
                _opening(stream, heard.told, begun)
            await exchange.write(stream.error(refused.status, refused.code, refused.message))
    await exchange.end()


def _opening(stream: Stream, asked: Asked, begun: Begun) -> bytes:
    return stream.start(asked.told(begun.request_id.hex, _now()), StreamStart(begun.served_model, usage=begun.usage))


def _now() -> int:
    return int(time.time())
