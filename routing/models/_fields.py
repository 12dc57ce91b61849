"""Fields that several subjects share."""

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.core.validators import RegexValidator
from django.db import models

SLUG = RegexValidator(
    r"\A[a-z0-9][a-z0-9._/:@-]*\Z",
    "Use lower-case letters, digits and . _ - / : @, beginning with a letter or digit.",
)


def choices(words: Iterable[StrEnum]) -> list[tuple[str, str]]:
    return [(word.value, word.value.replace("_", " ")) for word in words]


def word(words: type[StrEnum], **options: Any) -> "models.CharField[str, str]":
    """A column that holds one word of a closed list."""
    return models.CharField(max_length=24, choices=choices(words), **options)


def slug(**options: Any) -> "models.CharField[str, str]":
    return models.CharField(max_length=120, validators=[SLUG], **options)


class Encrypted(models.BinaryField):  # type: ignore[type-arg]
    """A column that holds what `routing.secrets.encrypt` made. `manage.py secrets rotate` finds every one of them by this class."""

    def deconstruct(self) -> Any:
        """To a migration it is a column of bytes like any other."""
        name, _, args, options = super().deconstruct()
        return name, "django.db.models.BinaryField", args, options


def usd(**options: Any) -> "models.DecimalField[Decimal | int | str, Decimal]":
    """Money: ten decimals, because one cached token costs $0.00000003."""
    return models.DecimalField(max_digits=20, decimal_places=10, **options)


def usd_or_none(**options: Any) -> "models.DecimalField[Decimal | int | str | None, Decimal | None]":
    """Money that may be unknown: NULL is "unpriced", never 0."""
    return models.DecimalField(max_digits=20, decimal_places=10, null=True, blank=True, **options)
