"""Connections to providers, kept per event loop and upstream. Nothing queues for one, nothing is read from the environment.

Connections belong to the loop that made them, so each loop has its own; `close_all` closes the running loop's.
"""

import asyncio
import ssl
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import httpx2

from routing.providers.http1 import Connection

KEEP_ALIVE_S = 15.0  # as the SDKs' connections
MAX_IDLE = 64  # of one upstream; dispatch limits how many are in use
MAX_UPSTREAMS = 64  # a name whose address rotates is an upstream for each; the longest unused goes first


class NoConnection(ConnectionError):
    """Nobody listens there, or not over TLS that can be trusted; in the words of the system."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where connections lead, and what stands before every path there."""

    host: str  # to connect to and to check the certificate against
    port: int
    is_tls: bool
    named: str  # as the Host header says it
    path: str  # of the base URL, without a slash at its end


class _Kept:
    """The idle connections of one upstream."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._idle: list[Connection] = []  # the last one freed last
        self._sweeping: asyncio.TimerHandle | None = None
        self._is_dropped = False  # nothing is kept any more: what is in use ends with its exchange

    def take(self) -> Connection | None:
        """The one that was free last, if it can still be asked."""
        oldest = self._loop.time() - KEEP_ALIVE_S
        while self._idle:
            found = self._idle.pop()
            if found.freed_at > oldest and found.is_quiet():
                return found
            found.abort()
        return None

    def put(self, freed: Connection) -> None:
        if self._is_dropped:
            freed.abort()
            return
        self._idle.append(freed)
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(KEEP_ALIVE_S, self._sweep)

    def drop(self) -> None:
        self._is_dropped = True
        if self._sweeping is not None:
            self._sweeping.cancel()
        self._end(len(self._idle))

    def _sweep(self) -> None:
        """End what nobody used for long, and what is too many, the longest unused first."""
        oldest = self._loop.time() - KEEP_ALIVE_S
        old = sum(each.freed_at <= oldest for each in self._idle)
        self._end(max(old, len(self._idle) - MAX_IDLE))
        self._sweeping = self._loop.call_later(KEEP_ALIVE_S, self._sweep) if self._idle else None

    def _end(self, many: int) -> None:
        for each in self._idle[:many]:
            each.abort()
        del self._idle[:many]


_Pools = OrderedDict[Hashable, _Kept]
_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _Pools] = WeakKeyDictionary()


@lru_cache(256)
def upstream(base_url: str) -> Upstream:
    """The parts of a base URL. Raises ValueError for what is none."""
    parts = urlsplit(base_url)
    host, is_tls = parts.hostname, parts.scheme == "https"
    path = parts.path.rstrip("/")
    if parts.scheme not in ("http", "https") or not host or not f"{host}{path}".isascii() or " " in base_url:
        raise ValueError("base_url is no http(s) address")
    named = parts.netloc.rpartition("@")[2]
    return Upstream(host, parts.port or (443 if is_tls else 80), is_tls, named, path)


async def connection(to: Upstream, address: str | None, connect_s: float) -> Connection:
    """A free connection to the upstream, at its checked address. Raises NoConnection."""
    loop = asyncio.get_running_loop()
    pools = _by_loop.get(loop)
    if pools is None:
        for ended in [each for each in _by_loop if each.is_closed()]:  # its connections hold it, so it would never go
            del _by_loop[ended]
        pools = _by_loop[loop] = OrderedDict()
    key = to, address
    kept = pools.get(key)
    if kept is None:
        kept = pools[key] = _Kept(loop)
        if len(pools) > MAX_UPSTREAMS:
            pools.popitem(last=False)[1].drop()
    else:
        pools.move_to_end(key)
    return kept.take() or await _opened(loop, to, address, connect_s, kept)


async def _opened(
    loop: asyncio.AbstractEventLoop, to: Upstream, address: str | None, connect_s: float, kept: _Kept
) -> Connection:
    """To the checked address, whatever the name resolves to by now; Host header and certificate keep the name."""
    try:
        async with asyncio.timeout(connect_s):
            _, made = await loop.create_connection(
                lambda: Connection(kept.put),
                address or to.host,
                to.port,
                ssl=tls() if to.is_tls else None,
                server_hostname=to.host if to.is_tls else None,
            )
    except TimeoutError:
        raise NoConnection(f"no answer from {to.host}:{to.port} within {connect_s:g} s") from None
    except OSError as error:  # ssl's errors are OSErrors too
        words = error.strerror or str(error) or f"{to.host}:{to.port} closed the connection"
        raise NoConnection(words) from error
    return made


def drop(to: Upstream, address: str | None) -> None:
    """Close the running loop's idle connections to the upstream; one in use ends with its exchange."""
    kept = _by_loop.get(asyncio.get_running_loop(), _Pools()).pop((to, address), None)
    if kept is not None:
        kept.drop()


@lru_cache(1)
def tls() -> ssl.SSLContext:
    """One context for all: to load the certificates takes some 20 ms."""
    return httpx2.create_ssl_context(trust_env=False)


async def close_all() -> None:
    """Closes every idle connection of the running event loop; one in use ends with its exchange."""
    for kept in _by_loop.pop(asyncio.get_running_loop(), _Pools()).values():
        kept.drop()
    await asyncio.sleep(0)  # the transports say goodbye in the loop's next round
