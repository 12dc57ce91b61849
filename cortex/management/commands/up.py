"""`manage.py up`: everything at once. What `make run` and `make demo` call."""

import os
import signal
import socket
import sys
from argparse import ArgumentParser
from types import FrameType
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

from cortex import web, welcome
from cortex.environment import BASE_DIR
from cortex.supervisor import Child, Supervisor

AS_ROOT = (
    "ignore:You're running the worker with superuser privileges"  # so does the person who tries Cortex in a container
)
CELERY = (sys.executable, "-m", "celery", "-A", "cortex.celery")


class Command(BaseCommand):
    help = "Migrate, then run the web server, the worker and the schedule until Ctrl-C. --demo adds 90 days of sample history."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--demo", action="store_true", help="with 90 days of sample history")
        parser.add_argument("--bind", default="127.0.0.1:8000", metavar="HOST:PORT")
        parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes that serve (default: 2)")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["workers"] < 1:
            raise CommandError("--workers must be at least 1.")
        try:
            listener = web.listen(options["bind"])
        except web.BindError as error:
            raise CommandError(str(error)) from error
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _interrupt)
        try:
            proposed = self._prepare(demo=options["demo"])
            code = self._run(listener, options["workers"], proposed)
        except KeyboardInterrupt:
            code = 130
        except OperationalError as error:
            raise CommandError(f"The database does not answer: {str(error).splitlines()[0]}") from error
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # what is left is to stop the trial database in order
        sys.exit(code)

    def _prepare(self, *, demo: bool) -> list[str]:
        """Database, routing table, sample history. Returns what the nightly run proposed on the sample."""
        from routing import document, local

        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            self._say("Making the tables …")
            call_command("migrate", interactive=False, verbosity=0)
        document.load_seed()
        if told := local.follow_environment():
            self._say(told)
        document.apply_environment()
        if not demo:
            return []
        from cortex import sample

        self._say("Bringing the sample history up to today (the first time takes a minute) …")
        return list(sample.ensure(days=90).lines)

    def _run(self, listener: socket.socket, workers: int, proposed: list[str]) -> int:
        """Web first, for it is waited for; then worker and schedule. Until a signal."""
        url = web.url(listener)
        with Supervisor(ends_process=True, at_stop=listener.close) as supervisor:
            running = supervisor.start(_web(listener, workers))
            login, key = welcome.log_in(), welcome.key()
            connection.close()
            while not (running.is_ready or supervisor.is_stopping):
                supervisor.step(1.0)
            if not supervisor.is_stopping:
                for child in (_celery("worker", "--concurrency", "1"), _celery("beat")):
                    supervisor.start(child)
                self._welcome(url, login, welcome.first_dispatch(url, key), proposed)
            return supervisor.run()

    def _welcome(self, url: str, login: str, answer: str, proposed: list[str]) -> None:
        self._say(f"\nCortex is at {url}", login, answer)
        if proposed:
            self._say("The nightly run on the sample history proposed:", *(f"  {line}" for line in proposed))
        self._say("Ctrl-C stops everything.\n")

    def _say(self, *lines: str) -> None:
        for line in lines:
            self.stdout.write(line)
        self.stdout.flush()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _web(listener: socket.socket, workers: int) -> Child:
    return Child(
        name="web server",
        command=(sys.executable, "-m", "cortex.web", str(listener.fileno()), str(workers)),
        env=web.children_env(),
        cwd=str(BASE_DIR),
        fds=(listener.fileno(),),
        says_ready=True,
        grace_s=web.DRAIN_S + web.END_S + 5,
    )


def _celery(part: str, *arguments: str) -> Child:
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat") if part == "worker" else ()
    return Child(
        name=f"celery {part}",
        command=(*CELERY, "--quiet", part, "--loglevel", "WARNING", *quiet, *arguments),
        env={
            **web.children_env(),
            "PYTHONWARNINGS": ",".join(filter(None, (os.environ.get("PYTHONWARNINGS"), AS_ROOT))),
        },
        cwd=str(BASE_DIR),
        grace_s=20,
    )
