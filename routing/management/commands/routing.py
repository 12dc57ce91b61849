"""`manage.py routing …`: the seeds' command lines, on the same queries as the API and the pages."""

import argparse
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.dateparse import parse_date, parse_datetime

from routing import circuits, document, local, queries, quotas, snapshot
from routing.audit import Actor
from routing.policy import resolve
from routing.terms.request import Ask

BY = Actor("command line")
EARLIEST, LATEST = 2000, 9998
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
        except (resolve.Unknown, resolve.Ambiguous, quotas.Unknown) as error:
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
        task = resolve.task_type(snapshot.current().table, options["task"])
        context = tuple(options["context"] or ())
        return queries.explain(
            Ask(
                task,
                project=options["project"],
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
        until = moment(options["until"]) if options["until"] else None
        if until is not None and until <= datetime.now(UTC):
            raise CommandError(f"--until {options['until']} is over: the quota would be available at once.")
        quotas.exhaust(options["quota"], until, options["reason"])
        return {"quota": options["quota"], "until": until.isoformat() if until else None}

    def _release(self, options: dict[str, Any]) -> Any:
        return {"quota": options["quota"], "released": quotas.release(options["quota"])}

    def _usage(self, options: dict[str, Any]) -> Any:
        resets_at = moment(options["resets_at"]) if options["resets_at"] else None
        if not 0 <= options["percent"] <= 1000:
            raise CommandError("--percent must be from 0 to 1000.")
        reading = quotas.record(
            options["provider"], options["window"], options["percent"], resets_at, datetime.now(UTC)
        )
        return {"provider": reading.provider, "window": reading.window, "percent": reading.percent}


def moment(text: str) -> datetime:
    """A date is that day's 00:00 in CORTEX_TIME_ZONE; a time may name its zone, "Z" too. Raises CommandError for anything else."""
    try:
        found = parse_datetime(text) if len(text) > 10 else None
        day = parse_date(text) if found is None else None
    except ValueError:
        found = day = None
    if found is None and day is not None:
        found = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - the zone follows
    if found is None:
        raise CommandError(f"'{text}' is no date: write 2026-11-30 or 2026-11-30T12:00Z.")
    zoned = found if found.tzinfo else found.replace(tzinfo=ZoneInfo(settings.TIME_ZONE))
    if not EARLIEST <= zoned.year <= LATEST:  # the ends of the calendar have no other zone
        raise CommandError(f"'{text}' lies outside the years {EARLIEST} to {LATEST}.")
    return zoned


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
    for each in told["quotas"]:
        lines.append(f"  quota {each['quota']} exhausted until {each['until'] or 'it is released'}")
    for each in told["usage"]:
        lines.append(f"  usage of {each['provider']} {each['window']}: {each['percent']:g} %")
    return lines + _level_lines(told)


def _level_lines(told: dict[str, Any]) -> list[str]:
    there = told["degradation"]
    percent = "unknown usage" if there["percent"] is None else f"{there['percent']:g} %"
    return [f"Degradation level {there['level']}/{there['levels']} at {percent}"]


def _explain_lines(told: dict[str, Any]) -> list[str]:
    lines = [f"{told['task_type']}: {told['reason']}"]
    lines += [f"  {each['rank']}. {each['provider']}:{each['model']} ({each['role']})" for each in told["candidates"]]
    passed = [each for each in told["skipped"] if each["reason"] != "not_in_route"]
    return lines + [f"  – {each['provider']}:{each['model']}: {each['detail']}" for each in passed]


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
    "exhaust": lambda told: [f"{told['quota']} is exhausted until {told['until'] or 'it is released'}."],
    "release": lambda told: [f"{told['quota']} {'is available again' if told['released'] else 'was available'}."],
    "usage": lambda told: [f"{told['provider']} {told['window']}: {told['percent']:g} %."],
}
