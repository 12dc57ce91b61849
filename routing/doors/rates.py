"""What a client with limits a minute is told of them with an answer, in the headers that its wire's vendor has for it."""

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from math import ceil

from routing import limits
from routing.clients import Caller
from routing.limits import Measure
from routing.terms.raw import Passed
from routing.terms.words import CredentialKind

_OF_VENDORS = ("x-ratelimit-", "anthropic-ratelimit-")


def are_told(caller: Caller, answered: CredentialKind) -> bool:
    """Whether ours are, of an answer to such a credential: the client has limits, and it is not its own, whose vendor tells of its own."""
    if caller.requests_per_minute is None and caller.tokens_per_minute is None:
        return False
    return answered is not CredentialKind.CALLER


def told(caller: Caller, *, as_anthropic: bool) -> dict[str, str]:
    """The limits, what is left of them, and when all of it is there again if nothing more is used."""
    now = time.time()
    headers: dict[str, str] = {}
    measured = ((Measure.REQUESTS, caller.requests_per_minute), (Measure.TOKENS, caller.tokens_per_minute))
    for measure, limit in measured:
        if limit is None:
            continue
        left, full_in_s = limits.room(caller.client, measure, limit, now)
        if as_anthropic:
            reset = datetime.fromtimestamp(ceil(now + full_in_s), UTC).isoformat().replace("+00:00", "Z")
            names = (f"anthropic-ratelimit-{measure}-{part}" for part in ("limit", "remaining", "reset"))
        else:
            reset = duration(full_in_s)
            names = (f"x-ratelimit-{part}-{measure}" for part in ("limit", "remaining", "reset"))
        headers |= dict(zip(names, (str(limit), str(left), reset), strict=True))
    return headers


def without(headers: Mapping[str, str]) -> dict[str, str]:
    """A provider's headers without what they say of Cortex's own account."""
    return {name: value for name, value in headers.items() if not name.startswith(_OF_VENDORS)}


def passed_without(passed: Passed) -> Passed:
    return replace(passed, headers=without(passed.headers))


def handed_on(passed: Passed, caller: Caller, answered: CredentialKind) -> Passed:
    """What a provider said, as the caller may have it where nothing of ours is told with it."""
    return passed_without(passed) if are_told(caller, answered) else passed


def duration(seconds: float) -> str:
    """As OpenAI writes it: "12s", "1m0s"; whole seconds, rounded up."""
    minutes, rest = divmod(ceil(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
