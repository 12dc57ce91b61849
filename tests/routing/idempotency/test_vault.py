"""What is kept of an answer: whole for the key that sealed it, nothing for any other."""

import pytest

from routing.idempotency import Kept, Name, Unreadable, Vault

KEY, OTHER = "ck_aaaa" + "x" * 43, "ck_bbbb" + "x" * 43
NAME = Name("0" * 64, "k")


EVERY_BYTE = bytes(range(256))


@pytest.mark.parametrize(
    "kept",
    [
        Kept(200, ((b"content-type", b"application/json"), (b"x-odd", EVERY_BYTE)), b'{"a": "\xc3\xa9"}\n\n'),
        Kept(404, (), b""),
        Kept(599, ((b"a", b""), (b"a", b"b")), EVERY_BYTE * 5_000),
    ],
    ids=["an answer", "nothing", "any bytes"],
)
def test_what_was_sealed_is_opened_byte_for_byte(kept: Kept) -> None:
    assert Vault(KEY).open(NAME, Vault(KEY).seal(NAME, kept)) == kept


def test_no_other_key_no_other_name_and_no_change_opens_it() -> None:
    sealed = Vault(KEY).seal(NAME, Kept(200, (), b"secret"))
    assert b"secret" not in sealed
    for vault, name, content in (
        (Vault(OTHER), NAME, sealed),
        (Vault(KEY), Name("0" * 64, "l"), sealed),
        (Vault(KEY), Name("1" * 64, "k"), sealed),
        (Vault(KEY), NAME, sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (Vault(KEY), NAME, b""),
    ):
        with pytest.raises(Unreadable):
            vault.open(name, content)


def test_the_same_answer_is_never_sealed_alike() -> None:
    kept = Kept(200, (), b"secret")
    assert Vault(KEY).seal(NAME, kept) != Vault(KEY).seal(NAME, kept)


def test_requests_that_differ_have_different_codes() -> None:
    requests = ([b"ab"], [b"a", b"b"], [b"", b"ab"], [b"ab", b""], [b"b", b"a"], [], [b""], [b"\0" * 8], [b"", b""])
    codes = [vault.mac(each) for vault in (Vault(KEY), Vault(OTHER)) for each in requests]
    assert len(set(codes)) == len(codes)
    assert Vault(KEY).mac(requests[0]) == codes[0]
