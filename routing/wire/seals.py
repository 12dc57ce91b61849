"""Thinking of one provider, carried through a client of another wire and back.

A client repeats what it was told. What one provider thought is worth something to that provider alone (its signature), and to
another it is an error: so whatever Cortex hands out of it bears a mark. The marked parts of a later body are opened where the
request is translated, and cut out where it is relayed.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

MARK = "cortex-thinking:"
_KINDS = {"thinking": ("thinking", "signature"), "redacted_thinking": ("data",)}


def sealed(block: Mapping[str, Any] | None = None) -> str:
    """A text that holds the block, for a field that clients repeat without reading. Without a block it is the mark alone."""
    return MARK + (b64encode(json.dumps(block).encode()).decode() if block and is_signed(block) else "")


def is_sealed(value: object) -> bool:
    return isinstance(value, str) and value.startswith(MARK)


def opened(value: str) -> dict[str, str] | None:
    """The block in a sealed text; None where it holds none. A client may have written anything into it: only texts are taken."""
    try:
        block = json.loads(b64decode(value.removeprefix(MARK), validate=True))
    except (ValueError, RecursionError):
        return None
    if not isinstance(block, dict) or not is_signed(block):
        return None
    return {"type": block["type"]} | {name: block[name] for name in _KINDS[block["type"]]}


def is_signed(block: Mapping[str, Any]) -> bool:
    """Whether the provider that wrote this thinking would take it back."""
    kind = block.get("type")
    names = _KINDS.get(kind) if isinstance(kind, str) else None
    if names is None or not all(isinstance(block.get(name), str) for name in names):
        return False
    return bool(block[names[-1]]) and not is_sealed(block[names[-1]])


def is_in(raw: bytes) -> bool:
    """Whether a body bears the mark; only then must it be parsed before it is relayed."""
    return MARK.encode() in raw


def unsealed(body: Mapping[str, Any]) -> dict[str, Any]:
    """A body of the messages or the responses wire without what bears the mark: what any provider of that wire takes."""
    kept = dict(body)
    if isinstance(body.get("input"), list):
        kept["input"] = [item for item in body["input"] if not _bears(item, "reasoning", "encrypted_content")]
    if isinstance(body.get("messages"), list):
        turns = [_unsealed_turn(turn) for turn in body["messages"]]
        kept["messages"] = [turn for turn in turns if turn is not None]
    return kept


def _unsealed_turn(turn: Any) -> Any:
    """The turn without marked blocks; None where nothing else was in it."""
    if not isinstance(turn, dict) or not isinstance(turn.get("content"), list):
        return turn
    content = [block for block in turn["content"] if not _bears(block, "thinking", "signature")]
    if not content and turn["content"]:
        return None
    return turn | {"content": content} if len(content) < len(turn["content"]) else turn


def _bears(part: Any, kind: str, name: str) -> bool:
    return isinstance(part, dict) and part.get("type") == kind and is_sealed(part.get(name))
