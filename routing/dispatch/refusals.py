"""Why a call is refused before any provider is asked."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from routing.clients import Caller
from routing.dispatch.outcome import Ending
from routing.terms.candidate import Plan, Skipped
from routing.terms.request import Ask
from routing.terms.words import SkipReason

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
