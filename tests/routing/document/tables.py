"""A small table, and the shorthands that these tests share."""

from typing import Any

import pytest

from routing import document
from routing.audit import SYSTEM, Actor

PERSON = Actor("anna")

SMALL: dict[str, Any] = {
    "providers": [{"slug": "openai", "kind": "openai"}],
    "credentials": [{"provider": "openai", "name": "main", "env": "OPENAI_API_KEY"}],
    "models": [
        {"provider": "openai", "slug": "codex", "upstream_id": "gpt-6.1-sol", "aliases": ["gpt-codex"]},
        {"provider": "openai", "slug": "small", "upstream_id": "gpt-6-luna"},
        {"provider": "openai", "slug": "embed", "upstream_id": "text-embedding-3-small", "kind": "embedding"},
    ],
    "task_types": [{"slug": "coding", "name": "Coding"}, {"slug": "vectors", "name": "Vectors", "kind": "embedding"}],
    "routes": [{"task_type": "coding", "steps": ["openai:codex", "openai:small"]}],
}


def problems_of(raw: object, **how: Any) -> list[str]:
    """What a load of it is refused for."""
    with pytest.raises(document.Invalid) as caught:
        document.load(raw, by=SYSTEM, **how)
    return [str(problem) for problem in caught.value.problems]


def with_part(section: str, **part: Any) -> dict[str, Any]:
    return {section: [part]}
