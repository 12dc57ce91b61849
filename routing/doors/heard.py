"""What a client has said: looked at, and read to its end only where another wire must be told it."""

from dataclasses import replace
from functools import cached_property

from routing.doors.exchange import Exchange
from routing.doors.relaying import raw_of
from routing.terms.request import Request
from routing.wire.base import Asked, Wire
from routing.wire.body import Body


class Heard:
    """One body over a wire. Raises Unreadable for one that must be read and cannot be."""

    def __init__(self, exchange: Exchange, body: Body, wire: Wire, name: str) -> None:
        self._reading = _Reading(wire, body)
        self.raw = raw = raw_of(exchange, body, name, read=self._reading.request)
        glanced = wire.glance(body.raw, raw)
        self.told: Asked = glanced or self.asked  # all that routing goes by
        self.request = glanced.request if glanced else replace(self.asked.request, raw=raw)

    @property
    def asked(self) -> Asked:
        """The whole of it."""
        return self._reading.asked


class _Reading:
    """It knows nothing of the `Raw` that asks it: held by one another, a call's body would stay until the collector comes by."""

    def __init__(self, wire: Wire, body: Body) -> None:
        self._wire, self._body = wire, body

    @cached_property
    def asked(self) -> Asked:
        return self._wire.read(self._body.fields)

    def request(self) -> Request:
        return self.asked.request
