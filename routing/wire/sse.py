"""One server-sent event, as every reader of lines takes it."""

import json
from collections.abc import Mapping
from typing import Any

# JSON lets these stand, but readers that split a text into lines, as Python does, would cut the event in two.
_ENDS = {"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def event(body: Mapping[str, Any], name: str = "") -> bytes:
    """The event with its name, where the wire names events. Half a surrogate pair becomes a question mark."""
    data = json.dumps(body, ensure_ascii=False)
    for sign, escaped in _ENDS.items():
        data = data.replace(sign, escaped)
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {data}\n\n".encode("utf-8", "replace")
