"""Which upstream addresses may be called: resolved once, checked, and pinned to the checked address.

Private, link-local, metadata and translated ranges are refused unless CORTEX_ALLOW_PRIVATE_UPSTREAMS names the host:port (or `*`), or
OLLAMA_BASE_URL does: whoever sets the server's environment has allowed what stands there.
Python's `is_global` is not enough: it is True for NAT64, 6to4, 192.0.0.192 and 168.63.129.16.
"""

import ipaddress
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# What `is_global` lets through although it leads inside or speaks for another address.
_REFUSED = tuple(
    ipaddress.ip_network(block)
    for block in (
        "64:ff9b::/96",  # NAT64: the last 32 bits are an IPv4 address
        "64:ff9b:1::/48",  # local-use NAT64
        "2002::/16",  # 6to4
        "2001::/32",  # Teredo
        "::/96",  # IPv4-compatible
        "192.0.0.0/24",  # IETF protocol assignments; 192.0.0.192 is a cloud's metadata
        "192.88.99.0/24",  # 6to4 relays
        "168.63.129.16/32",  # Azure's host agent
        "100.100.100.200/32",  # Alibaba's metadata
        "fd00:ec2::/32",  # AWS metadata over IPv6
        "fec0::/10",  # site-local, deprecated
        "100::/64",  # discard
        "5f00::/16",  # segment routing
        "3fff::/20",  # documentation
    )
)
_LOCAL_NAMES = (".localhost", ".local", ".internal", ".localdomain", ".arpa", ".intranet", ".lan", ".home", ".corp")

Resolver = Callable[[str, int], Sequence[str]]


class Refused(Exception):
    """An upstream address that must not be called. The message says why and what would allow it."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """An upstream that may be called, and the one address that was checked."""

    scheme: str
    host: str  # as written, lower case: for the Host header and the certificate
    port: int
    address: str  # connect to this and nothing else


def refusal(url: str) -> str:
    """Why the URL cannot be an upstream, as far as can be said without a resolver; "" when nothing speaks against it."""
    try:
        scheme, host, port = _parts(url)
        if _is_allowed(host, port):
            return ""
        address = _literal(host)
        if address is None and _looks_numeric(host):
            raise Refused(f"'{host}' is a number in disguise; write the address plainly")
        if address is None and _is_local_name(host):
            raise Refused(_private(host, port, f"'{host}'"))
        if address is not None and not is_public(address):
            raise Refused(_private(host, port, str(address)))
        if scheme == "http":
            raise Refused(f"'{url}' would send the credential unencrypted; use https")
    except Refused as error:
        return str(error)
    return ""


def pin(url: str, resolve: Resolver | None = None) -> Pinned:
    """Resolve the URL's host once and give the address to connect to. Raises Refused when any of its addresses is private.

    One bad address among good ones refuses all: which one a later connection would take is the attacker's choice.
    """
    reason = refusal(url)
    if reason:
        raise Refused(reason)
    scheme, host, port = _parts(url)
    try:
        found = tuple((resolve or _resolve)(host, port))
    except OSError as error:
        raise Refused(f"'{host}' cannot be resolved: {error.strerror or error}") from error
    if not found:
        raise Refused(f"'{host}' has no address")
    if not _is_allowed(host, port):
        for text in found:
            if not is_public(ipaddress.ip_address(text.partition("%")[0])) or "%" in text:
                raise Refused(_private(host, port, text))
    return Pinned(scheme, host, port, found[0])


def authority(url: str) -> str:
    """host:port, lower case, as the settings name it; "" for what is no address."""
    try:
        _, host, port = _parts(url)
    except Refused:
        return ""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_public(address: Address) -> bool:
    """Whether the address is a public unicast one that speaks for nobody else."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    return not any(address in block for block in _REFUSED if block.version == address.version)


def _parts(url: str) -> tuple[str, str, int]:
    if not url.isascii() or any(char <= " " or char in '\\"<>^`{|}' for char in url):
        raise Refused("has characters that no address has")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise Refused(f"is no address: {error}") from error
    if parts.scheme not in ("http", "https") or not host:
        raise Refused("must begin with https:// (or http://) and a host")
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise Refused("must not hold a user name or password")
    if parts.query or parts.fragment or "%" in host:
        raise Refused("must be a host and a path, nothing more")
    if "[" in parts.netloc and not isinstance(_literal(host), ipaddress.IPv6Address):
        raise Refused("has brackets around what is no IPv6 address")
    if port == 0:
        raise Refused("port 0 is none")
    return parts.scheme, host, port or (443 if parts.scheme == "https" else 80)


def _is_allowed(host: str, port: int) -> bool:
    allowed = {entry.strip().lower() for entry in settings.ALLOW_PRIVATE_UPSTREAMS} | _named_local()
    named = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return "*" in allowed or named in allowed or f"{host}:{port}" in allowed


def _named_local() -> set[str]:
    """host:port of the local server that the environment names."""
    text = os.environ.get("OLLAMA_BASE_URL", "").strip()
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return set()
    return {f"{parts.hostname}:{port}"} if text and parts.hostname else set()


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_local_name(host: str) -> bool:
    """A name that only means something inside a network; one without a dot is completed by the resolver's search list."""
    name = host.rstrip(".")
    return "." not in name or name.endswith(_LOCAL_NAMES)


def _looks_numeric(host: str) -> bool:
    """A last label of digits or 0x…: getaddrinfo would read octal, hex and short forms as IPv4."""
    last = host.rstrip(".").rpartition(".")[2]
    return last.isdigit() or last.startswith("0x")


def _private(host: str, port: int, address: str) -> str:
    named = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return f"{address} is not a public address; an operator can allow it with CORTEX_ALLOW_PRIVATE_UPSTREAMS={named}"


def _resolve(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
