"""Task types, projects and word rules: what callers may name, and what it means."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from routing.document import rows
from routing.views.access import page


@page()
def every(request: HttpRequest) -> HttpResponse:
    table, q = rows.dump(), request.GET.get("q", "").replace("\0", "").strip().lower()
    rules: dict[str, list[dict[str, Any]]] = {}
    for rule in sorted(table["rules"].values(), key=lambda each: each["position"]):
        rules.setdefault(rule["task_type"], []).append(rule)
    tasks = sorted(table["task_types"].values(), key=lambda each: (not each["enabled"], each["slug"]))
    routes: dict[str, int] = {}
    for route in table["routes"].values():
        if route["project"]:
            routes[route["project"]] = routes.get(route["project"], 0) + 1
    context = {
        "tasks": [(each, rules.get(each["slug"], [])) for each in tasks if _has(each, rules.get(each["slug"], []), q)],
        "total": len(tasks),
        "q": q,
        "projects": [(each, routes.get(each["slug"], 0)) for _, each in sorted(table["projects"].items())],
    }
    part = "#rows" if request.htmx else ""  # type: ignore[attr-defined]
    return render(request, f"routing/task_types.html{part}", context)


def _has(task: dict[str, Any], rules: list[dict[str, Any]], words: str) -> bool:
    told = " ".join(
        [task["slug"], task["name"], *task["aliases"], *task["wants"], *(rule["pattern"] for rule in rules)]
    )
    return all(word in told.lower() for word in words.split())
