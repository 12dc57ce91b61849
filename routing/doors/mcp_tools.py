"""What agents may call over /mcp: dispatch, explain_route, status, record_verdict. Each gives a text to read and the same as data."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.db import close_old_connections
from mcp_types import CallToolResult, TextContent, Tool, ToolAnnotations
from pydantic import BaseModel, ValidationError

from routing import dispatch, feedback, queries, snapshot
from routing.callers import NotAllowed
from routing.clients import Caller
from routing.dispatch import Result
from routing.dispatch.asked import Asked, Wish, asked
from routing.doors import mcp_once
from routing.doors.mcp_forms import DispatchArguments, ExplainArguments, StatusArguments, VerdictArguments, Where
from routing.doors.refusal import Refusal, refusal_of
from routing.policy import resolve
from routing.terms.request import Message
from routing.terms.words import Scope, TaskKind

WIRE = "mcp"
Done = tuple[str, dict[str, Any]]  # to read, and as data


async def _dispatch(caller: Caller, given: DispatchArguments) -> Done:
    meant = _asked(given, given.prompt, caller)
    task = snapshot.current().table.task_types[meant.ask.task_type]
    if task.kind is TaskKind.EMBEDDING:
        raise dispatch.Refused(422, "wrong_kind", f"Task type '{task.slug}' embeds: name one that answers in words.")
    result = await dispatch.dispatch(meant.ask, meant.request, caller, meant.facts)
    return result.answer.output, _told(result)


async def _explain_route(caller: Caller, given: ExplainArguments) -> Done:
    meant = _asked(given, given.prompt, caller)
    plan = queries.explain(meant.ask, meant.facts.session)
    return _as_text(plan), plan


async def _status(caller: Caller, given: StatusArguments) -> Done:
    state = json.loads(json.dumps(await sync_to_async(_in_thread)(queries.status), default=str))
    return _as_text(state), state


async def _record_verdict(caller: Caller, given: VerdictArguments) -> Done:
    match = given.match(None if caller.may(Scope.MANAGE) else caller.client)

    def give() -> list[feedback.Given]:
        return feedback.give(feedback.targets(match), given.said(), by=caller.actor())

    kept = await sync_to_async(_in_thread)(give)
    items = [{"item_id": str(each.item_id), "new": each.is_new, "late": each.is_late} for each in kept]
    return f"{len(items)} work item{'' if len(items) == 1 else 's'} judged {given.verdict}.", {"items": items}


@dataclass(frozen=True, slots=True)
class _Served:
    scope: Scope
    form: type[BaseModel]
    does: Callable[[Caller, Any], Awaitable[Done]]
    says: str
    only_reads: bool = True


TOOLS: Mapping[str, _Served] = {
    "dispatch": _Served(
        Scope.DISPATCH,
        DispatchArguments,
        _dispatch,
        "Have a piece of work done by the model that this kind of work is routed to. Gives the model's answer.",
        only_reads=False,
    ),
    "explain_route": _Served(
        Scope.READ,
        ExplainArguments,
        _explain_route,
        "Which models would serve a call, in order, and why each other one would not. Calls nobody.",
    ),
    "status": _Served(
        Scope.READ,
        StatusArguments,
        _status,
        "What is available: providers, models, cooldowns, circuits, quotas, usage, alerts.",
    ),
    "record_verdict": _Served(
        Scope.VERDICT,
        VerdictArguments,
        _record_verdict,
        "Say whether the output of a call, or of a whole session, achieved its task. Routing learns from it.",
        only_reads=False,
    ),
}


def listed(caller: Caller) -> list[Tool]:
    """The tools that the caller's key may use."""
    tasks = [slug for slug, task in snapshot.fresh().table.task_types.items() if task.enabled]
    return [
        Tool(
            name=name,
            description=each.says + (f" Task types: {', '.join(tasks)}." if issubclass(each.form, Where) else ""),
            input_schema=each.form.model_json_schema(),
            annotations=ToolAnnotations(read_only_hint=each.only_reads),
        )
        for name, each in TOOLS.items()
        if caller.may(each.scope)
    ]


async def call(
    name: str, arguments: Mapping[str, Any], caller: Caller, once: mcp_once.Once | None = None
) -> CallToolResult:
    """What the tool gives. What goes wrong is told to the model that called it, in words it can act upon.

    `once`: the key under which it is made, where it calls a model.
    """
    make = partial(_made, name, arguments, caller)
    if once is None or not caller.may(Scope.DISPATCH):
        return (await make())[0]
    made = await once.made(caller, arguments, make)
    return _failed(made) if isinstance(made, Refusal) else made


async def _made(name: str, arguments: Mapping[str, Any], caller: Caller) -> tuple[CallToolResult, int]:
    """What the tool gives, and the status that it would have at another door."""
    served = TOOLS.get(name)
    try:
        if served is None:
            raise feedback.NotFound(f"There is no tool {name[:80]!r}. There are: {', '.join(TOOLS)}.")
        if not caller.may(served.scope):
            raise NotAllowed(f"Key {caller.prefix} lacks the scope {served.scope.value!r}: ask for a key that has it.")
        text, data = await served.does(caller, served.form.model_validate(arguments))
    except Exception as error:  # noqa: BLE001 - each is told as the doors tell it; a defect is logged there
        refusal = _refusal(error)
        return _failed(refusal), refusal.status
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=data), 200


def _failed(refusal: Refusal) -> CallToolResult:
    words = refusal.message + (f" Try again in {refusal.retry_after_s} s." if refusal.retry_after_s else "")
    told = {"code": refusal.code, "message": words, "request_id": refusal.request_id}
    return CallToolResult(
        content=[TextContent(type="text", text=words)], structured_content={"error": told}, is_error=True
    )


def _refusal(error: Exception) -> Refusal:
    if isinstance(error, ValidationError):
        wrong = [(".".join(map(str, each["loc"])), each["msg"]) for each in error.errors(include_url=False)]
        return Refusal(
            422, "invalid_arguments", "; ".join(f"{path}: {words}" if path else words for path, words in wrong)
        )
    if isinstance(error, feedback.NotFound | feedback.Refused):
        return Refusal(422, "not_taken", str(error))
    if isinstance(error, resolve.Unknown) and error.what == "task_type" and not error.nearest:
        tasks = ", ".join(slug for slug, task in snapshot.current().table.task_types.items() if task.enabled)
        return Refusal(422, "unknown_task_type", f"{error} Name one of: {tasks or 'none is there yet'}.")
    if isinstance(error, resolve.Unknown):
        return Refusal(422, f"unknown_{error.what}", f"{error} The tool status lists what there is.")
    return refusal_of(error)


def _asked(given: Where, prompt: str, caller: Caller) -> Asked:
    """The call in routing's words. Raises resolve.Unknown and resolve.Ambiguous."""
    more = given if isinstance(given, DispatchArguments) else None
    system = more.system if more else None
    wish = Wish(
        messages=[Message("user", prompt)],
        size_bytes=len((prompt + (system or "")).encode("utf-8", "replace")),
        task_type=given.task_type,
        system=system,
        max_tokens=given.max_tokens,
        project=given.project,
        session=given.session,
        background=given.background,
        override=given.override,
        metadata=more.metadata if more else {},
        wire=WIRE,
    )
    return asked(snapshot.fresh().table, wish, caller)


def _told(result: Result) -> dict[str, Any]:
    return {
        "request_id": str(result.request_id),
        "task_type": result.task_type,
        "provider": result.provider,
        "model": result.model,
        "output": result.answer.output,
        "stop_reason": result.answer.stop_reason,
        "cost_usd": None if result.cost_usd is None else format(result.cost_usd, "f"),
        "total_ms": result.total_ms,
        "attempts": len(result.attempts),
        "used_fallback": result.used_fallback,
        "reason": result.reason,
        "simulated": result.simulated,
    }


def _as_text(data: Mapping[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=str)


def _in_thread(query: Callable[[], Any]) -> Any:
    close_old_connections()  # this thread outlives the request
    return query()
