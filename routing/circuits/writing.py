"""What a process has learned, written to PostgreSQL. Each is one compare-and-set: a later deadline stands, news is told once."""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from routing import alerts, audit, credentials, quotas
from routing.audit import Actor
from routing.models import Circuit as CircuitRow
from routing.models import Cooldown, Credential
from routing.policy.circuit import Circuit
from routing.terms.fault import Fault
from routing.terms.secret import Secret
from routing.terms.words import CircuitState, Severity
from routing.versions import bump_state

Cooling = tuple[str, str, str]  # provider, credential, model or ""
Served = tuple[str, str]  # provider, model

PROBE_LEASE_S = 30.0  # a worker that took the probe and died gives it up after that
CLOSED = {"state": CircuitState.CLOSED, "failures": 0, "openings": 0, "retry_at": None, "probe_until": None}

_OPEN = """
INSERT INTO routing_circuit (provider, model, state, failures, openings, opened_at, retry_at, probe_until, reason)
VALUES (%s, %s, 'open', %s, %s, %s, %s, NULL, %s)
ON CONFLICT (provider, model) DO UPDATE SET
    state = 'open', probe_until = NULL, reason = EXCLUDED.reason,
    openings = GREATEST(routing_circuit.openings, EXCLUDED.openings),
    opened_at = CASE WHEN routing_circuit.state = 'closed' THEN EXCLUDED.opened_at ELSE routing_circuit.opened_at END,
    retry_at = GREATEST(routing_circuit.retry_at, EXCLUDED.retry_at)
RETURNING opened_at
"""
_COUNT = """
INSERT INTO routing_circuit (provider, model, state, failures, openings, reason) VALUES (%s, %s, 'closed', %s, 0, '')
ON CONFLICT (provider, model) DO UPDATE SET failures = routing_circuit.failures + EXCLUDED.failures
RETURNING failures, state = 'closed'
"""
_COOLDOWN = """
INSERT INTO routing_cooldown (provider, credential, model, until, reason, error_kind, created_at)
VALUES (%s, %s, %s, %s, %s, %s, now())
ON CONFLICT (provider, credential, model) DO UPDATE SET
    until = EXCLUDED.until, reason = EXCLUDED.reason, error_kind = EXCLUDED.error_kind, created_at = now()
WHERE routing_cooldown.until < EXCLUDED.until
"""


def write_open(served: Served, circuit: Circuit, fault: Fault, now: datetime) -> None:
    reason = f"{fault.kind}: {fault.message}"[:300]
    with connection.cursor() as cursor:
        cursor.execute(_OPEN, [*served, circuit.failures, circuit.openings, now, circuit.retry_at, reason])
        (opened_at,) = cursor.fetchone() or (now,)
    # One alert an outage, not one a circuit: the nightly job asks how long each of them was.
    alerts.raise_alert(
        f"{circuit_alert(served)}:{opened_at.isoformat()}",
        kind="circuit",
        severity=Severity.INFO,
        title=f"{served[0]}:{served[1]} fails: its circuit is open",
        detail=reason,
        subject=f"model:{served[0]}:{served[1]}",
    )


def write_closed(served: Served) -> None:
    CircuitRow.objects.filter(provider=served[0], model=served[1]).update(**CLOSED)
    alerts.resolve_about("circuit", f"model:{served[0]}:{served[1]}")


def claim(served: Served, now: datetime) -> bool:
    """Take the probe of a circuit that may be tried again; False when another process holds it."""
    free = Q(probe_until=None) | Q(probe_until__lt=now)
    rows = CircuitRow.objects.exclude(state=CircuitState.CLOSED).filter(free, provider=served[0], model=served[1])
    lease = now + timedelta(seconds=PROBE_LEASE_S)
    return rows.filter(retry_at__lte=now).update(state=CircuitState.HALF_OPEN, probe_until=lease) == 1


def free_probe(served: Served) -> None:
    half_open = CircuitRow.objects.filter(provider=served[0], model=served[1], state=CircuitState.HALF_OPEN)
    half_open.update(state=CircuitState.OPEN, probe_until=None)


def count_failures(served: Served, failures: int) -> tuple[int, bool]:
    """Add to the failures in a row; (how many there are now over all processes, whether the circuit is closed)."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [*served, failures])
        total, is_closed = cursor.fetchone() or (failures, True)
    return total, is_closed


def end_streaks(answered: Collection[Served]) -> None:
    """Models that answered have no failures in a row any more. Row by row: two processes never wait for each other's."""
    if not answered:
        return
    counted = CircuitRow.objects.filter(state=CircuitState.CLOSED, failures__gt=0)
    for served in set(counted.values_list("provider", "model")).intersection(answered):
        counted.filter(provider=served[0], model=served[1]).update(failures=0)


def end_all(provider: str | None, by: Actor) -> int:
    """End every cooldown, circuit and not-ready mark of the provider, or of all; how many there were.

    Locks in the order in which others lock: rows, then their alerts, then the audit head, then the version.
    """
    of_provider = Q(provider=provider) if provider is not None else Q()
    by_slug = Q(provider__slug=provider) if provider is not None else Q()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('state reset'))")  # two resets lock no rows crosswise
        ended, _ = Cooldown.objects.filter(of_provider).delete()
        for served in list(_counted(of_provider).order_by("pk").values_list("provider", "model", "state")):
            write_closed(served[:2])
            ended += served[2] != CircuitState.CLOSED
        refused = list(Credential.objects.filter(by_slug, ready=False).values_list("pk", "name", "provider__slug"))
        for pk, name, slug in sorted(refused):
            ended += Credential.objects.filter(pk=pk, ready=False).update(**credentials.USABLE)
            alerts.resolve(credentials.alert_key(slug, name))
        audit.write("state.reset", f"provider:{provider}" if provider else "providers", by=by, after={"ended": ended})
        bump_state()
    return ended


def _counted(rows: Q) -> QuerySet[CircuitRow]:
    """Circuits that are open, or have failures in a row."""
    return CircuitRow.objects.filter(rows).exclude(state=CircuitState.CLOSED, failures=0)


def write_cooldown(cooling: Cooling, until: datetime, fault: Fault) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_COOLDOWN, [*cooling, until, fault.message[:300], fault.kind.value])


def write_quota(quota: str, until: datetime, fault: Fault) -> None:
    quotas.spend(quota, until, fault.message)


def write_refused(provider: str, credential: str, reason: str, status: int | None, secret: Secret | None) -> None:
    if credentials.refused(provider, credential, reason, status=status, shown=secret):
        credentials.raise_alert(provider, credential, f"{provider} refuses the credential '{credential}'", reason)


def circuit_alert(served: Served) -> str:
    """What the keys of its alerts begin with."""
    return f"circuit:{served[0]}:{served[1]}"
