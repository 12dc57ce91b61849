"""The body of a relayed request: the client's own, but for the model's name and what the provider must be told otherwise."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from routing.providers.base import Endpoint
from routing.terms.raw import Raw

USAGE = {"include_usage": True}
MOST = ("max_tokens", "max_completion_tokens", "max_output_tokens")  # as each wire says how much may be written


def body_of(raw: Raw, endpoint: Endpoint, *, adds: bool = False) -> bytes:
    """The bytes to send: the client's, with the changed values cut in. `adds`: whether it `adds_usage`."""
    changes: dict[str, Any] = {"model": endpoint.upstream_id}
    if adds:
        options = raw.get("stream_options")
        changes["stream_options"] = {**(options if isinstance(options, Mapping) else {}), **USAGE}
    most = endpoint.max_output_tokens
    for name in MOST if most is not None else ():
        asked = raw.get(name)
        if isinstance(asked, int) and asked > (most or 0):  # a provider refuses more, and on a fallback nobody meant it
            changes[name] = most
    body = _cut_in(raw.body, raw.spans, changes) if raw.spans is not None else None
    return json.dumps({**raw.parsed(), **changes}).encode() if body is None else body


def adds_usage(raw: Raw, endpoint: Endpoint) -> bool:
    """Whether the provider is asked for the usage of a stream for our sake: its chunk is then not the client's."""
    if raw.wire != "openai_chat" or not raw.get("stream") or not endpoint.options.get("stream_usage", True):
        return False
    options = raw.get("stream_options")
    return not (isinstance(options, Mapping) and options.get("include_usage"))


_as_json = lru_cache(1024)(lambda name: json.dumps(name).encode())  # of upstream ids


def _cut_in(body: bytes, spans: Mapping[str, tuple[int, int]], changes: Mapping[str, Any]) -> bytes | None:
    """The body with these values in the places of the old ones, new fields at the end; None where that cannot be done."""
    if "model" not in spans:
        return None
    if len(changes) == 1:
        begin, end = spans["model"]
        return b"%b%b%b" % (body[:begin], _as_json(changes["model"]), body[end:])
    places = sorted((*spans[name], json.dumps(value).encode()) for name, value in changes.items() if name in spans)
    added = {name: value for name, value in changes.items() if name not in spans}
    parts, at = [], 0
    for begin, end, value in places:
        parts += [body[at:begin], value]
        at = end
    if added:
        last = body.rindex(b"}")  # of the object itself: what follows it is white
        parts += [body[at:last], b",", json.dumps(added)[1:-1].encode(), body[last:]]
    else:
        parts.append(body[at:])
    return b"".join(parts)
