"""Whatever stands where a key should: refused with 401, never let in, never a 5xx."""

import random
from collections.abc import Iterator

import pytest
from django.db import OperationalError

from routing import clients
from tests.hostile.conftest import Api
from tests.hostile.front import Request, answers

HEADERS = (b"x-cortex-key", b"authorization", b"x-api-key")
ALPHABET = [bytes([each]) for each in range(256) if each not in b"\r\n\x00"]
ODD = [b"", b" ", b"\t", b"Bearer", b"Bearer ", b"bearer\tx", b"Basic Y2k6Y2k=", b"Bearer null", b"ck_", b"ck_" + b"a" * 47, b"' OR 1=1 --",
       b"%00", "ck_ключ".encode(), b"\xff\xfe", b"ck_" + b"A" * 100_000, b"Bearer " * 1_000, b"[]", b"{}", b"true", b"*", b"%"]  # fmt: skip


def fuzzed(key: bytes, count: int, seed: int) -> Iterator[tuple[bytes, bytes]]:
    """(header, value): noise, and a good key bent in one place."""
    chance = random.Random(seed)
    for value in ODD:
        for header in HEADERS:
            yield header, value
    for _ in range(count):
        way = chance.randrange(6)
        if way == 0:
            value = b"".join(chance.choices(ALPHABET, k=chance.randrange(80)))
        elif way == 1:
            value = b"Bearer " + b"".join(chance.choices(ALPHABET, k=chance.randrange(80)))
        elif way == 2:
            value = b"ck_" + b"".join(chance.choices(ALPHABET, k=47))
        else:
            place = chance.randrange(len(key))
            bent = {
                3: key[:place] + key[place + 1 :],
                4: key[:place] + chance.choice(ALPHABET) + key[place:],
                5: key[:place],
            }[way]
            value = chance.choice([b"", b"Bearer ", b"bearer  "]) + bent
        yield chance.choice(HEADERS), value


def is_the_key(value: bytes, key: bytes) -> bool:
    """A value that means the key after all: white space around it is not part of it."""
    _, _, token = value.partition(b" ")
    return key in (value.decode("latin-1").strip().encode(), token.decode("latin-1").strip().encode())


def refuse_all(api: Api, count: int, seed: int) -> None:
    key = api.key[1]
    tried = [pair for pair in fuzzed(key, count, seed) if not is_the_key(pair[1], key)]
    targets = (b"/api/v1/boot", b"/api/v1/route/explain", b"/api/v1/calls", b"/api/v1/dispatch")
    requests = [
        Request("POST" if target.endswith((b"explain", b"dispatch")) else "GET", target, (pair,), (b"{}",))
        for pair, target in zip(tried, targets * (len(tried) // 4 + 1), strict=False)
    ]
    for request, answer in zip(requests, answers(requests), strict=True):
        assert answer.status == 401, f"{request}: {answer.status} {answer.content[:200]!r}"
        assert answer.error["code"] == "unauthorized"
        assert b"www-authenticate" in answer.headers
        assert key not in answer.content


def test_two_thousand_bent_keys_open_nothing(api: Api) -> None:
    refuse_all(api, 2_000, seed=1)


@pytest.mark.soak
def test_twenty_thousand_bent_keys_open_nothing(api: Api) -> None:
    refuse_all(api, 20_000, seed=2)


def test_the_three_headers_open_the_same_door(api: Api) -> None:
    key = api.key[1]
    for header in (
        (b"x-cortex-key", key),
        (b"authorization", b"Bearer " + key),
        (b"x-api-key", key),
        (b"authorization", b"bearer  " + key),
    ):
        (answer,) = answers([Request("GET", b"/api/v1/boot", (header,))])
        assert answer.status == 200, header[0]


def test_a_bad_own_key_is_not_saved_by_a_good_one_beside_it(api: Api) -> None:
    """X-Cortex-Key decides alone where it stands: the other two belong to the client's own provider."""
    good = (b"authorization", b"Bearer " + api.key[1])
    (answer,) = answers([Request("GET", b"/api/v1/boot", ((b"x-cortex-key", b"ck_bad"), good))])
    assert answer.status == 401


def test_two_headers_of_one_name_are_no_key(api: Api) -> None:
    (answer,) = answers([Request("GET", b"/api/v1/boot", ((b"x-cortex-key", b"ck_bad"), api.key))])
    assert answer.status == 401


def test_a_prefix_or_a_hash_is_no_key(api: Api) -> None:
    key = api.key[1]
    for value in (key[:7], clients.digest(key.decode()).encode(), key.lower(), key.upper(), key + b"="):
        (answer,) = answers([Request("GET", b"/api/v1/boot", ((b"x-cortex-key", value),))])
        assert answer.status == 401, value


def test_with_postgresql_away_a_key_that_nobody_knows_is_503_not_a_defect(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(sha256s: object) -> None:
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(clients, "lookups", away)
    for method, target in (("GET", b"/api/v1/boot"), ("POST", b"/api/v1/dispatch")):
        (answer,) = answers([Request(method, target, ((b"x-cortex-key", b"ck_" + b"a" * 47),), (b"{}",))])
        assert (answer.status, answer.error["code"], answer.error["retryable"]) == (503, "unavailable", True)
        assert answer.headers[b"retry-after"] == b"5"
    for target in (
        b"/v1/chat/completions",
        b"/v1/messages",
        b"/v1/embeddings",
        b"/v1/responses/resp_1",
        b"/v1/models",
        b"/mcp",
    ):
        method = "GET" if target in (b"/v1/models", b"/v1/responses/resp_1") else "POST"
        (answer,) = answers([Request(method, target, ((b"x-cortex-key", b"ck_" + b"a" * 47),), (b"{}",))])
        assert (answer.status, answer.headers.get(b"retry-after")) == (503, b"5"), target
