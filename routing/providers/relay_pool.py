"""Connections of the relay, kept per event loop and upstream. As `pool`: no redirects, no cookies, nothing from the environment."""

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Hashable
from weakref import WeakKeyDictionary

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from routing.providers.base import Endpoint
from routing.providers.pool import MAX_UPSTREAMS, tls

KEEP_ALIVE_S = 15.0  # as the SDKs' connections
DNS_S = 60

_Sessions = OrderedDict[Hashable, aiohttp.ClientSession]
_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _Sessions] = WeakKeyDictionary()
_closing: set[asyncio.Task[None]] = set()


def session(endpoint: Endpoint) -> aiohttp.ClientSession:
    """The session of this upstream in the running loop. Credentials share its connections, and it keeps nothing of theirs."""
    sessions = _by_loop.setdefault(asyncio.get_running_loop(), OrderedDict())
    key = endpoint.kind, endpoint.base_url, endpoint.address
    found = sessions.get(key)
    if found is None:
        found = sessions[key] = _session(endpoint.address)
        _trim(sessions)
    else:
        sessions.move_to_end(key)
    return found


async def close_all() -> None:
    """Closes every connection of the running event loop."""
    sessions = _by_loop.pop(asyncio.get_running_loop(), None)
    for each in (sessions or {}).values():
        await each.close()


def _session(address: str | None) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        limit=0,  # how many calls one provider may have is dispatch's to limit
        keepalive_timeout=KEEP_ALIVE_S,
        ssl=tls(),
        resolver=_Pinned(address) if address else None,
        ttl_dns_cache=DNS_S,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        trust_env=False,
    )


def _trim(sessions: _Sessions) -> None:
    if len(sessions) > MAX_UPSTREAMS:
        task = asyncio.create_task(sessions.popitem(last=False)[1].close())
        _closing.add(task)
        task.add_done_callback(_closing.discard)


class _Pinned(AbstractResolver):
    """Every name is the checked address, whatever it resolves to by now. Host header and TLS keep the name."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._family = socket.AF_INET6 if ":" in address else socket.AF_INET

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [
            ResolveResult(hostname=host, host=self._address, port=port, family=self._family, proto=0, flags=numeric)
        ]

    async def close(self) -> None:
        """Nothing is held."""
