"""What is kept of an answer, sealed so that only the client's own key opens it.

Both keys here are derived (HKDF-SHA256) from the full text of the client's key. Cortex stores no more of that than its SHA-256, from which
neither can be had: who holds the database, and even CORTEX_ENCRYPTION_KEYS, reads nothing and can test no guess at a prompt.
"""

import hmac
import json
import os
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from routing.idempotency.claim import Name

_NONCE_BYTES = 12
Headers = tuple[tuple[bytes, bytes], ...]


class Unreadable(Exception):
    """Bytes that this key did not seal for this name, or that were changed since."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer as it went out."""

    status: int
    headers: Headers
    body: bytes


class Vault:
    """What one client key, as the client sent it, can seal and open."""

    def __init__(self, key: str) -> None:
        self._sealing, self._proving = (
            HKDF(SHA256(), 32, salt=None, info=purpose).derive(key.encode())
            for purpose in (b"cortex idempotency replay", b"cortex idempotency request")
        )

    def mac(self, parts: Iterable[bytes]) -> str:
        """HMAC-SHA256 of the parts, in hexadecimal; each is preceded by its length, so that none runs into the next."""
        made = hmac.new(self._proving, digestmod="sha256")
        for part in parts:
            made.update(len(part).to_bytes(8, "big"))
            made.update(part)
        return made.hexdigest()

    def seal(self, name: Name, kept: Kept) -> bytes:
        pairs = [[one.decode("latin-1"), other.decode("latin-1")] for one, other in kept.headers]
        head = json.dumps([kept.status, pairs]).encode()
        plain = zlib.compress(head + b"\n" + kept.body, 1)
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + AESGCM(self._sealing).encrypt(nonce, plain, name.digest.encode())

    def open(self, name: Name, sealed: bytes) -> Kept:
        """Raises Unreadable."""
        try:
            plain = AESGCM(self._sealing).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name.digest.encode())
        except (InvalidTag, ValueError):
            raise Unreadable from None
        head, _, body = zlib.decompress(plain).partition(b"\n")
        status, pairs = json.loads(head)
        return Kept(status, tuple((one.encode("latin-1"), other.encode("latin-1")) for one, other in pairs), body)
