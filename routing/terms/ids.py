"""Names of calls: UUIDv7, whose first 48 bits are milliseconds since 1970, so that an order by id is an order by time.

Source: RFC 9562, section 5.7.
"""

import os
import socket
from datetime import UTC, datetime, timedelta
from hashlib import blake2b, sha256
from uuid import UUID, uuid4

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def uuid7(moment: datetime, entropy: bytes | None = None) -> UUID:
    """A UUIDv7 of `moment`. `entropy` (10 bytes) makes it repeatable; without it the rest is random."""
    return UUID(int=(milliseconds(moment) << 80) | tail7(os.urandom(10) if entropy is None else entropy))


def tail7(entropy: bytes) -> int:
    """The lower 80 bits of a UUIDv7: version and variant set, the other 74 bits from `entropy` (10 bytes)."""
    return (int.from_bytes(entropy, "big") & 0x0FFF_3FFF_FFFF_FFFF_FFFF) | 0x7000_8000_0000_0000_0000


def milliseconds(moment: datetime) -> int:
    """Whole milliseconds since 1970, cut, not rounded."""
    return (moment - _EPOCH) // _MILLISECOND


def time_of(name: UUID) -> datetime | None:
    """When a UUIDv7 was made, to the millisecond; None for any other UUID."""
    if name.version != 7:
        return None
    try:
        return _EPOCH + (name.int >> 80) * _MILLISECOND
    except OverflowError:  # 48 bits reach the year 10889
        return None


def floor_of(moment: datetime) -> UUID:
    """The least id of `moment`: `id__gte=floor_of(since)` is "not before since". Before 1970 it is 0."""
    return UUID(int=max(milliseconds(moment), 0) << 80)


def stored_name(answer: str) -> str:
    """By what an answer that its provider keeps is known here: half a SHA-256 of its name, which nobody can turn back."""
    return sha256(answer.encode("utf-8", "replace")).hexdigest()[:32]


def item_of(task_type: str, client: str, thread: str) -> UUID:
    """The work item of a client's calls of one task type in one session; `thread` is the session, or the request id of a call without one.

    Computed, so that every process and every import names an item alike without asking.
    """
    return UUID(bytes=item_digest(task_type, client, thread))


def item_digest(task_type: str, client: str, thread: str) -> bytes:
    """The 16 bytes of `item_of`, for who writes many."""
    return blake2b(f"{task_type}\0{client}\0{thread}".encode("utf-8", "replace"), digest_size=16).digest()


def process_name() -> str:
    """A name for this process that no other on any host has, and none had before; its first parts are for people."""
    return f"{socket.gethostname()[:60]}:{os.getpid()}:{uuid4().hex[:8]}"
