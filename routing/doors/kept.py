"""GET and DELETE of /v1/responses/{id}, and GET of its input_items: asked of the provider that keeps the answer, in its own bytes."""

import re

from routing import snapshot
from routing.clients import Caller
from routing.dispatch import Refused
from routing.doors import rates
from routing.doors.converse import refuse
from routing.doors.exchange import Exchange, Gone
from routing.doors.keeping import found, unknown
from routing.doors.refusal import refusal_of
from routing.doors.relaying import without_body
from routing.providers import beside
from routing.providers.base import Endpoint
from routing.terms.candidate import Candidate, Kept
from routing.terms.fault import Failed
from routing.terms.raw import Passed, Raw
from routing.terms.request import Timeouts
from routing.terms.words import CredentialKind, ProviderKind, Role, Scope
from routing.wire import responses
from routing.wire.base import Unreadable

PREFIX = "/v1/responses/"
_PATH = re.compile(PREFIX + r"([A-Za-z0-9_-]{1,200})(/input_items)?")
TIMEOUTS = Timeouts(connect_s=2, first_token_s=15, idle_s=15, total_s=30)
_TOLD = frozenset(
    {200, 400, 404, 409, 422}
)  # handed on; what else is between the provider and Cortex is not the client's


async def answer(exchange: Exchange) -> None:
    """What the provider says of the answer. One that is not this client's is not there."""
    try:
        named = _PATH.fullmatch(exchange.path.rstrip("/"))
        if named is None:
            raise Refused(404, "not_found", f"{exchange.path} is not served here.")
        if exchange.method not in (("GET",) if named[2] else ("GET", "DELETE")):
            raise Refused(
                405, "method_not_allowed", f"{exchange.path} takes {'GET' if named[2] else 'GET and DELETE'}."
            )
        caller = await exchange.caller(Scope.DISPATCH)
        if b"stream=true" in exchange.query.lower():
            raise Unreadable("stream", "a kept answer comes whole: leave stream out")
        passed = await _of_keeper(exchange, caller, named[1], named[2] or "")
        await exchange.hand_on(passed, {})
    except Gone:
        return
    except Exception as error:  # noqa: BLE001 - told in the wire's own shape
        await refuse(exchange, responses, refusal_of(error))


async def _of_keeper(exchange: Exchange, caller: Caller, name: str, part: str) -> Passed:
    kept, raw = await found(name, caller.client), without_body(exchange, "openai_responses")
    if kept is None or not _may_ask(kept, raw, caller):
        raise unknown(f"Response with id '{name}' not found.", None, None)
    endpoint = _endpoint(kept)
    try:
        passed = await beside.ask(endpoint, raw, f"/responses/{name}{part}", TIMEOUTS, method=exchange.method)
    except Failed as failed:
        words = f"{kept.provider}, which keeps the response, does not answer: {failed.fault.message}"
        raise Refused(502, "provider_failed", words, retryable=True) from None
    if passed.status not in _TOLD:
        words = f"{kept.provider}, which keeps the response, answers with status {passed.status}."
        raise Refused(502, "provider_failed", words, retryable=True)
    return rates.handed_on(passed, caller, kept.credential_kind)


def _may_ask(kept: Kept, raw: Raw, caller: Caller) -> bool:
    """What was given to a client's own credential is asked for with that alone."""
    is_callers = kept.credential_kind is CredentialKind.CALLER
    return not is_callers or (bool(raw.credential) and kept.credential == f"caller:{caller.prefix}")


def _endpoint(kept: Kept) -> Endpoint:
    """Where the keeper is asked. Raises Refused where it cannot be asked now."""
    known = snapshot.fresh()
    provider = known.table.providers.get(kept.provider)
    if provider is not None and provider.enabled and provider.spoken_kind is ProviderKind.OPENAI:
        credential = (kept.credential or None, kept.credential_kind)
        keeper = Candidate(kept.provider, kept.model, "", ProviderKind.OPENAI, *credential, Role.FALLBACK, "")
        endpoint = known.endpoint(keeper)
        if endpoint is not None:
            return endpoint
    words = f"The response is kept by {kept.provider}, which cannot be asked now: it is switched off, or its credential is gone."
    raise Refused(503, "not_ready", words)
