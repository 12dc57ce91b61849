"""The table that a new installation begins with, and what the environment's keys make of it."""

import json
from pathlib import Path
from typing import Any

from django.db import transaction

from routing import audit, changes, credentials
from routing.audit import SYSTEM, Actor
from routing.models import Provider, Revision
from routing.versions import bump_state

SEED = Path(__file__).resolve().parent.parent / "seed.json"
LOCAL = "ollama"  # real as soon as it is switched on; it needs no key


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
    """Simulate the seeded providers while none of them is real; the names of those that are simulated.

    Real is one that has a key, and a local one that is switched on. With the first of them nothing is simulated any more: a real call
    that fails must never fall back to a made-up answer. Providers without a key are then not ready, and say so.
    """
    with transaction.atomic():
        ready = {access.provider for access in credentials.read_all() if access.secret is not None}
        local_is_real = Provider.objects.filter(slug=LOCAL, enabled=True).exclude(base_url="").exists()
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
