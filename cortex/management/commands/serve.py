"""The web server alone: `manage.py serve --bind H:P --workers N --pid-file F`. SIGTERM drains, SIGHUP renews the workers."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from cortex import web


class Command(BaseCommand):
    help = "Serve the console and the API. SIGTERM lets requests in flight end, SIGHUP replaces the workers one by one."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--bind", default="127.0.0.1:8000", metavar="HOST:PORT")
        parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes that serve (default: 2)")
        parser.add_argument("--pid-file", type=Path, metavar="FILE", help="keep our process number there")
        parser.add_argument(
            "--app", default=web.APP, metavar="MODULE:NAME", help="ASGI application (default: %(default)s)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["workers"] < 1:
            raise CommandError("--workers must be at least 1.")
        try:
            listener = web.listen(options["bind"])
            with web.pid_file(options["pid_file"]):
                self.stdout.write(f"Serving on {web.url(listener)} with {options['workers']} workers.")
                self.stdout.flush()
                code = web.supervise(listener, options["workers"], options["app"])
        except web.BindError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{error.strerror}: {error.filename}.") from error
        sys.exit(code)
