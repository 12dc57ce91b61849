"""Every address that Cortex serves, as Django's resolver has them."""

from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, get_resolver

SAMPLES = {"int": "1", "number": "1", "week": "2026-W47", "request_id": "0" * 8 + "-0000-7000-8000-" + "0" * 12}


def console() -> Iterator[str]:
    """The names of what stands outside /api."""
    for _, name in _walk(get_resolver(), ""):
        if not name.startswith("api:"):
            yield name


def operations() -> Iterator[tuple[str, str]]:
    """(method, path) of the API, paths with {names}."""
    from cortex.api import api

    for path, methods in api.get_openapi_schema()["paths"].items():
        for method in methods:
            yield method.upper(), path.removeprefix("/api/v1")


def filled(path: str) -> str:
    """A path with something in its places; nothing of it need be there."""
    parts = [SAMPLES.get(part[1:-1], "x") if part.startswith("{") else part for part in path.split("/")]
    return "/".join(parts)


def pages() -> dict[str, str]:
    """The console's own pages and actions: name → an address of it."""
    from django.urls import reverse

    found = {}
    for pattern, name in _walk(get_resolver(), ""):
        module = pattern.callback.__module__
        if module.startswith(("routing.views", "analytics.views")):
            names = pattern.pattern.converters
            found[name] = reverse(name, kwargs={each: _sample(each, names[each]) for each in names})
    return found


def _sample(name: str, converter: Any) -> Any:
    if type(converter).__name__ == "IntConverter":
        return 1
    return {
        "task": "vibe_coding",
        "slug": "vibe_coding",
        "form": "csv",
        "section": "models",
        "key": "openai:codex",
    }.get(name, SAMPLES.get(name, "x"))


def _walk(resolver: Any, space: str) -> Iterator[tuple[URLPattern, str]]:
    for each in resolver.url_patterns:
        if isinstance(each, URLPattern):
            yield each, space + (each.name or str(each.pattern))
        else:
            yield from _walk(each, f"{each.namespace}:" if each.namespace else space)
