"""POST /v1/embeddings: texts as vectors, by a task type that embeds or by an embedding model's own name. Words never come back."""

from dataclasses import replace

from routing import dispatch, snapshot
from routing.clients import Caller
from routing.dispatch import headers_of
from routing.dispatch.call import Facts
from routing.doors import naming, rates
from routing.doors.exchange import Exchange, Gone
from routing.doors.refusal import refusal_of
from routing.policy.table import Table
from routing.terms.request import Ask, Request
from routing.terms.words import Scope, TaskKind
from routing.wire import embeddings
from routing.wire.base import Asked
from routing.wire.embeddings import AskedEmbedding

NAME = "openai_embeddings"


async def embed(exchange: Exchange) -> None:
    """Serve one call."""
    try:
        caller = await exchange.caller(Scope.DISPATCH)
        body = await exchange.body()
        with exchange.watched():
            asked = embeddings.read(body.fields)
            ask, facts = _meant(asked, exchange, caller)
            result, embedded = await dispatch.embed(ask, asked.request, caller, facts)
            told = embeddings.answer(embedded, asked.model, asked.encoding)
            headers = headers_of(result)
            if rates.are_told(caller, result.credential_kind):
                headers |= rates.told(caller, as_anthropic=False)
            await exchange.answer(200, told, headers)
    except Gone:
        return
    except Exception as error:
        if exchange.has_begun:
            raise
        refusal = refusal_of(error)
        words = embeddings.error(refusal.status, refusal.code, refusal.message, details=refusal.details)
        await exchange.answer(refusal.status, words, refusal.headers)


def _meant(asked: AskedEmbedding, exchange: Exchange, caller: Caller) -> tuple[Ask, Facts]:
    """As for a conversation, but a mapping or default that means a task in words says nothing of vectors."""
    known = snapshot.fresh()
    table = known.table
    of_vectors = replace(
        caller,
        mapping=tuple(each for each in caller.mapping if _embeds(table, each[1])),
        default_task_type=caller.default_task_type if _embeds(table, caller.default_task_type) else None,
    )
    named = Asked(asked.model, Request(()), needs=asked.needs)
    ask, facts = naming.meant(known, named, exchange, of_vectors, NAME)
    ask = replace(ask, task_type=ask.task_type or _home(table, ask.override))
    if not _embeds(table, ask.task_type):
        raise _wrong_kind(f"Task type '{ask.task_type}' answers in words", table)
    model = table.models.get(ask.override or "")
    if model is not None and model.kind is not TaskKind.EMBEDDING:
        raise _wrong_kind(f"Model {model.key} answers in words", table)
    return ask, facts


def _embeds(table: Table, task_type: str | None) -> bool:
    task = table.task_types.get(task_type or "")
    return task is not None and task.kind is TaskKind.EMBEDDING


def _home(table: Table, model: str | None) -> str:
    """Under which task type a model that is named itself is written down: the one whose route has it, else the first that embeds; "" for none."""
    tasks = [slug for slug, task in table.task_types.items() if task.enabled and task.kind is TaskKind.EMBEDDING]
    routed = {route.task_type for route in table.routes.values() if model in route.steps}
    return next((slug for slug in tasks if slug in routed), tasks[0] if tasks else "")


def _wrong_kind(what: str, table: Table) -> dispatch.Refused:
    tasks = sorted(slug for slug, task in table.task_types.items() if task.kind is TaskKind.EMBEDDING)
    advice = (
        f"name task:{tasks[0]} or an embedding model"
        if tasks
        else "give the routing table a task type of kind embedding"
    )
    return dispatch.Refused(422, "wrong_kind", f"{what}, not in vectors: {advice}.", details={"path": "model"})
