"""The routing table over HTTP: one list and one address a part, revisions and restore.

Every write names the revision it was made from (If-Match) and answers the new one. What a section's parts look like is said
once, in `routing.document.form`.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import register_converter
from django.urls.converters import StringConverter
from ninja import Router, Status

from routing import budgets, changes, credentials
from routing.api import clients, connections, lists
from routing.api.auth import key_auth
from routing.api.errors import ApiError
from routing.document import model_names, rows, task_names
from routing.document.form import FORMS
from routing.document.table import KEYS, Part, Table, key_of
from routing.models import Provider, Quota, Revision
from routing.terms.words import Scope
from routing.versions import current_revision

router = Router(tags=["routing table"])

SECTIONS = {  # path → section of the document
    "providers": "providers",
    "models": "models",
    "credentials": "credentials",
    "quotas": "quotas",
    "curves": "curves",
    "task-types": "task_types",
    "routes": "routes",
    "projects": "projects",
    "budgets": "budgets",
}


class Key(StringConverter):
    """A part's key, which may hold slashes, but never swallows the verb of a longer address."""

    regex = r"(?:(?!/(?:chain|reset|exhaust|release|test|keys|ping|discover)(?:/|$)).)+"


register_converter(Key, "key")


def listing(section: str, items: Mapping[str, Part]) -> dict[str, Part]:
    """The parts with what state adds to them: readiness, exhaustion, simulation, what is spent."""
    extras = _EXTRAS.get(section, dict)()
    return {key: {**part, **extras.get(key, {})} for key, part in items.items()}


def _providers() -> dict[str, Part]:
    return {row.slug: {"simulate": row.simulate} for row in Provider.objects.all()}


def _credentials() -> dict[str, Part]:
    """Readiness, as `credentials.told` tells it; what the part itself says stays."""
    return {f"{access.provider}:{access.name}": credentials.told(access) for access in credentials.read_all()}


def _quotas() -> dict[str, Part]:
    return {
        row.slug: {"exhausted": row.exhausted, "resets_at": row.resets_at, "reason": row.reason}
        for row in Quota.objects.all()
    }


def _budgets() -> dict[str, Part]:
    return {each.scope: each.told() for each in budgets.standings(datetime.now(UTC))}


_EXTRAS: dict[str, Callable[[], dict[str, Part]]] = {
    "providers": _providers,
    "credentials": _credentials,
    "quotas": _quotas,
    "budgets": _budgets,
}


def _found(table: Table, section: str, name: str) -> str:
    """The key that a name in an address means: a model's slug or alias will do where only one bears it. 404 otherwise."""
    if name in table[section]:
        return name
    if section == "models":
        meant = model_names(table).get(name, ())
        if len(meant) > 1:
            raise ApiError(422, f"{name!r} may be {' or '.join(meant)}; say which.")
        if meant:
            return meant[0]
    if section == "task_types" and name in task_names(table):
        return task_names(table)[name]
    raise ApiError(404, f"There is no {name!r} in {section}.")


def _matches(part: Part, filters: Mapping[str, str]) -> bool:
    return all(str(part.get(field)).lower() == value.lower() for field, value in filters.items())


def _serve(path: str, section: str) -> None:
    """Register the five operations of one section."""
    name = section.rstrip("s")
    fields = FORMS[section].model_fields
    shape = {"requestBody": {"content": {"application/json": {"schema": FORMS[section].model_json_schema()}}}}

    @router.get(f"/{path}", auth=key_auth(Scope.READ), operation_id=f"list_{section}", summary=f"All {section}")
    def every(request: HttpRequest) -> Any:
        filters = {field: request.GET[field] for field in request.GET if field in fields}
        items = listing(section, rows.dump()[section])
        return lists.page(request, {key: part for key, part in items.items() if _matches(part, filters)})

    @router.get(f"/{path}/{{key:key}}", auth=key_auth(Scope.READ), operation_id=f"get_{name}", summary=f"One {name}")
    def one(request: HttpRequest, response: HttpResponse, key: str) -> Any:
        table = rows.dump()
        response["ETag"] = f'"{current_revision()}"'
        found = _found(table, section, key)
        return listing(section, {found: table[section][found]})[found]

    @router.post(
        f"/{path}",
        auth=key_auth(Scope.MANAGE),
        operation_id=f"create_{name}",
        summary=f"A new {name}",
        response={201: dict[str, Any]},
        openapi_extra=shape,
    )
    def create(request: HttpRequest, response: HttpResponse) -> Any:
        part = lists.body(request)
        key = _key_in(section, part)
        if key is not None and key in rows.dump()[section]:
            raise ApiError(409, f"{key!r} is in {section} already; change it with PATCH.", code="exists")
        return Status(201, _publish(request, response, section, part))

    @router.patch(
        f"/{path}/{{key:key}}",
        auth=key_auth(Scope.MANAGE),
        operation_id=f"change_{name}",
        summary=f"Change fields of one {name}",
        openapi_extra=shape,
    )
    def change(request: HttpRequest, response: HttpResponse, key: str) -> Any:
        table, part = rows.dump(), lists.body(request)
        found = table[section][_found(table, section, key)]
        for field in KEYS.get(section, ("slug",)):
            if field in part and part[field] != found[field]:
                raise ApiError(422, f"{field}: names the part and cannot change; make a new one.")
            part[field] = found[field]
        return _publish(request, response, section, part)

    @router.delete(
        f"/{path}/{{key:key}}",
        auth=key_auth(Scope.MANAGE),
        operation_id=f"delete_{name}",
        summary=f"Delete one {name}",
    )
    def delete(request: HttpRequest, response: HttpResponse, key: str) -> Any:
        found = _found(rows.dump(), section, key)
        expected = lists.expected_revision(request)
        with lists.told_as_errors():
            revision = changes.remove(
                section,
                found,
                by=lists.actor(request),
                reason=lists.reason(request.GET.get("reason", "")),
                source="api",
                expected_revision=expected,
            )
        return _answer(response, revision.number, None)


def _key_in(section: str, part: Part) -> str | None:
    """The key of a body that may still be anything; None when it has none."""
    named = {field: part.get(field) for field in KEYS.get(section, ("slug",))}
    texts = all(value is None or isinstance(value, str) for value in named.values())
    return key_of(section, named) if texts and any(named.values()) else None


def _publish(request: HttpRequest, response: HttpResponse, section: str, part: Part) -> dict[str, Any]:
    expected = lists.expected_revision(request)
    with lists.told_as_errors(section):
        revision = changes.publish(
            {section: [part]},
            by=lists.actor(request),
            reason=lists.reason(request.GET.get("reason", "")),
            source="api",
            expected_revision=expected,
        )
    key = _key_in(section, part) or ""
    return _answer(response, revision.number, listing(section, rows.dump()[section]).get(key))


def _answer(response: HttpResponse, revision: int, item: Part | None) -> dict[str, Any]:
    response["ETag"] = f'"{revision}"'
    return {"revision": revision, "item": item}


for _path, _section in SECTIONS.items():
    _serve(_path, _section)
router.add_router("", clients.router)
router.add_router("", connections.router)


def _told(row: Revision) -> dict[str, Any]:
    return {
        "number": row.number,
        "by": row.by_name,
        "reason": row.reason,
        "source": row.source,
        "restores": row.restores,
        "proposal_id": row.proposal_id,
        "task_types": row.task_types,
        "changes": row.changes,
        "sha256": row.sha256,
        "created_at": row.created_at,
    }


@router.get("/revisions", auth=key_auth(Scope.READ), summary="Every state the table was in, the newest first")
def revisions(request: HttpRequest) -> Any:
    numbers, following = lists.newest_first(request, current_revision())
    found = Revision.objects.filter(number__in=numbers).defer("document").order_by("-number")
    return {"items": [_told(row) for row in found], "next": following}


@router.get(
    "/revisions/{int:number}", auth=key_auth(Scope.READ), summary="One revision, or its difference to `against`"
)
def revision(request: HttpRequest, number: int, against: int | None = None) -> Any:
    with lists.told_as_errors():
        row = changes.revision(number)
        told = {**_told(row), "document": row.document}
        if against is not None:
            told["against"] = against
            told["changes"] = [change.as_dict() for change in changes.compare(against, number)]
        return told


@router.post(
    "/revisions/{int:number}/restore", auth=key_auth(Scope.MANAGE), summary="The table as it was, as a new revision"
)
def restore(request: HttpRequest, response: HttpResponse, number: int) -> Any:
    expected = lists.expected_revision(request) if "If-Match" in request.headers else None
    sent = lists.body(request)
    reason = lists.reason(sent.pop("reason", ""))
    if sent:
        raise ApiError(422, f"{next(iter(sent))[:80]}: unknown field.")
    with lists.told_as_errors():
        new = changes.restore(number, by=lists.actor(request), reason=reason, expected_revision=expected)
    return _answer(response, new.number, None)
