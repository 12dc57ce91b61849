"""The SDKs' requests over the relay's connections: an httpx2 transport that costs a quarter of its own (httpcore2, h11, anyio).

The SDKs build their requests and name the errors of answers as ever; only the bytes go another way. What cannot be sent or read is raised as
httpx2's own exceptions, which `providers.errors` knows.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator

import httpx2

from routing.providers.http1 import Broken, Response, Unpackable
from routing.providers.http1_head import head_of
from routing.providers.http1_pool import NoConnection, Upstream, connection, drop

_OF_CONNECTION = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})
_UNPACKED = frozenset(
    {"content-encoding", "content-length", "transfer-encoding"}
)  # no longer true of what is handed on
NO_LIMIT_S = 3600.0  # where a request names no timeout


class Transport(httpx2.AsyncBaseTransport):
    """To one upstream, at its checked address."""

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._to: Upstream | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Raises httpx2.HTTPError."""
        url, limits = request.url, request.extensions.get("timeout", {})
        read_s = limits.get("read") or NO_LIMIT_S
        until = asyncio.get_running_loop().time() + read_s
        try:
            sent = ((name.decode("ascii"), value.decode()) for name, value in request.headers.raw)
            headers = [each for each in sent if each[0].lower() not in _OF_CONNECTION]
            headers.append(("accept-encoding", "identity"))  # nothing is gained by packing what is read as it comes
            body = await request.aread()
            to = self._to = _upstream(url)
            head = head_of(url.raw_path.decode("ascii"), to.named, headers, len(body), request.method)
            connected = await connection(to, self._address, limits.get("connect") or NO_LIMIT_S)
            response = await connected.ask(head, body, until)
        except NoConnection as error:
            raise httpx2.ConnectError(str(error)) from error
        except TimeoutError:
            raise httpx2.ReadTimeout("") from None
        except (Broken, OSError, ssl.SSLError) as error:
            raise httpx2.RemoteProtocolError(str(error)) from error
        except ValueError as error:
            raise httpx2.LocalProtocolError(str(error)) from None
        # As bytes: httpx2 takes a str for ASCII, which a server's headers need not be.
        told = [(name.encode(), value.encode()) for name, value in response.headers.items() if name not in _UNPACKED]
        return httpx2.Response(response.status, headers=told, stream=_Body(response, read_s), request=request)

    async def aclose(self) -> None:
        if self._to is not None:
            drop(self._to, self._address)


def _upstream(url: httpx2.URL) -> Upstream:
    is_tls = url.scheme == "https"
    port = url.port or (443 if is_tls else 80)
    return Upstream(url.raw_host.decode("ascii"), port, is_tls, url.netloc.decode("ascii"), "")


class _Body(httpx2.AsyncByteStream):
    def __init__(self, response: Response, read_s: float) -> None:
        self._response, self._read_s = response, read_s

    async def __aiter__(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        try:
            while data := await self._response.some(loop.time() + self._read_s):
                yield data
        except TimeoutError:
            raise httpx2.ReadTimeout("") from None
        except Unpackable as error:
            raise httpx2.DecodingError(str(error)) from None
        except ConnectionError as error:
            raise httpx2.RemoteProtocolError(str(error)) from None

    async def aclose(self) -> None:
        self._response.close()
