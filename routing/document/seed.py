"""The table that a new installation begins with, and what the environment's keys make of it."""

import json
import os
from pathlib import Path
from typing import Any

from django.db import transaction

from routing import audit, changes, credentials
from routing.audit import SYSTEM, Actor
from routing.document.table import Invalid
from routing.models import Provider, Revision
from routing.versions import bump_state

SEED = Path(__file__).resolve().parent.parent / "seed.json"
LOCAL = "ollama"  # its base_url comes from OLLAMA_BASE_URL


def load_seed(by: Actor = SYSTEM, *, force: bool = False) -> Revision | None:
    """Publish the seeds' table where nothing was ever published; None where something was: a table is the users' from then on.

    With `force` it is published anyway, over edits by hand; what the users added stays.
    """
    if not force and Revision.objects.exists():
        return None
    return changes.publish(read_seed(), by=by, reason="The table that Cortex begins with", source="seed")


def read_seed() -> dict[str, Any]:
    seed: dict[str, Any] = json.loads(SEED.read_text())
    return seed


def apply_environment(by: Actor = SYSTEM) -> list[str]:
    """Simulate the seeded providers while none of them has a key; the names of those that are simulated.

    With the first key nothing is simulated any more: a real call that fails must never fall back to a made-up answer. Providers
    without a key are then not ready, and say so. OLLAMA_BASE_URL gives the local provider its address and enables it.
    """
    _place_local(os.environ.get("OLLAMA_BASE_URL", "").strip(), by)
    with transaction.atomic():
        ready = {access.provider for access in credentials.read_all() if access.secret is not None}
        local_is_real = Provider.objects.filter(slug=LOCAL).exclude(base_url="").exists()
        simulate = not ready.intersection(seeded()) and not local_is_real
        simulated = []
        for row in Provider.objects.filter(slug__in=seeded()).order_by("slug"):
            if simulate:
                simulated.append(row.slug)
            if row.simulate != simulate:
                Provider.objects.filter(pk=row.pk).update(simulate=simulate)
                after = {"simulate": simulate}
                audit.write("provider.simulate", f"provider:{row.slug}", by=by, after=after)
                bump_state()
    return simulated


def seeded() -> list[str]:
    """The slugs of the seeds' providers."""
    return [provider["slug"] for provider in read_seed()["providers"]]


def _place_local(url: str, by: Actor) -> None:
    if not url:
        return
    base = url.rstrip("/")
    part = {"slug": LOCAL, "base_url": base if base.endswith("/v1") else f"{base}/v1", "enabled": True}
    if not Provider.objects.filter(slug=LOCAL).exclude(base_url=part["base_url"], enabled=True).exists():
        return
    try:
        changes.publish({"providers": [part]}, by=by, reason="OLLAMA_BASE_URL is set", source="environment")
    except Invalid as error:
        raise Invalid(type(problem)("OLLAMA_BASE_URL", problem.message) for problem in error.problems) from None
