"""Whether a credential opens its provider, asked now: the provider's own list of models, without a token spent.

What is learned is written: a credential that was not ready is again, or one that is refused is not any more. An OAuth credential without
a good token asks for one first.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from routing import audit, credentials, upstreams
from routing.audit import Actor
from routing.credentials import Access, renewal
from routing.models import Provider
from routing.policy.errors import Rests, consequence
from routing.providers.base import Endpoint
from routing.providers.registry import adapter_for, close_all
from routing.terms.fault import Failed, Fault
from routing.terms.request import Timeouts
from routing.terms.secret import Secret
from routing.terms.words import CredentialKind, ErrorKind, ProviderKind

# Shorter than a call's: a person waits.
TIMEOUTS = Timeouts(connect_s=5, first_token_s=10, idle_s=10, total_s=20)


@dataclass(frozen=True, slots=True)
class Tested:
    """What a test brought."""

    access: Access  # as it is now
    ok: bool  # the provider answered and accepts it
    message: str  # a sentence for a person


def check(provider: str, name: str, *, by: Actor, now: datetime | None = None) -> Tested:
    """Ask the provider with this credential, and keep what that says of its readiness. Raises credentials.Unknown."""
    moment = now or timezone.now()
    access = credentials.read(provider, name, moment)
    if access.kind is CredentialKind.OAUTH and not access.ready:
        renewal.renew_now(provider, name, moment)
    ok, message = _asked(provider, name, moment)
    with transaction.atomic():
        audit.write("credential.test", f"credential:{provider}/{name}", by=by, after={"ok": ok})
    return Tested(credentials.read(provider, name, moment), ok, message)


def _asked(provider: str, name: str, now: datetime) -> tuple[bool, str]:
    secret, missing = credentials.material_now(provider, name, now)
    if missing:
        reason = credentials.read(provider, name, now).reason  # of one that the token server refused: its words
        return False, f"Nothing to ask {provider} with: {reason}."
    try:
        asyncio.run(_ping(_endpoint(provider, name, secret)))
    except upstreams.Refused as error:
        return False, f"{provider} is not asked: {error}."
    except Failed as error:
        return False, _failed(provider, name, error.fault)
    credentials.mark_ready(provider, name)
    return True, f"{provider} answers, and accepts the credential."


def _failed(provider: str, name: str, fault: Fault) -> str:
    said = " ".join(fault.message.split())[:200].rstrip(".")
    if consequence(fault).rests is not Rests.NOT_READY:
        return f"{provider} did not answer as it should, so nothing is known of the credential: {said}."
    reason = f"{fault.http_status or fault.kind}: {said}"
    if credentials.mark_not_ready(provider, name, reason):
        credentials.raise_alert(provider, name, f"{provider} refuses the credential '{name}'", reason)
    return f"{provider} refuses the credential. {reason}. Store another secret."


def _endpoint(provider: str, name: str, secret: Secret | None) -> Endpoint:
    row = Provider.objects.get(slug=provider)
    if not row.base_url and row.kind == ProviderKind.OPENAI_COMPATIBLE:
        raise upstreams.Refused("it has no base_url yet")
    return Endpoint(
        kind=ProviderKind(row.kind),
        provider=row.slug,
        upstream_id="",
        base_url=row.base_url or None,
        address=upstreams.pin(row.base_url).address if row.base_url else None,
        secret=secret,
        credential_kind=CredentialKind(row.credentials.get(name=name).kind),
        options=row.options,
    )


async def _ping(endpoint: Endpoint) -> None:
    try:
        async with asyncio.timeout(TIMEOUTS.total_s):
            await adapter_for(endpoint.kind).ping(endpoint, TIMEOUTS)
    except TimeoutError:
        raise Failed(Fault(ErrorKind.TIMEOUT, f"no answer within {TIMEOUTS.total_s:g} s")) from None
    finally:
        await close_all()
