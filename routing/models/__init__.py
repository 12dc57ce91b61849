"""The rows. One file a subject; use cases import the names from here."""

from routing.models.alerts import Alert
from routing.models.audit import AuditEvent, AuditHead
from routing.models.budgets import Budget, BudgetStep, Lease
from routing.models.calls import Attempt, Call, ImportFile, Label, WorkItem
from routing.models.clients import Client, ClientKey, IdempotencyClaim, LimitPool, ModelMapping
from routing.models.exploration import Exploration
from routing.models.jobs import Batch, BatchItem, JobRun
from routing.models.quotas import Curve, Quota, UsageAlert, UsageReading
from routing.models.revisions import Revision
from routing.models.state import Circuit, CircuitWindow, Cooldown, StateVersion
from routing.models.table import (
    CataloguePrice,
    Credential,
    Model,
    Price,
    Project,
    Provider,
    Route,
    RouteStep,
    Rule,
    TaskType,
)

__all__ = [
    "Alert",
    "Attempt",
    "AuditEvent",
    "AuditHead",
    "Batch",
    "BatchItem",
    "Budget",
    "BudgetStep",
    "Call",
    "CataloguePrice",
    "Circuit",
    "CircuitWindow",
    "Client",
    "ClientKey",
    "Cooldown",
    "Credential",
    "Curve",
    "Exploration",
    "IdempotencyClaim",
    "ImportFile",
    "JobRun",
    "Label",
    "Lease",
    "LimitPool",
    "Model",
    "ModelMapping",
    "Price",
    "Project",
    "Provider",
    "Quota",
    "Revision",
    "Route",
    "RouteStep",
    "Rule",
    "StateVersion",
    "TaskType",
    "UsageAlert",
    "UsageReading",
    "WorkItem",
]
