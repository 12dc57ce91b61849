"""`manage.py routing …`: the seeds' command lines, on the same queries as the API and the pages."""

import argparse
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from routing import circuits, document, gauges, local, queries, quotas, snapshot, usage
from routing.audit import Actor
from routing.policy import resolve
from routing.terms.request import Ask

BY = Actor("command line")
UNKNOWN = 2  # exit code for a provider, quota or task that does not exist


class Command(BaseCommand):
    help = "Status of everything, the recommendation and the pre-flight for a task, quotas, resets, the default table."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, parser_class=argparse.ArgumentParser)
        for name, text in ACTIONS.items():
            action = actions.add_parser(name, help=text)
            action.add_argument("--json", action="store_true")
            for names, options in ARGUMENTS.get(name, ()):
                action.add_argument(*names, **options)

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        snapshot.fresh()
        try:
            told = getattr(self, f"_{action}")(options)
        except (resolve.Unknown, resolve.Ambiguous, quotas.Unknown, usage.Unknown) as error:
            raise CommandError(str(error), returncode=UNKNOWN) from None
        if options["json"]:
            self.stdout.write(json.dumps(told, ensure_ascii=False))
        else:
            self.stdout.write("\n".join(LINES[action](told)))
        if action == "check" and not told["ok"]:
            raise SystemExit(1)

    def _status(self, options: dict[str, Any]) -> Any:
        return queries.status()

    def _boot(self, options: dict[str, Any]) -> Any:
        return queries.boot()

    def _explain(self, options: dict[str, Any]) -> Any:
        table = snapshot.current().table
        task = resolve.task_type(table, options["task"])
        context = tuple(options["context"] or ())
        return queries.explain(
            Ask(
                task,
                project=resolve.project(table, options["project"]) if options["project"] else None,
                background=options["background"],
                override=options["override"],
                context=context,
            )
        )

    def _check(self, options: dict[str, Any]) -> Any:
        return queries.preflight(options["task"])

    def _init(self, options: dict[str, Any]) -> Any:
        revision = document.load_seed(BY, force=options["force"])
        if revision is None:
            raise CommandError("There is a routing table already. --force writes the default one over it.")
        local.follow_environment(BY)
        document.apply_environment(BY)
        return {"revision": revision.number}

    def _reset(self, options: dict[str, Any]) -> Any:
        provider = options["provider"]
        known = snapshot.current().table.providers
        if provider is not None and provider not in known:
            raise CommandError(
                f"There is no provider '{provider}'. Known: {', '.join(known) or 'none'}.", returncode=UNKNOWN
            )
        return {"provider": provider, "ended": circuits.reset(provider, by=BY)}

    def _exhaust(self, options: dict[str, Any]) -> Any:
        quotas.exhaust(options["quota"], _ahead("--until", options["until"]), options["reason"][:300], by=BY)
        return gauges.quota(options["quota"], datetime.now(UTC))

    def _release(self, options: dict[str, Any]) -> Any:
        released = quotas.release(options["quota"], by=BY)
        return {**gauges.quota(options["quota"], datetime.now(UTC)), "released": released}

    def _usage(self, options: dict[str, Any]) -> Any:
        window, resets_at = options["window"].strip(), _ahead("--resets-at", options["resets_at"])
        if not 0 <= options["percent"] <= 1000:
            raise CommandError("--percent must be from 0 to 1000.")
        if not 0 < len(window) <= 60 or not window.isprintable():
            raise CommandError("--window must be a name of at most 60 characters, as weekly or 5h.")
        return gauges.recorded(
            usage.record(options["provider"], window, options["percent"], resets_at, datetime.now(UTC))
        )


def _ahead(name: str, text: str | None) -> datetime | None:
    """The moment that an argument names, which is still to come. Raises CommandError."""
    try:
        return quotas.moment_ahead(text) if text is not None else None
    except quotas.NoMoment as error:
        raise CommandError(f"{name}: {error}") from None


TASK: Any = (("--task",), {"required": True})
QUOTA: Any = (("quota",), {})
ACTIONS = {
    "status": "all models, quotas and what rests",
    "explain": "the recommendation for a task, and why each other model is skipped",
    "check": "the pre-flight for a task; exit 1 when nothing is available",
    "boot": "what a session should know before it begins",
    "init": "write the default table",
    "reset": "clear cooldowns, circuits and not-ready marks of one provider, or all",
    "exhaust": "mark a quota exhausted",
    "release": "make a quota available again",
    "usage": "record how full a window is",
}
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "explain": (
        TASK,
        (("--project",), {}),
        (("--override",), {}),
        (("--background",), {"action": "store_true"}),
        (("--context",), {"action": "append", "help": "a condition that holds, as batch"}),
    ),
    "check": (TASK,),
    "init": ((("--force",), {"action": "store_true"}),),
    "reset": ((("provider",), {"nargs": "?"}),),
    "exhaust": (
        QUOTA,
        (("--until",), {"help": "a date or a time; without it until released"}),
        (("--reason",), {"default": ""}),
    ),
    "release": (QUOTA,),
    "usage": (
        (("provider",), {}),
        (("--window",), {"required": True}),
        (("--percent",), {"required": True, "type": float}),
        (("--resets-at",), {"dest": "resets_at"}),
    ),
}


def _status_lines(told: dict[str, Any]) -> list[str]:
    lines = [f"Routing table revision {told['revision']}"]
    for each in told["providers"]:
        words = (
            "simulated"
            if each["simulated"]
            else "ready"
            if each["ready"]
            else f"not ready: {each['reason'] or 'disabled'}"
        )
        lines.append(f"  {each['provider']:<14} {words if each['enabled'] else 'disabled'}")
    for each in told["models"]:
        left = f" ({timedelta(seconds=each['seconds_left'])} left)" if each["seconds_left"] else ""
        lines.append(f"  {each['model']:<32} {'available' if each['available'] else each['detail']}{left}")
    lines += [f"  quota {_quota_line(each)}" for each in told["quotas"]]
    for each in told["usage"]:
        percent = f"unknown, {each['reason']}" if each["percent"] is None else f"{each['percent']:g} %"
        lines.append(f"  usage of {each['provider']} {each['window']}: {percent}")
    lines += [f"  {_budget_line(each)}" for each in told["budgets"]]
    return lines + _level_lines(told)


def _budget_line(told: dict[str, Any]) -> str:
    return (
        f"budget of {told['scope']}: ${told['spent_usd']} of ${told['monthly_usd']} spent, ${told['reserved_usd']} reserved,"
        f" ${told['left_usd']} left; at this pace ${told['forecast_usd']} by the month's end ({told['state']})"
    )


def _quota_line(told: dict[str, Any]) -> str:
    if not told["exhausted"]:
        return f"{told['quota']} is available"
    why = f" ({told['reason']})" if told["reason"] else ""
    return f"{told['quota']} is exhausted until {told['until'] or 'it is released'}{why}"


def _level_lines(told: dict[str, Any]) -> list[str]:
    there = told["degradation"]
    percent = "unknown usage" if there["percent"] is None else f"{there['percent']:g} %"
    allowed = ", ".join(there["allowed"])
    lines = [f"Degradation level {there['level']}/{there['levels']} at {percent}: {allowed or 'all models'}"]
    return lines + ([there["warning"]] if there["warning"] else [])


def _explain_lines(told: dict[str, Any]) -> list[str]:
    lines = [f"{told['task_type']}: {told['reason']}"]
    lines += [f"  {each['rank']}. {each['provider']}:{each['model']} ({each['role']})" for each in told["candidates"]]
    passed = [each for each in told["skipped"] if each["reason"] != "not_in_route"]
    lines += [f"  – {each['provider']}/{each['model']} {each['detail']}" for each in passed]
    return lines + [f"  ! {each['text']}" for each in told["warnings"]]


def _boot_lines(told: dict[str, Any]) -> list[str]:
    lines = [
        "Safe to start."
        if told["ok"]
        else f"Not safe to start: nothing serves {', '.join(told['blocked_tasks']) or 'any task'}."
    ]
    lines += [f"  {task:<24} {model or '–'}" for task, model in told["recommended"].items()]
    return lines + _level_lines(told)


LINES: dict[str, Any] = {
    "status": _status_lines,
    "explain": _explain_lines,
    "check": lambda told: [f"{told['task_type']}: {told['model'] or 'nothing is available'} – {told['reason']}"],
    "boot": _boot_lines,
    "init": lambda told: [f"The default table is revision {told['revision']}."],
    "reset": lambda told: [
        f"Ended {told['ended']} cooldowns, circuits and marks of {told['provider'] or 'all providers'}."
    ],
    "exhaust": lambda told: [f"{_quota_line(told)}."],
    "release": lambda told: [f"{told['quota']} {'is available again' if told['released'] else 'was available'}."],
    "usage": lambda told: [f"{told['provider']} {told['window']}: {told['percent']:g} %.", *_level_lines(told)],
}
