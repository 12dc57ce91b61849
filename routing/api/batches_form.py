"""The body of a batch: dispatch bodies, all checked before any is kept."""

from typing import Annotated, Any

from ninja import Schema
from pydantic import ConfigDict, Field

from routing.api.dispatch_form import DispatchIn
from routing.batches import MOST_AT_ONCE, MOST_ITEMS


class BatchIn(Schema):
    """Calls to be made side by side, `concurrency` at a time."""

    model_config = ConfigDict(extra="forbid")

    items: Annotated[list[DispatchIn], Field(min_length=1, max_length=MOST_ITEMS)]
    concurrency: Annotated[int, Field(ge=1, le=MOST_AT_ONCE, strict=True)] = 4


def size_of(item: DispatchIn) -> int:
    """Bytes of the item as it was sent, near enough for an estimate of its tokens."""
    return len(item.model_dump_json(exclude_unset=True).encode())


def problem(position: int, field: str, words: str) -> dict[str, Any]:
    return {"field": f"items.{position}.{field}" if field else f"items.{position}", "problem": words}
