"""Whether a model can be called now: its quota, its credentials, their cooldowns, its circuit."""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from routing.policy.health import Health, Rest
from routing.policy.moments import until
from routing.policy.table import Credential, Model, Provider
from routing.terms.words import CredentialKind, SkipReason


@dataclass(frozen=True, slots=True)
class Objection:
    reason: SkipReason
    detail: str
    until: datetime | None = None


def refusal(
    provider: Provider,
    model: Model,
    health: Health,
    now: datetime,
    kind: CredentialKind | None = None,
    zone: tzinfo = UTC,
) -> Objection | None:
    """Why the model cannot be called now (by a credential of the kind, where one is named); None when it can."""
    quota = health.quotas.get(model.quota) if model.quota else None
    if quota is not None and quota.holds(now):
        words = until(f"quota {model.quota} exhausted", quota.until, now, zone)
        return Objection(SkipReason.QUOTA_EXHAUSTED, words, quota.until)
    return _access_refusal(provider, model, health, now, kind, zone) or _circuit_refusal(
        provider, model, health, now, zone
    )


def callers_refusal(
    provider: Provider, model: Model, health: Health, now: datetime, name: str, zone: tzinfo = UTC
) -> Objection | None:
    """Why the model cannot be called now with the client's own credential of that name. No quota of ours counts its calls."""
    broken = health.not_ready.get((provider.slug, ""))
    if broken is not None:
        return Objection(SkipReason.NOT_READY, f"not reachable: {broken}")
    rest = _rest(health, provider.slug, name, model.slug, now)
    return _cooling(rest, now, zone) if rest else _circuit_refusal(provider, model, health, now, zone)


def credential_for(
    provider: Provider, model: Model, health: Health, now: datetime, kind: CredentialKind | None = None
) -> Credential | None:
    """The first credential that is ready and rested. None when there is none, or none is needed."""
    for credential in provider.credentials if _needs_credential(provider) else ():
        if kind not in (None, credential.kind) or (provider.slug, credential.name) in health.not_ready:
            continue
        if _rest(health, provider.slug, credential.name, model.slug, now) is None:
            return credential
    return None


def _needs_credential(provider: Provider) -> bool:
    return provider.needs_credential and not provider.simulate


def _access_refusal(
    provider: Provider, model: Model, health: Health, now: datetime, kind: CredentialKind | None, zone: tzinfo
) -> Objection | None:
    broken = health.not_ready.get((provider.slug, ""))
    if broken is not None:
        return Objection(SkipReason.NOT_READY, f"not reachable: {broken}")
    if not _needs_credential(provider):
        rest = _rest(health, provider.slug, "", model.slug, now)
        return _cooling(rest, now, zone) if rest else None
    if credential_for(provider, model, health, now, kind) is not None:
        return None
    eligible = [each for each in provider.credentials if kind in (None, each.kind)]
    if not eligible:
        return Objection(SkipReason.NOT_READY, f"has no {_named(kind)}")
    rests = [
        rest
        for each in eligible
        if (provider.slug, each.name) not in health.not_ready
        and (rest := _rest(health, provider.slug, each.name, model.slug, now)) is not None
    ]
    if rests:
        return _cooling(min(rests, key=lambda rest: (rest.until is None, rest.until)), now, zone)
    first = eligible[0].name
    words = f"credential {first} is not ready: {health.not_ready[provider.slug, first]}"
    tries = [health.renewals.get((provider.slug, each.name), now) for each in eligible]
    return Objection(SkipReason.NOT_READY, words, min((moment for moment in tries if moment > now), default=None))


def _circuit_refusal(provider: Provider, model: Model, health: Health, now: datetime, zone: tzinfo) -> Objection | None:
    broken = health.circuits.get((provider.slug, model.slug))
    if broken is None or broken.has_probe:
        return None
    if broken.retry_at <= now:  # over, but somebody has to find out first
        return Objection(SkipReason.CIRCUIT_OPEN, "circuit open after failures, about to be probed", broken.retry_at)
    words = until("circuit open after failures", broken.retry_at, now, zone)
    return Objection(SkipReason.CIRCUIT_OPEN, words, broken.retry_at)


def _rest(health: Health, provider: str, credential: str, model: str, now: datetime) -> Rest | None:
    """The longer rest of the credential with this model and of the whole credential; None when neither holds."""
    if not health.cooldowns:
        return None
    found = [health.cooldowns.get((provider, credential, name)) for name in (model, "")]
    holding = [rest for rest in found if rest is not None and rest.holds(now)]
    return max(holding, key=lambda rest: (rest.until is None, rest.until), default=None)


def _cooling(rest: Rest, now: datetime, zone: tzinfo) -> Objection:
    return Objection(SkipReason.COOLDOWN, until("cooling down", rest.until, now, zone), rest.until)


def _named(kind: CredentialKind | None) -> str:
    return {CredentialKind.API_KEY: "API key", CredentialKind.OAUTH: "OAuth credential"}.get(
        kind or CredentialKind.NONE, "credential"
    )
