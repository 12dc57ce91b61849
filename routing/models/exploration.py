from typing import Any

from django.conf import settings
from django.db import models

from routing.models._fields import usd


class Exploration(models.Model):
    """A budget for looking: a share of a task type's items goes to challengers, until the money or the date ends it. Fixed within a night."""

    task_type = models.ForeignKey("TaskType", models.CASCADE, related_name="explorations")
    share = models.FloatField()  # of items, split evenly over the challengers
    challengers: "models.ManyToManyField[Any, Any]" = models.ManyToManyField("Model", related_name="explorations")
    usd_cap = usd()
    spent_usd = usd(default=0)
    starts_on = models.DateField()  # UTC night from which the shares hold
    until = models.DateField()
    approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
