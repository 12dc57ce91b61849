"""What the model that a client names means: a task type, or that very model."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from routing.clients import Caller
from routing.dispatch.call import Facts
from routing.doors.exchange import Exchange
from routing.policy import resolve
from routing.policy.resolve import AUTO, TASK
from routing.policy.table import Table
from routing.snapshot import Snapshot
from routing.terms.quick import quick
from routing.terms.request import Ask
from routing.terms.words import ClientMode
from routing.wire.base import Asked

# Where clients carry a session of their own: Cortex's own header, Claude Code's, Codex's.
SESSION_HEADERS = ("x-cortex-session", "x-claude-code-session-id", "session-id", "thread-id")
_WISHES = ("x-cortex-override", "x-cortex-task", "x-cortex-project")
_SWITCHES = ("x-cortex-background", "x-cortex-second-opinion")
NAME_CHARS = 200  # of a model or a wish; what a longer one means is not remembered, for a pattern may fit anything
_SAID = frozenset(name.encode() for name in (*SESSION_HEADERS, *_WISHES, *_SWITCHES))


def meant(
    known: Snapshot, asked: Asked, exchange: Exchange, caller: Caller, wire: str, *, brings: bool = False
) -> tuple[Ask, Facts]:
    """The ask and the facts of a call over a wire. Raises resolve.Unknown and resolve.Ambiguous, whose `what` says what is not known.

    `brings`: the client has sent a credential of its own provider beside its key.
    """
    says = exchange.says(_SAID)  # most calls have none of all these
    wishes = [exchange.header(name) for name in _WISHES] if says else (None, None, None)
    words = (caller.sha256 or caller, asked.model, brings and wire, *wishes)

    def make() -> _Meaning:
        return _meaning(known.table, asked.model, caller, wire if brings else "", *wishes)

    is_short = len(asked.model) <= NAME_CHARS and not any(wish and len(wish) > NAME_CHARS for wish in wishes)
    meaning = known.remembered(words, make) if is_short else make()
    ask = Ask(
        task_type=meaning.task_type or caller.default_task_type or "",
        project=meaning.project,
        background=says and _is_on(exchange, _SWITCHES[0]),
        override=meaning.model,
        fallback="none" if meaning.is_observed else "route",
        is_observed=meaning.is_observed,
        size=exchange.size // 4,
        max_tokens=asked.request.max_tokens,
        needs=asked.needs,
        wire=wire if asked.bound or brings else "",
        bound=asked.bound,
        brings=f"caller:{caller.prefix}" if brings else "",
        allowed_models=caller.allowed_models,
        client=caller.client,
        scopes=caller.budgets,
    )
    facts = Facts(
        session=_session(exchange, asked) if says or asked.session else "",
        requested_model=asked.model,
        wire=wire,
        second_opinion=says and _is_on(exchange, _SWITCHES[1]),
        would_route=_would_route(known, ask) if meaning.is_observed and meaning.task_type else "",
    )
    return ask, facts


@quick
@dataclass(frozen=True, slots=True)
class _Meaning:
    """What the words of a call mean while the table stands."""

    task_type: str | None  # None: the model itself was named, and nothing maps it
    project: str | None
    model: str | None  # "provider:model" that is wished for, or observed
    is_observed: bool


def _meaning(
    table: Table, named: str, caller: Caller, wire: str, override: str | None, task: str | None, project: str | None
) -> _Meaning:
    task_type = _task_type(table, named, task, caller)
    is_model = not named.startswith(TASK) and named != AUTO
    observed = None
    if not override and is_model and (task_type is None or caller.mode is ClientMode.OBSERVE):
        observed = _observed(table, named, caller, wire)
    if task_type is None and not (override or observed):
        raise resolve.Unknown("task_type", "", ())
    project = project or caller.project
    return _Meaning(
        task_type=task_type,
        project=resolve.project(table, project) if project else None,
        model=resolve.model(table, override) if override else observed,
        is_observed=observed is not None,
    )


def _observed(table: Table, named: str, caller: Caller, wire: str) -> str:
    """The very model that is named; one that the table does not list where the client observes, and its vendor gets its own credential.

    `wire`: over which that came; "" without one. Raises Unknown and Ambiguous.
    """
    try:
        return resolve.requested(table, named)
    except resolve.Unknown as error:
        unlisted = resolve.unlisted(table, named, wire) if wire and caller.mode is ClientMode.OBSERVE else None
        if unlisted is not None:
            return unlisted
        if caller.mode is ClientMode.ROUTE:
            way_out = f"Map the name to a task type for client '{caller.client}'"
        elif not wire:
            way_out = "Send the vendor's own credential beside X-Cortex-Key"
        else:
            way_out = "Enable a provider of this wire that takes clients' own credentials"
        raise resolve.Unlisted(error.name, error.nearest, way_out) from None


def _is_on(exchange: Exchange, header: str) -> bool:
    return (exchange.header(header) or "").lower() in ("1", "true", "yes")


def _would_route(known: Snapshot, ask: Ask) -> str:
    """Where routing would have sent an observed call, kept beside it."""
    routed = replace(ask, override=None, fallback="route", is_observed=False)
    candidates = known.plan(routed, datetime.now(UTC)).candidates
    return candidates[0].key if candidates else ""


def _task_type(table: Table, name: str, header: str | None, caller: Caller) -> str | None:
    """By header, by name, by the client's mapping; None where the name is a model's and nothing maps it."""
    if header:
        return resolve.task_type(table, header)
    return resolve.named_task(table, name, caller.mapping, caller.default_task_type)


def _session(exchange: Exchange, asked: Asked) -> str:
    told = next((value for name in SESSION_HEADERS if (value := exchange.header(name))), asked.session)
    return "".join(char for char in told if char.isprintable())[:200]
