"""Secrets in fields that are not made for them. They are looked for before anything of a document is kept, logged or repeated.

A table is read by everybody who may read, dumped into files and kept in every revision; only `secret` of a credential is encrypted.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping

MEND = "looks like a secret, and everybody who reads the table would see it; put it into `secret` of a credential"
HIDDEN = "…"  # in a path, for a name that is itself such a text
_OPEN = {"credentials": frozenset({"secret", "client_secret"})}  # section → the fields that are made for secrets
_SHORTEST = 16  # of a variable's value that is looked for: a shorter one may stand in any text by chance

# What vendors' keys begin with; each must hold a digit further on, so that "sk-learn-classification" is only a name.
_KEY = r"(?<![A-Za-z0-9])(?:sk|gsk|xai|pplx|nvapi|r8|hf|ghp|gho|ghs|github_pat|glpat|xox[abeprs]|ck)[-_]"
_SHAPES = re.compile(
    "|".join(
        (
            rf"{_KEY}(?=[A-Za-z0-9_-]*\d)[A-Za-z0-9_-]{{16,}}",
            r"(?<![A-Za-z0-9])AIza[A-Za-z0-9_-]{30,}",  # Google
            r"(?<![A-Za-z0-9])ya29\.[A-Za-z0-9_-]{20,}",  # Google's OAuth tokens
            r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}",  # AWS
            r"(?<![A-Za-z0-9])eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}",  # a signed token (JWT)
            r"-----BEGIN [A-Z ]*PRIVATE KEY",
            r"(?i:\bbearer\s+)(?=\S*\d)[A-Za-z0-9._~+/-]{16,}",
        )
    )
)
_VARIABLE = re.compile(r"(?:KEY|KEYS|TOKEN|SECRET|PASSWORD)$")


def is_secret(text: str) -> bool:
    """Whether the text holds what looks like a key of a vendor, or the value of one of this server's own secrets."""
    return _holds(text, _own_secrets())


def places(part: object, path: str, section: str = "") -> Iterator[str]:
    """The paths at which a secret stands outside the fields that are made for it; a field that is named by one is `…`."""
    own = _own_secrets()  # once: to read the whole environment for each field took longer than all the rest of a check
    pending: list[tuple[object, str]] = [(part, path)]  # no recursion: a document may be nested deeply
    while pending:
        value, place = pending.pop()
        if isinstance(value, str):
            if _holds(value, own):
                yield place
        elif isinstance(value, Mapping):
            open_here = _OPEN.get(section, ()) if value is part else ()
            for name in reversed(value):
                below = f"{place}.{HIDDEN if _holds(str(name), own) else name}".lstrip(".")
                pending.append((str(name), below))
                if name not in open_here:
                    pending.append((value[name], below))
        elif isinstance(value, list):
            pending += [(each, f"{place}[{index}]") for index, each in reversed(list(enumerate(value)))]


def shown(name: str) -> str:
    """The name of a field as a path may repeat it."""
    return HIDDEN if is_secret(name) else name


def _holds(text: str, own: Iterable[str]) -> bool:
    return _SHAPES.search(text) is not None or any(value in text for value in own)


def _own_secrets() -> list[str]:
    return [value for name, value in os.environ.items() if len(value) >= _SHORTEST and _VARIABLE.search(name)]
