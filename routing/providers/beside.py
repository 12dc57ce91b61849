"""What a client asks of its provider beside the calls, and nobody pays for: what a conversation counts, an answer that is kept.

The client's own bytes there, the provider's own bytes back, over the relay's connections. Nothing is tried twice.
"""

import asyncio

from routing.providers.base import Endpoint
from routing.providers.errors import redacted
from routing.providers.http1_head import head_of
from routing.providers.http1_pool import connection
from routing.providers.relay import read_body, transport_fault, upstream_of
from routing.providers.relay_headers import headers_of, secrets_of, told
from routing.terms.fault import Failed
from routing.terms.raw import Passed, Raw
from routing.terms.request import Timeouts


async def ask(
    endpoint: Endpoint, raw: Raw, path: str, timeouts: Timeouts, *, body: bytes = b"", method: str = "POST"
) -> Passed:
    """The provider's answer, whatever its status, without any credential in it. Raises Failed, at the latest after `total_s`."""
    try:
        async with asyncio.timeout(timeouts.total_s):
            return await _asked(endpoint, raw, path, timeouts, body, method)
    except Failed:
        raise
    except Exception as error:  # noqa: BLE001 - the network's, ssl's, ValueErrors of names and addresses
        raise Failed(transport_fault(error, secrets_of(raw, endpoint))) from None


async def _asked(endpoint: Endpoint, raw: Raw, path: str, timeouts: Timeouts, body: bytes, method: str) -> Passed:
    to = upstream_of(endpoint)
    target = f"{to.path}{path}{f'?{raw.query}' if raw.query else ''}"
    head = head_of(target, to.named, headers_of(raw, endpoint), len(body), method)
    until = asyncio.get_running_loop().time() + timeouts.first_token_s
    response = await (await connection(to, endpoint.address, timeouts.connect_s)).ask(head, body, until)
    try:
        text = (await read_body(response, timeouts.idle_s)).decode("utf-8", "surrogateescape")
    finally:
        response.close()
    for secret in secrets_of(raw, endpoint):
        text = redacted(text, secret)
    return Passed(response.status, told(response.headers), text.encode("utf-8", "surrogateescape"))
