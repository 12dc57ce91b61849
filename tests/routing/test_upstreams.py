"""Which addresses may be called: a corpus of what has fooled others, and not one connection."""

import socket

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from routing import upstreams

pytestmark = [pytest.mark.usefixtures("strict")]


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch, settings: object) -> None:
    """Nothing is allowed, and neither a resolver nor a socket is to be had."""
    settings.ALLOW_PRIVATE_UPSTREAMS = []  # type: ignore[attr-defined]

    def forbidden(*args: object, **named: object) -> None:
        raise AssertionError(f"a connection or look-up of {args}")

    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    monkeypatch.setattr(socket.socket, "connect", forbidden)


ADDRESSES = [
    "127.0.0.1",
    "127.0.0.2",
    "127.1.2.3",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.254",
    "100.100.100.200",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.254",
    "192.0.0.1",
    "192.0.0.8",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.254",
    "198.18.0.1",
    "198.19.255.254",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "::1",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:7f00:1",
    "::ffff:a9fe:a9fe",
    "::127.0.0.1",
    "::7f00:1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::1",
    "64:ff9b:1:fffe::a00:1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::",
    "2002:808:808::",
    "2001:0:7f00:1::",
    "2001::1",
    "2001:db8::1",
    "2001:10::1",
    "2001:20::1",
    "fc00::1",
    "fd00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::a9fe:a9fe",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "100::1",
    "5f00::1",
    "3fff::1",
]

DISGUISES = [
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://127.1/",
    "http://127.0.1/",
    "http://0/",
    "http://0x0/",
    "http://00/",
    "http://127.0.0.1./",
    "http://127.0.0.01/",
    "http://0x7f.0x0.0x0.0x1/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/",
    "http://169.254.43518/",
    "http://425.510.425.510/",
    "http://1.1.1.1.1/",
    "http://10.1/",
    "http://192.168.1/",
    "http://[::ffff:127.0.0.1]:11434/v1",
    "https://①②⑦.⓪.⓪.①/",
    "https://１２７.０.０.１/",
    "https://127。0。0。1/",
    "https://ｌｏｃａｌｈｏｓｔ/",
    "https://localhost/",
    "https://LOCALHOST/",
    "https://localhost./",
    "https://foo.localhost/",
    "https://db.internal/",
    "https://metadata.google.internal/",
    "https://printer.local/",
    "https://router.lan/",
    "https://nas.home.arpa/",
    "https://host.localdomain/",
    "https://wiki.intranet/",
    "https://kubernetes.default.svc.cluster.local/",
    "https://[fe80::1%25eth0]/",
    "https://[fe80::1%eth0]/",
    "https://[::1]/",
    "https://user@example.com/",
    "https://user:pass@example.com/",
    "https://example.com@127.0.0.1/",
    "https://127.0.0.1@example.com/",
    "https://example.com:pass@/",
    "https://@example.com/",
    "https://example.com#@127.0.0.1/",
    "https://example.com?@127.0.0.1/",
    "https://example.com\\@127.0.0.1/",
    "https:\\\\127.0.0.1/",
    "https://example.com%2f@127.0.0.1/",
    "https://example%2ecom/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "data:text/plain,x",
    "javascript:alert(1)",
    "//example.com/",
    "example.com",
    "https://",
    "https:///path",
    "http:/example.com",
    "https:example.com",
    "https://example.com:0/",
    "https://example.com:99999/",
    "https://example.com:port/",
    "https://redis:6379/",
    "https://[::1",
    "https://[]/",
    "https://[1.2.3.4]/",
    "https://[v1.fe]/",
    "unix:///run/x.sock",
    "http://example.com/",
    "ws://example.com/",
    "HTTPS://127.0.0.1/",
    "https://0177.0.0.1:443/v1",
    "https://1/",
]
WHITESPACE = [
    "https://example.com/a b",
    " https://example.com/",
    "https://example.com/\r\nX-Evil: 1",
    "https://exam\nple.com/",
    "https://exa\tmple.com/",
    "https://example.com/\0",
    "https://example.com/<x>",
    'https://example.com/"',
    "",
]
CORPUS = [f"https://[{one}]/v1" if ":" in one else f"https://{one}/v1" for one in ADDRESSES] + DISGUISES + WHITESPACE


def test_the_corpus_is_as_large_as_promised() -> None:
    assert len(set(CORPUS)) == len(CORPUS) >= 120


@pytest.mark.parametrize("url", CORPUS)
def test_a_dangerous_address_is_refused_before_any_look_up(url: str) -> None:
    assert upstreams.refusal(url)
    with pytest.raises(upstreams.Refused):
        upstreams.pin(url)


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_good_name_that_leads_to_a_bad_address_is_refused(address: str) -> None:
    with pytest.raises(upstreams.Refused, match="is not a public address"):
        upstreams.pin("https://api.example.com/v1", lambda host, port: ["93.184.215.14", address])


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://api.openai.com/v1", "api.openai.com", 443),
        ("https://API.Anthropic.com", "api.anthropic.com", 443),
        ("https://generativelanguage.googleapis.com/v1beta/openai", "generativelanguage.googleapis.com", 443),
        ("https://gateway.example.com:8443/a/b", "gateway.example.com", 8443),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443),
        ("https://localhost.example.com/", "localhost.example.com", 443),
    ],
)
def test_a_public_name_is_pinned_to_the_address_that_was_checked(url: str, host: str, port: int) -> None:
    asked: list[tuple[str, int]] = []

    def resolve(name: str, to: int) -> list[str]:
        asked.append((name, to))
        return ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"]

    pinned = upstreams.pin(url, resolve)
    assert (pinned.host, pinned.port, pinned.address) == (host, port, "93.184.215.14")
    assert asked == [(host, port)]  # once: a second answer could be another


def test_a_public_address_itself_is_good() -> None:
    assert not upstreams.refusal("https://8.8.8.8/v1")
    assert not upstreams.refusal("https://[2606:4700:4700::1111]/v1")


def test_an_operator_allows_a_host_and_port_and_no_other() -> None:
    with override_settings(ALLOW_PRIVATE_UPSTREAMS=["127.0.0.1:11434", "[::1]:8000", "gpu.local:80"]):
        assert upstreams.pin("http://127.0.0.1:11434/v1", lambda h, p: [h]).address == "127.0.0.1"
        assert not upstreams.refusal("http://[::1]:8000/v1")
        assert not upstreams.refusal("http://gpu.local/v1")
        assert upstreams.refusal("http://127.0.0.1:11435/v1")
        assert upstreams.refusal("https://127.0.0.2:11434/v1")
    with override_settings(ALLOW_PRIVATE_UPSTREAMS=["*"]):
        assert not upstreams.refusal("http://10.1.2.3:8000/v1")
        assert upstreams.refusal("ftp://10.1.2.3/")  # what is no address stays none


def test_a_name_that_nobody_knows_is_refused_in_a_sentence() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(upstreams.Refused, match=r"'api\.example\.com' cannot be resolved: Name or service not known"):
        upstreams.pin("https://api.example.com", unknown)


@given(st.text(max_size=60))
def test_no_text_is_an_error(text: str) -> None:
    upstreams.refusal(text)
    upstreams.refusal(f"https://{text}")
