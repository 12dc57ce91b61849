"""The head of a request, from what nobody has checked: no line of it ends early, and nothing but its length frames it."""

import re
from functools import lru_cache

_ADDRESS = re.compile(r"[!-~]+")
_CONTROL = re.compile(r"[\0-\x08\n-\x1f\x7f]")
_NAME = re.compile(r"(?!(?:host|content-length|transfer-encoding)$)[!#$%&'*+\-.^_`|~0-9a-z]+", re.IGNORECASE | re.ASCII)


def head_of(target: str, host: str, headers: list[tuple[str, str]], length: int, method: str = "POST") -> bytes:
    """The head of a request. Raises ValueError for what would end a line of it early, or frame the request otherwise than its length does."""
    lines = [f"{method} {target} HTTP/1.1", f"host: {host}", f"content-length: {length}"]
    lines += [f"{_name(name)}: {value}" for name, value in headers]
    # Nearly every head is printable, which is told ten times as fast as that there is no control character.
    if not "".join(lines).isprintable() and any(_CONTROL.search(line) for line in lines):
        raise ValueError("the address or a header holds a line break or another control character")
    if _ADDRESS.fullmatch(target) is None or _ADDRESS.fullmatch(host) is None:
        raise ValueError("the address is empty, or holds white or letters that are no ASCII")
    lines.append("\r\n")
    return "\r\n".join(lines).encode()


@lru_cache(512)  # the names that are sent hardly ever differ
def _name(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"{name[:40]!r} is no name of a header, or one that only the connection may say")
    return name
