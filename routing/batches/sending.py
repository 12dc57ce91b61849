"""A batch comes in: all of its items or none, encrypted, before anybody is told of it."""

from collections.abc import Sequence
from dataclasses import replace

from django.db import transaction
from django.utils import timezone

from routing import secrets
from routing.batches import messages
from routing.batches.bodies import written
from routing.batches.ending import KEEP
from routing.clients import Caller
from routing.dispatch import keyed
from routing.dispatch.asked import Wish
from routing.models import Batch, BatchItem, Client

MOST_ITEMS = 1_000
MOST_AT_ONCE = 32  # calls of one batch
MOST_OPEN = 100  # batches of one client that are not over
CONTEXT = "batch"  # the condition that holds for every call of a batch; a route may name it


class TooMany(Exception):
    """The client has as many batches open as it may."""


def submit(wishes: Sequence[Wish], caller: Caller, concurrency: int) -> Batch:
    """Keep the calls and have them made. Raises TooMany.

    When the broker is away the rows wait, and the watch of every minute has them run.
    """
    now = timezone.now()
    sealed = [secrets.encrypt(written(_in_a_batch(wish))) for wish in wishes]
    with transaction.atomic():
        client = Client.objects.select_for_update().get(slug=caller.client)
        if Batch.objects.filter(client=client, finished_at=None).count() >= MOST_OPEN:
            raise TooMany(f"{caller.client} has {MOST_OPEN} batches that are not over: wait for one, or cancel it.")
        batch = Batch.objects.create(
            client=client,
            key_prefix=caller.prefix,
            concurrency=concurrency,
            total=len(sealed),
            purge_at=now + KEEP,
        )
        items = (BatchItem(batch=batch, position=position, body=body) for position, body in enumerate(sealed))
        BatchItem.objects.bulk_create(items, batch_size=500)
        keyed.committing()
    messages.send(batch.pk)
    batch.refresh_from_db()
    return batch


def _in_a_batch(wish: Wish) -> Wish:
    """The condition comes last: one that the caller names, and that has a route of its own, goes before it."""
    return wish if CONTEXT in wish.context else replace(wish, context=(*wish.context, CONTEXT))
