"""The routing table as proposals see it: whose turn it is now, and who could take it."""

from dataclasses import dataclass

from django.utils import timezone

from routing.models import Model, Route


@dataclass(frozen=True, slots=True)
class Arm:
    """A model as the table knows it now."""

    key: str
    version: int
    price: str  # which override holds; "" = the price list's
    can_dispatch: bool


def steps_after(steps: list[str], to_model: str) -> list[str]:
    """The proposed route: the new primary, then the old steps. A route without a fallback stays without."""
    return [to_model] if len(steps) == 1 else [to_model, *(step for step in steps if step != to_model)]


def current_routes() -> dict[str, list[str]]:
    """The global, unconditional route of each task type, "provider:model" in order."""
    routes = Route.objects.filter(project=None, condition="").select_related("task_type")
    routes = routes.prefetch_related("steps__model__provider")
    return {route.task_type.slug: [step.model.key for step in route.steps.all()] for route in routes}


def current_arms() -> dict[str, Arm]:
    """Every known model by "provider:model"."""
    today = timezone.now().date()
    return {
        model.key: Arm(
            key=model.key,
            version=model.version,
            price=next((f"override {price.pk}" for price in model.prices.all()), ""),
            can_dispatch=model.enabled
            and model.provider.enabled
            and (model.retire_at is None or model.retire_at > today),
        )
        for model in Model.objects.select_related("provider").prefetch_related("prices")
    }
