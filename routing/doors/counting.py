"""POST /v1/messages/count_tokens: how long a conversation is.

The provider's own count where the model that would answer is Anthropic's: free of charge there, so nothing is written down, and nobody else is
asked. Else, and whenever that fails, the estimate by which routing goes before any model is chosen.
"""

import asyncio
import json
from datetime import UTC, datetime

from routing import snapshot
from routing.clients import Caller
from routing.dispatch.arms import arm
from routing.doors import naming, rates
from routing.doors.converse import refuse
from routing.doors.exchange import Exchange, Gone
from routing.doors.refusal import refusal_of
from routing.doors.relaying import raw_of
from routing.policy import resolve
from routing.providers import beside
from routing.providers.registry import is_relayed
from routing.providers.relay_body import body_of
from routing.snapshot import NotLoaded
from routing.terms.candidate import Candidate
from routing.terms.fault import Failed
from routing.terms.raw import Passed, Raw
from routing.terms.request import Timeouts
from routing.terms.words import Scope
from routing.wire import messages
from routing.wire.base import Asked
from routing.wire.body import Body

# Clients wait for the count before they call: a late one is worth less than the estimate.
TIMEOUTS = Timeouts(connect_s=1.0, first_token_s=2.0, idle_s=1.0, total_s=2.5)
MOST = 32  # under way at one provider, from this process
REST_S = 30.0  # without counts by who did not give one
MOST_RESTING = 1000  # clients' own credentials among them
_OF_REQUEST = frozenset({400, 413, 422})  # no reason to leave off asking

_resting: dict[tuple[str, str | None], float] = {}  # (provider, credential) → until, on the loop's clock
_under_way: dict[str, int] = {}


async def count_tokens(exchange: Exchange) -> None:
    """`{"input_tokens": …}`, the provider's own, or with X-Cortex-Estimated a quarter of the body's bytes."""
    try:
        caller = await exchange.caller(Scope.DISPATCH)
        body = await exchange.body()
        asked = messages.read(body.fields, counting=True)
        with exchange.watched():
            await _answer(exchange, body, asked, caller)
    except Gone:
        return
    except Exception as error:
        if exchange.has_begun:
            raise
        await refuse(exchange, messages, refusal_of(error))


async def _answer(exchange: Exchange, body: Body, asked: Asked, caller: Caller) -> None:
    raw = raw_of(exchange, body, "anthropic", read=None)
    candidate = _who(exchange, asked, raw, caller)
    counted = await _counted(candidate, raw) if candidate is not None else None
    if counted is None or candidate is None:
        estimate = {"input_tokens": max(1, exchange.size // 4)}
        await exchange.answer(200, estimate, {"X-Cortex-Estimated": "true"})
    else:
        by = {"X-Cortex-Provider": candidate.provider, "X-Cortex-Model": candidate.model}
        await exchange.hand_on(rates.handed_on(counted, caller, candidate.credential_kind), by)


def _who(exchange: Exchange, asked: Asked, raw: Raw, caller: Caller) -> Candidate | None:
    """Who would answer; None where nobody is known, or who is known cannot count what came. A count begins no session."""
    try:
        known = snapshot.fresh()
        ask, facts = naming.meant(known, asked, exchange, caller, raw.wire, brings=bool(raw.credential))
        now, session = datetime.now(UTC), facts.session
        if session:
            found = arm(known, ask, caller.client, session, now, is_session=True, begins=False).candidates
        else:
            found = known.plan(ask, now).candidates
    except (NotLoaded, resolve.Unknown, resolve.Ambiguous):
        return None
    return found[0] if found and is_relayed(found[0].kind, raw) else None


async def _counted(candidate: Candidate, raw: Raw) -> Passed | None:
    """What the provider counts; None where it does not, or takes too long. Then it is left alone for a while."""
    key = candidate.provider, candidate.credential
    if _resting.get(key, 0.0) > asyncio.get_running_loop().time() or _under_way.get(candidate.provider, 0) >= MOST:
        return None
    endpoint = snapshot.current().endpoint(candidate)
    if endpoint is None:
        return None
    _under_way[candidate.provider] = _under_way.get(candidate.provider, 0) + 1
    try:
        path = "/v1/messages/count_tokens"
        passed = await beside.ask(endpoint, raw, path, TIMEOUTS, body=body_of(raw, endpoint))
    except Failed:
        _leave_alone(key)
        return None
    finally:
        _under_way[candidate.provider] -= 1
    if passed.status == 200 and _is_count(passed.body):
        return passed
    if passed.status not in _OF_REQUEST:
        _leave_alone(key)
    return None


def _leave_alone(key: tuple[str, str | None]) -> None:
    if len(_resting) > MOST_RESTING:
        _resting.clear()
    _resting[key] = asyncio.get_running_loop().time() + REST_S


def _is_count(body: bytes) -> bool:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(told, dict) and isinstance(told.get("input_tokens"), int)


def forget() -> None:
    """Ask everybody again: for tests."""
    _resting.clear()
