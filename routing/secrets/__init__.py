"""Encryption of what must be kept and never shown: Fernet under CORTEX_ENCRYPTION_KEYS, the newest first.

How keys are changed is told in `rotation`.
"""

import hashlib
import hmac
from functools import cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class Unreadable(Exception):
    """A stored secret that none of the configured keys decrypts."""


@cache
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key.strip()) for key in keys])


def _current() -> MultiFernet:
    return _fernet(tuple(settings.ENCRYPTION_KEYS))


def encrypt(text: str) -> bytes:
    """The text as a Fernet token, for a column of `models._fields.Encrypted`."""
    return _current().encrypt(text.encode())


def decrypt(token: bytes | memoryview) -> str:
    """The text of a token that any of the keys made. Raises Unreadable otherwise."""
    try:
        return _current().decrypt(bytes(token)).decode()
    except InvalidToken as error:
        raise Unreadable(
            "A stored secret cannot be decrypted: the key that made it is missing from CORTEX_ENCRYPTION_KEYS."
        ) from error


def is_newest(token: bytes | memoryview) -> bool:
    """Whether the newest key made the token."""
    try:
        _fernet((settings.ENCRYPTION_KEYS[0],)).decrypt(bytes(token))
    except InvalidToken:
        return False
    return True


def rotate(token: bytes | memoryview) -> bytes:
    """The same secret under the newest key. Raises Unreadable when no key decrypts it."""
    try:
        return _current().rotate(bytes(token))
    except InvalidToken as error:
        raise Unreadable("A stored secret cannot be rotated: none of CORTEX_ENCRYPTION_KEYS decrypts it.") from error


def seals(message: str, purpose: str) -> tuple[str, ...]:
    """HMAC-SHA256 of the message under a key derived from each encryption key, newest first: sign with [0], accept any."""
    derived = (hmac.digest(key.strip().encode(), purpose.encode(), "sha256") for key in settings.ENCRYPTION_KEYS)
    return tuple(hmac.new(key, message.encode(), hashlib.sha256).hexdigest() for key in derived)
