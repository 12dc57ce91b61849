"""Parts into rows, one function a section. Called by `routing.changes` inside its transaction, for the parts that differ."""

from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from django.db.models import F
from django.utils import timezone

from routing import alerts
from routing import models as rows
from routing.credentials import EMPTY, alert_key
from routing.document import rows as columns
from routing.document.table import Part, Table, changed_keys


class Writer:
    """Writes the differences between two tables. `stamp` is the hand's: the time of an edit, None for a file, False to leave it."""

    def __init__(self, before: Table, after: Table, now: datetime, stamp: datetime | bool | None) -> None:
        self.before, self.after, self.now = before, after, now
        self.edited: dict[str, Any] = {} if stamp is False else {"edited_at": stamp}
        self._ids: dict[Any, dict[str, int]] = {}  # by table: what a part is called → its row

    def write(self) -> None:
        """New and changed parts in the order of SECTIONS, then what is gone, the other way round."""
        changed = changed_keys(self.before, self.after)
        for section, key in changed:
            if key in self.after[section]:
                _WRITERS[section](self, self.after[section][key], self.before[section].get(key))
        for section, key in reversed(changed):
            if key not in self.after[section]:
                _delete(section, self.before[section][key], self.now)

    def provider(self, part: Part, old: Part | None) -> None:
        values = {name: part[name] for name in columns.PROVIDER if name != "slug"}
        options = {name: value for name, value in part["options"].items() if value is not None}
        values |= {"base_url": part["base_url"] or "", "options": options, **self.edited}
        row = self._put(rows.Provider, {"slug": part["slug"]}, values, old)
        if old is not None and moves(old, part):
            # A stored secret never goes to a new host.
            rows.Credential.objects.filter(provider_id=row).exclude(secret=None).update(
                **EMPTY, ready=False, not_ready_reason="the provider's address changed"
            )

    def credential(self, part: Part, old: Part | None) -> None:
        values = {"kind": part["kind"], "env": part["env"] or "", "oauth": part["oauth"] or {}}
        values["priority"] = part["priority"]
        if old is not None and asks_elsewhere(old, part):
            # What was stored for another token server, or is another kind of secret, must not go there.
            values |= EMPTY
        elif old is not None and old["oauth"] != part["oauth"]:
            values |= {"refresh_at": self.now}  # a token of another scope or audience
        if part["env"] and old is not None and old["env"] != part["env"]:
            values |= {"ready": True, "not_ready_reason": ""}
        named = {"provider_id": self._id(rows.Provider, part["provider"]), "name": part["name"]}
        self._put(rows.Credential, named, values, old)

    def quota(self, part: Part, old: Part | None) -> None:
        values = {"name": part["name"], "windows": part["windows"]}
        values["provider_id"] = self._id(rows.Provider, part["provider"])
        self._put(rows.Quota, {"slug": part["slug"]}, values, old)

    def model(self, part: Part, old: Part | None) -> None:
        values = {name: part[name] for name in columns.MODEL if name != "slug"} | self.edited
        values["quota_id"] = self._id(rows.Quota, part["quota"])
        values |= {name: _date(part[name]) for name in ("deprecated_at", "retire_at")}
        if old is not None and old["upstream_id"] != part["upstream_id"]:
            values["version"] = F("version") + 1  # another model: its evidence starts anew
        named = {"provider_id": self._id(rows.Provider, part["provider"]), "slug": part["slug"]}
        row = self._put(rows.Model, named, values, old)
        if (old or {}).get("price") != part["price"]:
            if part["price"] is None:
                # What calls cost is frozen on them; without an override genai-prices decides.
                rows.Price.objects.filter(model_id=row, valid_from__lte=self.now).delete()
            else:
                self._add_price(row, part["price"], self.now)
        if (old or {}).get("next_price") != part["next_price"]:
            rows.Price.objects.filter(model_id=row, valid_from__gt=self.now).delete()
            if part["next_price"] is not None:
                self._add_price(row, part["next_price"], start_of(part["next_price"]["valid_from"]))

    def _add_price(self, model: int, price: Part, valid_from: datetime) -> None:
        values = {name: None if price[name] is None else Decimal(price[name]) for name in columns.PRICE}
        lists = {name: price[name] for name in ("tiers", "service_tiers")}
        rows.Price.objects.create(model_id=model, valid_from=valid_from, **values, **lists)

    def curve(self, part: Part, old: Part | None) -> None:
        values = {name: part[name] for name in ("steps", "active", "when_unknown")}
        self._put(rows.Curve, {"name": part["name"]}, values, old)

    def project(self, part: Part, old: Part | None) -> None:
        self._put(rows.Project, {"slug": part["slug"]}, {"name": part["name"]}, old)

    def task_type(self, part: Part, old: Part | None) -> None:
        values = {name: part[name] for name in columns.TASK if name != "slug"} | self.edited
        if old is not None and any(old[name] != part[name] for name in columns.DEFINITION):
            values["definition_version"] = F("definition_version") + 1
        self._put(rows.TaskType, {"slug": part["slug"]}, values, old)

    def rule(self, part: Part, old: Part | None) -> None:
        values = {"task_type_id": self._id(rows.TaskType, part["task_type"]), "position": part["position"]}
        self._put(rows.Rule, {"pattern": part["pattern"]}, values, old)

    def route(self, part: Part, old: Part | None) -> None:
        values = {name: part[name] for name in columns.ROUTE if name != "condition"} | part["timeouts"] | self.edited
        values["fallback_enabled"] = part["fallback"]
        named = {
            "task_type_id": self._id(rows.TaskType, part["task_type"]),
            "project_id": self._id(rows.Project, part["project"]),
            "condition": part["condition"],
        }
        row = self._put(rows.Route, named, values, old)
        if (old or {}).get("steps") != part["steps"]:
            models = self._model_ids()
            rows.RouteStep.objects.filter(route_id=row).delete()
            rows.RouteStep.objects.bulk_create(
                rows.RouteStep(route_id=row, position=position, model_id=models[name])
                for position, name in enumerate(part["steps"])
            )

    def budget(self, part: Part, old: Part | None) -> None:
        values = {name: part[name] for name in ("steps", "at_limit", "enabled")}
        values["monthly_usd"] = Decimal(part["monthly_usd"])
        self._put(rows.Budget, {"scope": part["scope"]}, values, old)

    def exploration(self, part: Part, old: Part | None) -> None:
        """Shares are fixed within a night: what changes them ends the running budget and begins another at the next one."""
        task: Any = self._id(rows.TaskType, part["task_type"])
        row = rows.Exploration.objects.filter(task_type_id=task, ended_at=None).order_by("pk").first()
        spent = row.spent_usd if row else Decimal(0)
        values = {"usd_cap": Decimal(part["usd_cap"]), "until": _date(part["until"])}
        if row and all(part[name] == (old or {}).get(name) for name in ("share", "challengers", "starts_on")):
            rows.Exploration.objects.filter(pk=row.pk).update(**values)
            return
        _end_explorations(part["task_type"], self.now, "replaced")
        new = rows.Exploration.objects.create(
            task_type_id=task,
            share=part["share"],
            starts_on=date.fromisoformat(part["starts_on"]),
            spent_usd=spent,
            **values,
        )
        models = self._model_ids()
        new.challengers.set([models[name] for name in part["challengers"]])

    def _put(self, table: Any, named: dict[str, Any], values: dict[str, Any], old: Part | None) -> int:
        """The id of the row with that name, made or changed. The table is locked, so that `old` tells whether it is there."""
        if old is not None:
            found: int = table.objects.values_list("pk", flat=True).get(**named)
            table.objects.filter(pk=found).update(**values)
            return found
        made: int = table.objects.create(**named, **values).pk
        self._ids.pop(table, None)
        return made

    def _id(self, table: Any, slug: str | None) -> int | None:
        if slug is None:
            return None
        if table not in self._ids:
            self._ids[table] = dict(table.objects.values_list("slug", "pk"))
        return self._ids[table][slug]

    def _model_ids(self) -> dict[str, int]:
        """By "provider:model"."""
        if rows.Model not in self._ids:
            found = rows.Model.objects.values_list("provider__slug", "slug", "pk")
            self._ids[rows.Model] = {f"{provider}:{slug}": pk for provider, slug, pk in found}
        return self._ids[rows.Model]


def forget_variables(before: Table, after: Table) -> None:
    """The secret of the environment must not follow an address, a provider's or a token server's, that someone changed over the network."""
    moved = {
        slug
        for slug, old in before["providers"].items()
        if slug in after["providers"] and moves(old, after["providers"][slug])
    }
    for key, part in after["credentials"].items():
        old = before["credentials"].get(key)
        if part["provider"] in moved or (old is not None and asks_elsewhere(old, part)):
            part["env"] = None


def asks_elsewhere(old: Part, new: Part) -> bool:
    """Whether a credential became another kind of secret, or one for another token server or client."""
    if old["kind"] != new["kind"]:
        return True
    before, after = old["oauth"] or {}, new["oauth"] or {}
    return any(before.get(name) != after.get(name) for name in ("token_url", "client_id", "grant"))


def moves(old: Part, new: Part) -> bool:
    """Whether a provider's address or wire became another."""
    return (old["base_url"], old["kind"]) != (new["base_url"], new["kind"])


def start_of(day: str) -> datetime:
    """That day's 00:00 in CORTEX_TIME_ZONE."""
    return timezone.make_aware(datetime.combine(date.fromisoformat(day), time.min))


def _date(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _end_explorations(task_type: str, now: datetime, reason: str) -> None:
    running = rows.Exploration.objects.filter(task_type__slug=task_type, ended_at=None)
    running.update(ended_at=now, ended_reason=reason)


_WRITERS: dict[str, Callable[[Writer, Part, Part | None], None]] = {
    "providers": Writer.provider,
    "credentials": Writer.credential,
    "quotas": Writer.quota,
    "models": Writer.model,
    "curves": Writer.curve,
    "projects": Writer.project,
    "task_types": Writer.task_type,
    "rules": Writer.rule,
    "routes": Writer.route,
    "budgets": Writer.budget,
    "explorations": Writer.exploration,
}


def _delete(section: str, part: Part, now: datetime) -> None:
    if section == "explorations":
        _end_explorations(part["task_type"], now, "ended by a person")  # what was spent and seen stays
    elif section == "routes":
        of_project = {"project__slug": part["project"]} if part["project"] else {"project": None}
        rows.Route.objects.filter(task_type__slug=part["task_type"], condition=part["condition"], **of_project).delete()
    elif section in ("models", "credentials"):
        table: Any = rows.Model if section == "models" else rows.Credential
        named = {"slug": part["slug"]} if section == "models" else {"name": part["name"]}
        table.objects.filter(provider__slug=part["provider"], **named).delete()
        if section == "credentials":
            alerts.resolve(alert_key(part["provider"], part["name"]))
    else:
        table, field = _BY_NAME[section]
        table.objects.filter(**{field: part[field]}).delete()


_BY_NAME: dict[str, tuple[Any, str]] = {
    "providers": (rows.Provider, "slug"),
    "quotas": (rows.Quota, "slug"),
    "curves": (rows.Curve, "name"),
    "projects": (rows.Project, "slug"),
    "task_types": (rows.TaskType, "slug"),
    "rules": (rows.Rule, "pattern"),
    "budgets": (rows.Budget, "scope"),
}
