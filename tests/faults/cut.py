"""A wire to a server that can be cut, mended and overheard: a loopback port that passes bytes to the real server, or refuses."""

import contextlib
import socket
import threading
from types import TracebackType

from psycopg import ConnectionInfo


class Cut:
    """`with Cut("127.0.0.1", 6379) as wire:` — then `wire.port`, `wire.cut()`, `wire.mend()`. A host with a slash is PostgreSQL's directory.

    With `hears` it keeps what clients say: `heard` has the bytes of each connection, in the order in which they were made.
    """

    def __init__(self, host: str, port: int, *, hears: bool = False) -> None:
        self._host, self._server_port = host, port
        self._hears = hears
        self.heard: list[bytearray] = []
        self._pairs: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self.port = 0
        self.mend()

    def __enter__(self) -> "Cut":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()

    def mend(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """Refuse who comes, and drop who is there."""
        listener, self._listener = self._listener, None
        for end in (listener, *self._pairs):
            if end is not None:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
        self._pairs.clear()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = self._connect()
                self._pairs += [client, server]
                heard = bytearray() if self._hears else None
                if heard is not None:
                    self.heard.append(heard)
                for one, other, kept in ((client, server, heard), (server, client, None)):
                    threading.Thread(target=_pass, args=(one, other, kept), daemon=True).start()

    def _connect(self) -> socket.socket:
        if not self._host.startswith("/"):
            return socket.create_connection((self._host, self._server_port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{self._host}/.s.PGSQL.{self._server_port}")
        return server


def to_postgres(server: ConnectionInfo) -> tuple[Cut, str]:
    """A wire to that server, and the URL of its database over it."""
    wire = Cut(server.host, server.port)
    user = server.user + (f":{server.password}" if server.password else "")
    return wire, f"postgres://{user}@127.0.0.1:{wire.port}/{server.dbname}"


def _pass(one: socket.socket, other: socket.socket, heard: bytearray | None) -> None:
    with contextlib.suppress(OSError):
        while part := one.recv(65_536):
            if heard is not None:
                heard += part
            other.sendall(part)
    for end in (one, other):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
