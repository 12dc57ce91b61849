"""What a process has learned, written to PostgreSQL. Each is one compare-and-set: a later deadline stands, news is told once."""

from datetime import datetime

from django.db import connection

from routing import alerts, credentials, quotas
from routing.models import Circuit as CircuitRow
from routing.models import Quota
from routing.policy.circuit import Circuit
from routing.terms.fault import Fault
from routing.terms.secret import Secret
from routing.terms.words import CircuitState, Severity

Cooling = tuple[str, str, str]  # provider, credential, model or ""
Served = tuple[str, str]  # provider, model

CLOSED = {"state": CircuitState.CLOSED, "failures": 0, "openings": 0, "retry_at": None, "probe_until": None}

_OPEN = """
INSERT INTO routing_circuit (provider, model, state, failures, openings, opened_at, retry_at, probe_until, reason)
VALUES (%s, %s, 'open', %s, %s, %s, %s, NULL, %s)
ON CONFLICT (provider, model) DO UPDATE SET
    state = 'open', failures = EXCLUDED.failures, probe_until = NULL, reason = EXCLUDED.reason,
    openings = GREATEST(routing_circuit.openings, EXCLUDED.openings),
    opened_at = CASE WHEN routing_circuit.state = 'closed' THEN EXCLUDED.opened_at ELSE routing_circuit.opened_at END,
    retry_at = GREATEST(routing_circuit.retry_at, EXCLUDED.retry_at)
RETURNING opened_at
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
    alerts.resolve_all(f"{circuit_alert(served)}:")


def write_cooldown(cooling: Cooling, until: datetime, fault: Fault) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_COOLDOWN, [*cooling, until, fault.message[:300], fault.kind.value])


def write_quota(quota: str, until: datetime, fault: Fault) -> None:
    if Quota.objects.filter(slug=quota).exists():
        quotas.exhaust(quota, until, fault.message)


def write_refused(provider: str, credential: str, reason: str, status: int | None, secret: Secret | None) -> None:
    if credentials.refused(provider, credential, reason, status=status, shown=secret):
        credentials.raise_alert(provider, credential, f"{provider} refuses the credential '{credential}'", reason)


def circuit_alert(served: Served) -> str:
    """What the keys of its alerts begin with."""
    return f"circuit:{served[0]}:{served[1]}"
