"""Kinds of fields that the parts of a document are made of, with what each refuses."""

import re
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

from routing.terms.words import STANDARD_TIERS

_OWN_HEADERS = (
    "host",
    "connection",
    "content-length",
    "content-type",
    "transfer-encoding",
    "accept-encoding",
    "expect",
)


def _storable(text: str) -> str:
    if "\0" in text or (not text.isprintable() and any(0xD800 <= ord(char) <= 0xDFFF for char in text)):
        raise ValueError("has a character that cannot be stored")
    return text


def _not_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("not a number")
    return value


def _http(url: str) -> str:
    try:
        parts = urlsplit(url)
        named = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        named = False
    if not named or parts.query or parts.fragment:
        raise ValueError("not an http(s) address of the form https://host[:port]/path")
    if parts.username is not None:
        raise ValueError("holds a user name or password; what opens a provider goes to `secret` of a credential")
    return url


def _stripped(text: Any) -> Any:
    """Without the line break that comes along when a key is pasted: in a header it would be refused, far from here."""
    return text.strip() if isinstance(text, str) else text


def _of_a_provider(variable: str) -> str:
    if variable.startswith(("CORTEX_", "DJANGO_", "DATABASE_", "CELERY_", "EMAIL_")):
        raise ValueError("names a secret of this server, not of a provider")
    return variable


def _no_credential(header: str) -> str:
    if re.search("auth|key|token|secret|cookie|session", header.lower()):
        raise ValueError("may carry a secret: give it as the provider's credential, which is stored encrypted")
    if header.lower() in _OWN_HEADERS:
        raise ValueError("is set by the connection itself")
    return header


def _not_standard(tier: str) -> str:
    if tier in STANDARD_TIERS:
        raise ValueError("is what the price itself stands for")
    return tier


def plain(number: Decimal) -> str:
    """A decimal without exponent or idle zeros: "1.75", "50"."""
    return format(number.normalize(), "f")


Stored = AfterValidator(_storable)
NotBoolean = BeforeValidator(_not_boolean)
Word = Annotated[str, Field(max_length=24), Stored]
Line = Annotated[str, Field(max_length=120), Stored]
Sentence = Annotated[str, Field(max_length=200), Stored]
Note = Annotated[str, Field(max_length=4000), Stored]
Slug = Annotated[str, Field(max_length=120, pattern=r"^[a-z0-9][a-z0-9._/:@-]*$")]
ProviderSlug = Annotated[str, Field(max_length=120, pattern=r"^[a-z0-9][a-z0-9._/@-]*$")]
# "provider:model", or a model's slug or alias where only one has it
ModelName = Annotated[str, Field(max_length=241), Stored]
Url = Annotated[str, Field(max_length=500), Stored, AfterValidator(_http)]
# Names of variables that can only be meant as keys: a credential must not read the server's own secrets.
VARIABLE = r"^[A-Z][A-Z0-9_]*_(KEY|TOKEN)$"
Variable = Annotated[str, Field(max_length=120, pattern=VARIABLE), AfterValidator(_of_a_provider)]
Usd = Annotated[
    Decimal,
    NotBoolean,
    Field(ge=0, max_digits=20, decimal_places=10, allow_inf_nan=False),
    PlainSerializer(plain, return_type=str, when_used="json"),
]
ServiceTier = Annotated[str, Field(max_length=24, pattern=r"^[a-z0-9][a-z0-9_-]*$"), AfterValidator(_not_standard)]
HeaderName = Annotated[str, Field(max_length=60, pattern=r"^[A-Za-z][A-Za-z0-9-]*$"), AfterValidator(_no_credential)]
HeaderText = Annotated[str, Field(max_length=500, pattern=r"^[\x20-\x7e]*$")]
Seconds = Annotated[float, NotBoolean, Field(gt=0, le=86_400, allow_inf_nan=False)]
Share = Annotated[float, NotBoolean, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, NotBoolean, Field(ge=0, le=2_000_000_000)]
Entered = Annotated[str, BeforeValidator(_stripped), Field(max_length=20_000), Stored]  # what a person stores
