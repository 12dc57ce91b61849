"""Names of models that differ by their version or date alone: what one pattern of a client's mapping stands for."""

import re
from collections.abc import Iterable

from routing.policy.resolve import fits

# "claude-sonnet-5", "claude-opus-4-5-20250929": two words or more, then nothing but numbers.
_LINE = re.compile(r"(?P<line>[a-z]+(?:-[a-z]+)+)-\d+(?:[.-]\d+)*", re.IGNORECASE)
# "gpt-4o-2024-08-06", "claude-3-5-haiku-20241022": a name with its day.
_DATED = re.compile(r"(?P<name>.+)-20\d\d-?\d\d-?\d\d", re.DOTALL)
_SPECIAL = re.compile(r"[*?[]")


def pattern(name: str) -> str:
    """The pattern that suits the requested name: of its line where only numbers follow ("claude-sonnet-*"), of its dates
    ("gpt-4o-20*", which leaves gpt-4o-mini alone), else the name as it is. It always stands for the name itself.
    """
    if _SPECIAL.search(name):
        return literal(name)
    line = _LINE.fullmatch(name)
    if line:
        return f"{line['line']}-*"
    dated = _DATED.fullmatch(name)
    return f"{dated['name']}-20*" if dated else name


def literal(name: str) -> str:
    """The pattern that stands for this name alone, whatever characters it has."""
    return _SPECIAL.sub(lambda found: f"[{found[0]}]", name)


def families(names: Iterable[str]) -> dict[str, str]:
    """name → the pattern of its family; a name that another's pattern stands for as well belongs to that one."""
    known = sorted(set(names))
    patterns = sorted({pattern(name) for name in known}, key=lambda each: (len(each), each))
    return {name: next(each for each in patterns if fits(name, each)) for name in known}
