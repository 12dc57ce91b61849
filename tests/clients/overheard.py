"""What a client has put on the wire to Cortex, read from the bytes of its connections."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Sent:
    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes


def requests(connections: Iterable[bytes]) -> list[Sent]:
    """The requests of all connections, one connection after another. A body must have a content-length."""
    return [sent for each in connections for sent in _of(bytes(each))]


def _of(said: bytes) -> Iterator[Sent]:
    while said:
        head, _, rest = said.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
        assert "transfer-encoding" not in headers
        length = int(headers.get("content-length", "0"))
        method, path, _ = first.split(" ")
        yield Sent(method, path, headers, rest[:length])
        said = rest[length:]
