"""What a provider says of itself: whether it answers, and which models it serves. No token is spent, nothing is written.

The answer is the provider's present one, asked over the same checked address and with the same credential as a call.
"""

import asyncio
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from routing import credentials, upstreams
from routing.models import Provider
from routing.providers.base import Discovered, Endpoint
from routing.providers.registry import adapter_for, close_all
from routing.terms.fault import Failed, Fault
from routing.terms.request import Timeouts
from routing.terms.words import CredentialKind, ErrorKind, ProviderKind

# Shorter than a call's: a person waits, and a list of models needs no thinking.
TIMEOUTS = Timeouts(connect_s=3, first_token_s=10, idle_s=10, total_s=20)

_MENDS = {
    ErrorKind.CONNECT: "Is the server running there?",
    ErrorKind.TIMEOUT: "Is the server running there?",
    ErrorKind.AUTH: "It asks for a key: store it as the secret of a credential of this provider.",
    ErrorKind.CLIENT: "Does its address end where its wire begins, as http://127.0.0.1:11434/v1?",
    ErrorKind.MALFORMED: "Does its address end where its wire begins, as http://127.0.0.1:11434/v1?",
}


class Unknown(LookupError):
    """A provider that does not exist."""


class Unreachable(Exception):
    """The provider did not answer as one does. The message says what happened and what to do."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A provider that answered."""

    provider: str  # slug
    base_url: str | None  # where it was asked; None: the vendor's own address
    total_ms: float
    models: tuple[Discovered, ...]
    simulated: bool = False

    @property
    def served(self) -> tuple[str, ...]:
        """The names under which it serves models."""
        return tuple(each.upstream_id for each in self.models)


def ask(provider: str, base_url: str | None = None) -> Answered:
    """The models that the provider serves, by its address or, before it gets it, by another one.

    Raises Unknown, Unreachable, and upstreams.Refused for an address that may not be called.
    """
    endpoint = _endpoint(provider, base_url)
    begun = time.monotonic()
    try:
        models = asyncio.run(_models(endpoint))
    except Failed as error:
        raise Unreachable(_sentence(endpoint, error.fault)) from None
    return Answered(
        provider=provider,
        base_url=endpoint.base_url,
        total_ms=round((time.monotonic() - begun) * 1000, 1),
        models=models,
        simulated=endpoint.kind is ProviderKind.SIMULATED,
    )


def wire_url(text: str) -> str:
    """The address as the table keeps it: "127.0.0.1:11434" and "http://127.0.0.1:11434/" are http://127.0.0.1:11434/v1."""
    url = text.strip().rstrip("/")
    url = url if "://" in url else f"http://{url}"
    return url if urlsplit(url).path.strip("/") else f"{url}/v1"


async def _models(endpoint: Endpoint) -> tuple[Discovered, ...]:
    try:
        async with asyncio.timeout(TIMEOUTS.total_s):
            return await adapter_for(endpoint.kind).models(endpoint, TIMEOUTS)
    except TimeoutError:
        raise Failed(Fault(ErrorKind.TIMEOUT, f"no answer within {TIMEOUTS.total_s:g} s")) from None
    finally:
        await close_all()


def _endpoint(provider: str, base_url: str | None) -> Endpoint:
    row = Provider.objects.filter(slug=provider).first()
    if row is None:
        raise Unknown(f"There is no provider {provider!r}.")
    if row.kind == ProviderKind.SIMULATED or (row.simulate and base_url is None):
        return Endpoint(ProviderKind.SIMULATED, row.slug, "")
    url = base_url or row.base_url or None
    if url is None and row.kind == ProviderKind.OPENAI_COMPATIBLE:
        raise Unreachable(f"{provider} has no address yet: give its base_url, as http://127.0.0.1:11434/v1.")
    access = None
    if url == (row.base_url or None):  # a stored secret never goes to a new host
        found = credentials.ready_credentials()
        access = next((each for each in found if each.provider == provider and each.secret is not None), None)
    return Endpoint(
        kind=ProviderKind(row.kind),
        provider=row.slug,
        upstream_id="",
        base_url=url,
        address=upstreams.pin(url).address if url else None,
        secret=access.secret if access else None,
        credential_kind=access.kind if access else CredentialKind.NONE,
        options={name: value for name, value in row.options.items() if value is not None},
    )


def _sentence(endpoint: Endpoint, fault: Fault) -> str:
    said = " ".join(fault.message.split())[:300].rstrip(".")
    mend = _MENDS.get(fault.kind, "")
    return f"{endpoint.base_url or endpoint.provider} does not serve a list of models: {said}. {mend}".strip()
