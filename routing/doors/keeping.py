"""Calls that go on from what a provider keeps: `previous_response_id` and its like.

An answer is kept by one provider for the account of one credential: who names it goes there and nowhere else. Whose the other things are that a
provider may keep (conversations, single items) nobody here knows, so only a client with its own credential may name them.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.db import DatabaseError, InterfaceError

from routing import stored
from routing.dispatch import Refused
from routing.terms.candidate import Kept
from routing.terms.raw import Passed, Raw
from routing.terms.request import Ask
from routing.wire.base import Unreadable


async def bound(ask: Ask, pins: str | None, raw: Raw) -> Ask:
    """The ask of a call that needs something kept. Raises Refused for an answer that is not known to be this client's, Unreadable
    for what cannot be served."""
    if raw.get("background"):
        words = "answers in the background are not served: what they cost is known only when nobody listens. Stream the answer instead"
        raise Unreadable("background", words)
    if not raw.credential:
        if raw.get("conversation"):
            words = "which account keeps a conversation is not known here: name previous_response_id, or send your own OpenAI credential"
            raise Unreadable("conversation", f"{words} beside X-Cortex-Key")
        if _refers(raw.get("input")):
            words = "which account keeps an item is not known here: send the item itself, or your own OpenAI credential"
            raise Unreadable("input", f"{words} beside X-Cortex-Key")
    if pins is None:
        return ask
    kept = await found(pins, ask.client)
    if kept is None:
        words = f"Previous response with id '{pins[:200]}' not found."
        raise unknown(words, "previous_response_not_found", "previous_response_id")
    return replace(ask, kept=kept)


def _refers(given: Any) -> bool:
    items = given if isinstance(given, list) else ()
    return any(isinstance(each, Mapping) and each.get("type") == "item_reference" for each in items)


async def found(answer: str, client: str) -> Kept | None:
    """Who keeps the answer for the client. Raises Refused while that cannot be known."""
    try:
        return await stored.find(answer, client)
    except (DatabaseError, InterfaceError):
        words = "Who keeps the response cannot be looked up: the database is away. Send the conversation whole, or try again."
        raise Refused(503, "not_ready", words, retryable=True, retry_after_s=2) from None


def unknown(words: str, code: str | None, param: str | None) -> Refused:
    """404 in OpenAI's own words: programs look at them."""
    error = {"message": words, "type": "invalid_request_error", "param": param, "code": code}
    return Refused(404, code or "not_found", words, passed=Passed(404, {}, json.dumps({"error": error}).encode()))
