"""HTTP clients for the SDKs, kept per event loop; their connections are `http1_pool`'s, shared by everyone who speaks to one upstream.

What the SDKs would do on their own and must not here: retry, follow redirects, read proxies, keys and headers from the environment,
log prompts. Connections belong to the loop that made them, so each loop has its own; `close_all` closes the running loop's.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TypeVar
from weakref import WeakKeyDictionary

import httpx2

from routing.providers.base import Endpoint
from routing.providers.http1_pool import MAX_UPSTREAMS
from routing.providers.transport import Transport

Client = TypeVar("Client")

MAX_SDK_CLIENTS = 256  # each is a key and some headers; the oldest go first


@dataclass(slots=True)
class _Clients:
    http: OrderedDict[Hashable, httpx2.AsyncClient] = field(default_factory=OrderedDict)  # by upstream
    sdk: OrderedDict[tuple[Hashable, ...], object] = field(
        default_factory=OrderedDict
    )  # by upstream and credential; they own nothing
    closing: set[asyncio.Task[None]] = field(default_factory=set)


_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _Clients] = WeakKeyDictionary()


def sdk_client(endpoint: Endpoint, make: Callable[[httpx2.AsyncClient], Client]) -> Client:
    """The SDK's client for this endpoint and credential, made by `make` over the upstream's own HTTP client."""
    loop = asyncio.get_running_loop()
    clients = _by_loop.get(loop)
    if clients is None:
        clients = _by_loop[loop] = _Clients()
    upstream = (endpoint.kind, endpoint.base_url, endpoint.address)
    key = (upstream, endpoint.credential_kind, endpoint.secret)
    if key in clients.sdk:
        clients.http.move_to_end(upstream)
        clients.sdk.move_to_end(key)
        return clients.sdk[key]  # type: ignore[return-value]  # one kind, one class
    if upstream not in clients.http:
        clients.http[upstream] = http_client(endpoint.address)
    made = clients.sdk[key] = make(clients.http[upstream])
    _trim(clients)
    return made


def _trim(clients: _Clients) -> None:
    if len(clients.sdk) > MAX_SDK_CLIENTS:
        clients.sdk.popitem(last=False)
    if len(clients.http) > MAX_UPSTREAMS:
        upstream, http = clients.http.popitem(last=False)
        for key in [key for key in clients.sdk if key[0] == upstream]:
            del clients.sdk[key]
        task = asyncio.create_task(http.aclose())
        clients.closing.add(task)
        task.add_done_callback(clients.closing.discard)


async def close_all() -> None:
    """Closes every connection of the running event loop. At shutdown, and at the end of each `asyncio.run`."""
    clients = _by_loop.pop(asyncio.get_running_loop(), None)
    if clients is not None:
        await asyncio.gather(*clients.closing, *(client.aclose() for client in clients.http.values()))


def http_client(address: str | None) -> httpx2.AsyncClient:
    """A client of its own, which speaks to the checked address alone; the caller closes it."""
    return httpx2.AsyncClient(
        transport=Transport(address),
        trust_env=False,
        follow_redirects=False,
        # Credentials share these connections; a cookie of one must not travel with another.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )
