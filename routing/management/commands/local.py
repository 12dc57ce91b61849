"""`manage.py local on|off|status`: the local plan in one step."""

import argparse
import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from routing import discovery, local
from routing.audit import Actor
from routing.document import Invalid
from routing.local import Local

BY = Actor("command line")
UNKNOWN = 2  # exit code for a provider that does not exist, as of `routing`


class Command(BaseCommand):
    help = "Route to models of your own server (Ollama, vLLM, LM Studio …): status, on, off."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, parser_class=argparse.ArgumentParser)
        for name, text in ACTIONS.items():
            action = actions.add_parser(name, help=text)
            action.add_argument("--provider", default=local.PROVIDER, help=f"default: {local.PROVIDER}")
            action.add_argument("--json", action="store_true")
            if name == "on":
                action.add_argument(
                    "base_url", nargs="?", help=f"where it listens; default: where it was last, else {local.USUAL_URL}"
                )
                action.add_argument(
                    "--model",
                    action="append",
                    default=[],
                    metavar="SLUG=NAME",
                    help="which of the server's models stands for one of the plan: local=Qwen/Qwen2.5-14B-Instruct",
                )

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        try:
            now = self._do(action, options)
        except discovery.Unknown as error:
            raise CommandError(str(error), returncode=UNKNOWN) from None
        except (discovery.Unreachable, Invalid) as error:
            raise CommandError(f"Nothing was changed. {error}") from None
        if options["json"]:
            self.stdout.write(json.dumps({"on": now.is_on, **asdict(now)}, ensure_ascii=False))
        else:
            self.stdout.write("\n".join(_lines(now)))

    def _do(self, action: str, options: dict[str, Any]) -> Local:
        provider = options["provider"]
        if action == "on":
            return local.switch_on(
                options["base_url"], by=BY, source="command", provider=provider, models=_bound(options["model"])
            )
        if action == "off":
            return local.switch_off(by=BY, source="command", provider=provider)
        return local.status(provider)


ACTIONS = {
    "status": "whether the plan is on, whether its server answers, and which models it lacks",
    "on": "ask the server, then route to it what the plan says",
    "off": "give every task back the route that it had",
}


def _bound(pairs: list[str]) -> dict[str, str]:
    bound = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    if len(bound) != len(pairs):
        raise CommandError("--model takes SLUG=NAME, each slug once: --model local=Qwen/Qwen2.5-14B-Instruct")
    return bound


def _lines(now: Local) -> list[str]:
    state = "on" if now.is_on else "off"
    answer = f"answers in {now.total_ms:g} ms" if now.answers else now.problem
    lines = [f"Local models are {state}: {now.provider} at {now.base_url or 'no address'} – {answer}"]
    for route in now.routes:
        lines.append(f"  {'in force' if route.in_force else 'waiting':<9} {route.name:<24} {' → '.join(route.steps)}")
    for model in now.missing:
        lines.append(f"  missing   {model.key:<24} {model.mend}")
    return lines
