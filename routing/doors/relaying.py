"""What of an exchange may go on to a provider that speaks its wire."""

import json
import re

from routing.doors.exchange import Exchange
from routing.providers.relay_headers import passed_on
from routing.terms.raw import Raw
from routing.wire import seals
from routing.wire.body import Body, parsed

# What a query is made of. Anything else stays behind: it would be for the upstream's parser to understand.
_QUERY = re.compile(rb"[A-Za-z0-9\-._~!$'()*+,;=:@/?%&]*")


def raw_of(exchange: Exchange, body: Body, wire: str) -> Raw:
    """The request as the client wrote it, without what only Cortex reads."""
    if seals.MARK in body.text:  # what another provider thought is nothing to this one
        body = parsed(json.dumps(seals.unsealed(body.fields)).encode())
    query = exchange.query.decode("ascii") if _QUERY.fullmatch(exchange.query) else ""
    return Raw(wire, body.text, body.fields, body.spans, passed_on(exchange.headers), query)
