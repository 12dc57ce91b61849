"""Whether a model can be called now: its quota, its credentials, their cooldowns, its circuit."""

from dataclasses import dataclass
from datetime import datetime

from routing.policy.health import Health, Rest
from routing.policy.table import Credential, Model, Provider
from routing.terms.words import CredentialKind, SkipReason


@dataclass(frozen=True, slots=True)
class Objection:
    reason: SkipReason
    detail: str
    until: datetime | None = None


def refusal(
    provider: Provider, model: Model, health: Health, now: datetime, kind: CredentialKind | None = None
) -> Objection | None:
    """Why the model cannot be called now (by a credential of the kind, where one is named); None when it can."""
    quota = health.quotas.get(model.quota) if model.quota else None
    if quota is not None and quota.holds(now):
        return Objection(SkipReason.QUOTA_EXHAUSTED, _until(f"quota {model.quota} exhausted", quota.until), quota.until)
    return _access_refusal(provider, model, health, now, kind) or _circuit_refusal(provider, model, health)


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
    provider: Provider, model: Model, health: Health, now: datetime, kind: CredentialKind | None
) -> Objection | None:
    broken = health.not_ready.get((provider.slug, ""))
    if broken is not None:
        return Objection(SkipReason.NOT_READY, broken)
    if not _needs_credential(provider):
        rest = _rest(health, provider.slug, "", model.slug, now)
        return _cooling(rest) if rest else None
    if credential_for(provider, model, health, now, kind) is not None:
        return None
    eligible = [each for each in provider.credentials if kind in (None, each.kind)]
    if not eligible:
        return Objection(SkipReason.NOT_READY, f"no {_named(kind)}")
    rests = [
        rest
        for each in eligible
        if (provider.slug, each.name) not in health.not_ready
        and (rest := _rest(health, provider.slug, each.name, model.slug, now)) is not None
    ]
    if rests:
        return _cooling(min(rests, key=lambda rest: (rest.until is None, rest.until)))
    return Objection(SkipReason.NOT_READY, health.not_ready[provider.slug, eligible[0].name])


def _circuit_refusal(provider: Provider, model: Model, health: Health) -> Objection | None:
    broken = health.circuits.get((provider.slug, model.slug))
    if broken is None or broken.has_probe:
        return None
    return Objection(
        SkipReason.CIRCUIT_OPEN, _until("circuit open after failures, next try", broken.retry_at), broken.retry_at
    )


def _rest(health: Health, provider: str, credential: str, model: str, now: datetime) -> Rest | None:
    """The longer rest of the credential with this model and of the whole credential; None when neither holds."""
    if not health.cooldowns:
        return None
    found = [health.cooldowns.get((provider, credential, name)) for name in (model, "")]
    holding = [rest for rest in found if rest is not None and rest.holds(now)]
    return max(holding, key=lambda rest: (rest.until is None, rest.until), default=None)


def _cooling(rest: Rest) -> Objection:
    return Objection(SkipReason.COOLDOWN, _until("cooling down", rest.until), rest.until)


def _until(what: str, moment: datetime | None) -> str:
    if moment is None:
        return what
    joint = " at" if what.endswith("try") else " until"
    return f"{what}{joint} {moment:%H:%M:%S} UTC" if moment.year < 9999 else what


def _named(kind: CredentialKind | None) -> str:
    return {CredentialKind.API_KEY: "API key", CredentialKind.OAUTH: "OAuth credential"}.get(
        kind or CredentialKind.NONE, "credential"
    )
