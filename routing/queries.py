"""What the state is, for pages, the API and the terminal alike: explain, pre-flight, status, boot. From the snapshot of this process."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from routing import alerts, budgets, gauges, snapshot
from routing.clients import Caller
from routing.dispatch.arms import in_session
from routing.policy import resolve
from routing.policy.health import Rest
from routing.policy.plan import plan
from routing.policy.table import Credential, Model
from routing.snapshot import Snapshot
from routing.terms.candidate import Candidate, Skipped
from routing.terms.request import Ask
from routing.terms.words import CircuitState, SkipReason

MOST_ALERTS = 20


def explain(ask: Ask, session: str = "") -> dict[str, Any]:
    """The undrawn plan of an ask, and in a session that began with another model its own: `POST /route/explain`.

    Raises resolve.Unknown or resolve.Ambiguous for its override.
    """
    made = in_session(snapshot.current(), ask, ask.client, session, datetime.now(UTC))
    return {
        "task_type": ask.task_type,
        "candidates": [_candidate(rank, each) for rank, each in enumerate(made.candidates, 1)],
        "skipped": [_skipped(each) for each in made.skipped],
        "shares": {model: round(share, 9) for model, share in made.shares},
        "reason": made.reason,
        "source": made.source,
        "route": made.source_route or None,
        "warnings": [{"short": each.short, "text": each.text} for each in made.warnings],
        "revision": made.revision,
    }


def preflight(task: str, caller: Caller | None = None) -> dict[str, Any]:
    """Whether the task could be dispatched now (by the caller), to which model, and what else there is. Raises resolve.Unknown."""
    known = snapshot.current()
    ask = Ask(resolve.task_type(known.table, task))
    if caller is not None:
        ask = replace(
            ask,
            project=caller.project,
            allowed_models=caller.allowed_models,
            client=caller.client,
            scopes=caller.budgets,
        )
    slug, made = ask.task_type, known.plan(ask, datetime.now(UTC))
    return {
        "ok": bool(made.candidates),
        "task_type": slug,
        "model": made.candidates[0].key if made.candidates else None,
        "reason": made.reason,
        "alternatives": [each.key for each in made.candidates[1:]],
        "skipped": [_skipped(each) for each in made.skipped if each.reason is not SkipReason.NOT_IN_ROUTE],
    }


def status() -> dict[str, Any]:
    """Everything that rests, is broken, full or spent, with the seconds that are left."""
    known, now = snapshot.fresh(), datetime.now(UTC)
    health, tried = known.health, gauges.statistics(now)
    return {
        "revision": known.table.revision,
        "read_at": known.read_at.isoformat(),
        "providers": [_provider(known, slug, tried.get(slug)) for slug in known.table.providers],
        "models": [_model(known, model, now) for model in known.table.models.values()],
        "cooldowns": [
            {"provider": provider, "credential": credential, "model": model or None, **_rest(rest, now)}
            for (provider, credential, model), rest in sorted(health.cooldowns.items())
            if rest.holds(now)
        ],
        "circuits": [
            {
                "provider": provider,
                "model": model,
                "state": CircuitState.HALF_OPEN if broken.has_probe else CircuitState.OPEN,
                "retry_at": broken.retry_at.isoformat(),
                "seconds_left": gauges.seconds(broken.retry_at, now),
                "reason": broken.reason,
            }
            for (provider, model), broken in sorted(health.circuits.items())
        ],
        "quotas": gauges.every_quota(now),
        "usage": gauges.usage_now(now),
        "degradation": gauges.degradation(known, now),
        "budgets": [
            {
                "scope": each.scope,
                "monthly_usd": format(each.limit.normalize(), "f"),
                "at_limit": each.at_limit,
                **each.told(),
            }
            for each in budgets.standings(now)
        ],
        "alerts": [
            {
                "key": alert.key,
                "kind": alert.kind,
                "severity": alert.severity,
                "title": alert.title,
                "created_at": alert.created_at.isoformat(),
            }
            for alert in alerts.open_alerts()[:MOST_ALERTS]
        ],
    }


def boot() -> dict[str, Any]:
    """The summary a session reads before it begins: is it safe to start, what may it use, what must it know."""
    known, state = snapshot.fresh(), status()
    tasks = {
        slug: preflight(slug)
        for slug, task in known.table.task_types.items()
        if task.enabled and (slug, None, "") in known.table.routes
    }
    blocked = [slug for slug, found in tasks.items() if not found["ok"] and not _is_switched_off(found)]
    return {
        "ok": bool(tasks) and not blocked,
        "blocked_tasks": blocked,
        "recommended": {slug: found["model"] for slug, found in tasks.items()},
        "available_models": [each["model"] for each in state["models"] if each["available"]],
        "degradation": state["degradation"],
        "not_ready": [each["provider"] for each in state["providers"] if not each["ready"]],
        "credentials": [
            {"provider": provider["provider"], **each}
            for provider in state["providers"]
            if provider["enabled"] and not provider["simulated"]
            for each in provider["credentials"]
            if not each["ready"] or each["problem"]
        ],
        **{part: state[part] for part in ("revision", "cooldowns", "circuits", "quotas", "usage", "alerts")},
    }


def _is_switched_off(found: dict[str, Any]) -> bool:
    """Whether every step of the task's route was disabled by a person: that is no fault."""
    return all(each["reason"] == SkipReason.DISABLED for each in found["skipped"])


def _provider(known: Snapshot, slug: str, tried: dict[str, Any] | None) -> dict[str, Any]:
    provider, not_ready = known.table.providers[slug], known.health.not_ready
    credentials = [_credential(known, slug, each) for each in provider.credentials]
    is_reachable = (slug, "") not in not_ready
    has_access = not provider.needs_credential or provider.simulate or any(each["ready"] for each in credentials)
    return {
        "provider": slug,
        "kind": provider.kind,
        "enabled": provider.enabled,
        "simulated": provider.simulate,
        "ready": provider.enabled and is_reachable and has_access,
        "reason": not_ready.get((slug, "")) or (None if has_access else "no credential is ready"),
        "credentials": credentials,
        "last_hour": tried or {"attempts": 0, "ok": 0, "errors": 0, "rate_limited": 0, "last_at": None},
    }


def _credential(known: Snapshot, provider: str, each: Credential) -> dict[str, Any]:
    """`until` is when one that is not ready is tried again by itself; without it a person must act. `problem` keeps one from being renewed."""
    reason, access = known.health.not_ready.get((provider, each.name)), known.accesses.get((provider, each.name))
    return {
        "name": each.name,
        "kind": each.kind,
        "ready": reason is None,
        "reason": reason,
        "until": access.until.isoformat() if access and access.until else None,
        "expires_at": access.expires_at.isoformat() if access and access.expires_at else None,
        "problem": (access.problem or None) if access else None,
    }


def _model(known: Snapshot, model: Model, now: datetime) -> dict[str, Any]:
    """Whether the model could be called now if somebody named it."""
    made = plan(known.table, Ask("", override=model.key, fallback="none"), known.health, now)
    objection = next((each for each in made.skipped if each.key == model.key), None)
    if objection is not None and objection.reason is SkipReason.WRONG_KIND:
        objection = None  # nobody asked for a chat here
    return {
        "model": model.key,
        "tier": model.tier or None,
        "role": model.role or None,
        "available": objection is None,
        "reason": objection.reason if objection else None,
        "detail": objection.detail if objection else None,
        "until": objection.until.isoformat() if objection and objection.until else None,
        "seconds_left": gauges.seconds(objection.until, now) if objection else None,
        "priced": model.key in known.rates,
    }


def _candidate(rank: int, candidate: Candidate) -> dict[str, Any]:
    return {
        "rank": rank,
        "provider": candidate.provider,
        "model": candidate.model,
        "upstream_id": candidate.upstream_id,
        "credential_kind": candidate.credential_kind,
        "role": candidate.role,
        "simulated": candidate.kind == "simulated",
        "reason": candidate.reason,
    }


def _skipped(skipped: Skipped) -> Mapping[str, Any]:
    return {
        "provider": skipped.provider,
        "model": skipped.model,
        "reason": skipped.reason,
        "detail": skipped.detail,
        "until": skipped.until.isoformat() if skipped.until else None,
    }


def _rest(rest: Rest, now: datetime) -> dict[str, Any]:
    return {
        "until": rest.until.isoformat() if rest.until else None,
        "seconds_left": gauges.seconds(rest.until, now),
        "reason": rest.reason,
    }
