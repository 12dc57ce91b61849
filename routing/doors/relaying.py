"""What of an exchange may go on to a provider that speaks its wire."""

import json
import re
from collections.abc import Callable, Iterator

from routing import clients
from routing.doors.exchange import Exchange
from routing.providers.relay_headers import passed_on
from routing.terms.raw import Raw
from routing.terms.request import Request
from routing.terms.secret import Secret
from routing.wire import seals
from routing.wire.body import Body

# What a query is made of. Anything else stays behind: it would be for the upstream's parser to understand.
_QUERY = re.compile(rb"[A-Za-z0-9\-._~!$'()*+,;=:@/?%&]*")


def raw_of(exchange: Exchange, body: Body, wire: str, read: Callable[[], Request] | None) -> Raw:
    """The request as the client wrote it, without what only Cortex reads. `read` reads it, where that has not been done."""
    if seals.is_in(body.raw):  # what another provider thought is nothing to this one
        body = Body(json.dumps(seals.unsealed(body.fields)).encode())
    query = exchange.query.decode("ascii") if _QUERY.fullmatch(exchange.query) else ""
    headers, credential = passed_on(exchange.headers), tuple(_credential(exchange, wire))
    return Raw(wire, body.raw, body.spans, lambda: body.fields, read, headers, query, credential)


def without_body(exchange: Exchange, wire: str) -> Raw:
    """The same of a request that is only a path, and a query."""
    query = exchange.query.decode("ascii") if _QUERY.fullmatch(exchange.query) else ""
    return Raw(wire, b"{}", {}, dict, None, passed_on(exchange.headers), query, tuple(_credential(exchange, wire)))


def _credential(exchange: Exchange, wire: str) -> Iterator[tuple[str, Secret]]:
    """The client's own credential: what stands in its vendor's headers while the Cortex key has one of its own."""
    if exchange.header("x-cortex-key") is None:
        return
    for name in ("authorization", "x-api-key") if wire == "anthropic" else ("authorization",):
        value = exchange.header(name)
        # Some clients can only send their one key everywhere: that of Cortex is nothing to a provider.
        if value and value.isascii() and not clients.is_shaped(value.rpartition(" ")[2]):
            yield name, Secret(value)
