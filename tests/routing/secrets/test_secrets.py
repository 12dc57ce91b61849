"""Encryption at rest: what one key made, a rotated set still reads, and another does not."""

import pytest
from cryptography.fernet import Fernet
from django.test import override_settings

from routing import secrets

OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))


@override_settings(ENCRYPTION_KEYS=[OLD])
def test_what_is_encrypted_comes_back_and_does_not_show() -> None:
    token = secrets.encrypt("sk-canary ü")
    assert secrets.decrypt(memoryview(token)) == "sk-canary ü"
    assert b"canary" not in token


def test_a_rotated_secret_needs_only_the_new_key() -> None:
    with override_settings(ENCRYPTION_KEYS=[OLD]):
        token = secrets.encrypt("sk")
    with override_settings(ENCRYPTION_KEYS=[NEW, OLD]):
        assert secrets.decrypt(token) == "sk"
        rotated = secrets.rotate(token)
    with override_settings(ENCRYPTION_KEYS=[NEW]):
        assert secrets.decrypt(rotated) == "sk"
        with pytest.raises(secrets.Unreadable, match="CORTEX_ENCRYPTION_KEYS"):
            secrets.decrypt(token)
        with pytest.raises(secrets.Unreadable):
            secrets.rotate(token)


def test_a_seal_is_known_again_under_every_key_that_is_left() -> None:
    with override_settings(ENCRYPTION_KEYS=[OLD]):
        (seal,) = secrets.seals("5:abc", "audit head")
    with override_settings(ENCRYPTION_KEYS=[NEW, OLD]):
        assert seal in secrets.seals("5:abc", "audit head")
        assert seal not in secrets.seals("6:abc", "audit head")
        assert seal not in secrets.seals("5:abc", "something else")
    with override_settings(ENCRYPTION_KEYS=[OTHER]):
        assert seal not in secrets.seals("5:abc", "audit head")
