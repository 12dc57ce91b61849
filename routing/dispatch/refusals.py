"""Why a call is refused before any provider is asked."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from routing.budgets import Unpaid
from routing.clients import Caller
from routing.dispatch import paying
from routing.dispatch.outcome import Ending
from routing.terms.candidate import Candidate, Plan, Skipped
from routing.terms.request import Ask
from routing.terms.words import SkipReason, Status

# The caller's or the table's wish, not what keeps the call from being served.
_BY_DESIGN = frozenset({SkipReason.NOT_IN_ROUTE, SkipReason.OVERRIDDEN})
RETRY_S = 5.0  # where nothing says when it will be better
_CANNOT = frozenset(
    {SkipReason.UNSUPPORTED, SkipReason.WINDOW_TOO_SMALL, SkipReason.WRONG_KIND, SkipReason.SAME_AS_AUTHOR}
)


def budget(spent: frozenset[str], ask: Ask, caller: Caller) -> Ending | None:
    """402 when a budget that blocks is spent: the client's, its key's, the task's or the project's."""
    scopes = (f"client:{caller.client}", f"key:{caller.prefix}", f"task:{ask.task_type}", f"project:{ask.project}")
    for scope in scopes:
        if scope in spent:
            return Ending(402, "budget_spent", f"The budget of {scope} is spent for this month.", False)
    return None


def unpaid(error: Unpaid, candidate: Candidate) -> tuple[Ending, Status, float | None]:
    """What to tell when a budget does not pay for a call, and when to come back: 402, or 503 where it cannot be asked."""
    scope, details = error.payer.scope, {"scope": error.payer.scope, "needed_usd": _plain(error.estimate)}
    if error.short is None:
        words = f"The budget of {scope} cannot be asked: the database is away, and what was at hand of it is spent."
        return (
            Ending(503, "budget_unavailable", f"{words} Come back in a moment.", True, details),
            Status.BLOCKED,
            RETRY_S,
        )
    details |= {"limit_usd": _plain(error.short.limit), "left_usd": _plain(error.left)}
    words = f"The budget of {scope} is spent for this month but for a rest,"
    words = f"{words} {paying.what_is_left(error)} for {candidate.key}. Raise the limit, ask for fewer tokens, or wait."
    return Ending(402, "budget_spent", words, False, details), Status.BLOCKED, None


def nothing_to_try(plan: Plan, ask: Ask, left_out: Sequence[Skipped], *, now: datetime) -> tuple[Ending, float | None]:
    """What to tell when no candidate was tried, and when to come back. `left_out`: those that only this call left out."""
    removed = [*(each for each in plan.skipped if each.reason not in _BY_DESIGN), *left_out]
    if any(each.reason is SkipReason.BUSY for each in left_out):
        details = {"skipped": [_told(each) for each in removed]}
        return Ending(503, "overloaded", f"{_sentence(ask, removed)} Come back in a moment.", True, details), 1.0
    if not removed and not plan.candidates:
        words = f"Task type '{ask.task_type}' has no route. Give it one in the routing table."
        return Ending(503, "no_route", words, False), RETRY_S
    details = {"skipped": [_told(each) for each in removed]}
    if removed and all(each.reason is SkipReason.BUDGET for each in removed):
        return Ending(402, "budget_spent", _sentence(ask, removed), False, details), None
    if removed and all(each.reason is SkipReason.NOT_ALLOWED for each in removed):
        return Ending(403, "model_not_allowed", _sentence(ask, removed), False, details), None
    if removed and all(each.reason in _CANNOT | {SkipReason.NOT_ALLOWED} for each in removed):
        return Ending(422, "no_able_model", _sentence(ask, removed), False, details), None
    return Ending(503, "no_candidate", _sentence(ask, removed), True, details), _back_in(removed, now)


def failed(ending: Ending, left_out: Sequence[Skipped]) -> Ending:
    """The ending of a call whose candidates failed, with those that it left out on the way."""
    if not left_out:
        return ending
    details = {**ending.details, "skipped": [_told(each) for each in left_out]}
    if not ending.retryable:  # a provider's own words stay as they are
        return replace(ending, details=details)
    return replace(ending, message=f"{ending.message} Not tried: {_each(left_out)}.", details=details)


def _plain(usd: Decimal) -> str:
    return format(usd.normalize(), "f")


def _sentence(ask: Ask, removed: list[Skipped]) -> str:
    return f"Route '{ask.task_type}' has no candidate left{': ' + _each(removed) if removed else ''}."


def _each(skipped: Iterable[Skipped]) -> str:
    """ "anthropic/opus cooling down until 14:05, openai/codex quota codex-cli exhausted until 3 Feb" """
    return ", ".join(f"{each.provider}/{each.model} {each.detail}" for each in skipped)


def _told(skipped: Skipped) -> dict[str, str | None]:
    return {
        "provider": skipped.provider,
        "model": skipped.model,
        "reason": skipped.reason,
        "detail": skipped.detail,
        "until": skipped.until.isoformat() if skipped.until else None,
    }


def _back_in(removed: list[Skipped], now: datetime) -> float:
    """Seconds until the first of them may serve again."""
    return min((max((each.until - now).total_seconds(), 1.0) for each in removed if each.until), default=RETRY_S)
