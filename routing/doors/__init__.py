"""The wires that existing clients already speak: raw ASGI endpoints, past Django's middleware and past Django.

`application` serves /v1/* and /mcp. An exchange comes in, `routing.wire` reads its body, `naming` says what its model's name means, and
`routing.dispatch` does the rest.
"""

from routing.doors.front import application, overloaded, too_large
from routing.doors.idempotent import once

__all__ = ["application", "once", "overloaded", "too_large"]
