"""Columns that several subjects share. Slugs, not foreign keys: a row must outlive what it names."""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models


def task_type() -> "models.CharField[str, str]":
    return models.CharField(max_length=120)


def model_key(**options: Any) -> "models.CharField[str, str]":
    """A model anywhere: "provider:model"."""
    return models.CharField(max_length=250, **options)


def counts() -> "ArrayField[list[int], list[int]]":
    return ArrayField(models.IntegerField(), default=list)
