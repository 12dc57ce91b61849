"""The relay's connections, kept per event loop and upstream. As `pool`: nothing queues here, nothing from the environment."""

import asyncio
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from routing.providers.base import Endpoint
from routing.providers.http1 import Connection
from routing.providers.pool import MAX_UPSTREAMS, tls

KEEP_ALIVE_S = 15.0  # as the SDKs' connections
MAX_IDLE = 64  # of one upstream; dispatch limits how many are in use


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


@dataclass(slots=True)
class _Kept:
    idle: list[Connection] = field(default_factory=list)  # the last one freed last
    sweep: asyncio.TimerHandle | None = None


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


async def connection(endpoint: Endpoint, to: Upstream, connect_s: float) -> Connection:
    """A free connection to the endpoint's upstream. Raises NoConnection and TimeoutError."""
    loop = asyncio.get_running_loop()
    pools = _by_loop.get(loop)
    if pools is None:
        pools = _by_loop[loop] = OrderedDict()
    key = to, endpoint.address
    kept = pools.get(key)
    if kept is None:
        kept = pools[key] = _Kept()
        if len(pools) > MAX_UPSTREAMS:
            _drop(pools.popitem(last=False)[1])
    else:
        pools.move_to_end(key)
    oldest = loop.time() - KEEP_ALIVE_S
    while kept.idle:
        found = kept.idle.pop()
        if found.is_free and found.freed_at > oldest:
            return found
        found.abort()
    made = await _opened(loop, to, endpoint.address, connect_s)
    made.keep_in(kept.idle)
    if kept.sweep is None:
        kept.sweep = loop.call_later(KEEP_ALIVE_S, _sweep, loop, kept)
    return made


async def _opened(loop: asyncio.AbstractEventLoop, to: Upstream, address: str | None, connect_s: float) -> Connection:
    """To the checked address, whatever the name resolves to by now; Host header and certificate keep the name."""
    try:
        async with asyncio.timeout(connect_s):
            _, made = await loop.create_connection(
                Connection,
                address or to.host,
                to.port,
                ssl=tls() if to.is_tls else None,
                server_hostname=to.host if to.is_tls else None,
            )
    except TimeoutError:
        raise NoConnection(f"no answer from {to.host}:{to.port} within {connect_s:g} s") from None
    except OSError as error:  # ssl's errors are OSErrors too
        raise NoConnection(error.strerror or str(error)) from error
    return made


def _sweep(loop: asyncio.AbstractEventLoop, kept: _Kept) -> None:
    """Close what nobody used for long. Idle connections stand in the order in which they were freed."""
    oldest = loop.time() - KEEP_ALIVE_S
    spare = [
        each for place, each in enumerate(kept.idle) if each.freed_at <= oldest or place < len(kept.idle) - MAX_IDLE
    ]
    for each in spare:
        kept.idle.remove(each)
        each.abort()
    kept.sweep = loop.call_later(KEEP_ALIVE_S, _sweep, loop, kept) if kept.idle else None


def _drop(kept: _Kept) -> None:
    if kept.sweep is not None:
        kept.sweep.cancel()
    for each in kept.idle:
        each.keep_in([])
        each.abort()
    kept.idle.clear()


async def close_all() -> None:
    """Closes every idle connection of the running event loop; one in use ends with its exchange."""
    for kept in _by_loop.pop(asyncio.get_running_loop(), _Pools()).values():
        _drop(kept)
    await asyncio.sleep(0)  # the transports say goodbye in the loop's next round
