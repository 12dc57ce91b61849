"""A real Cortex in a process of its own, over doubles of both vendors, and the vendors' own command lines in homes of their own."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.utils import timezone

from routing import changes, clients
from routing.audit import SYSTEM
from routing.models import Attempt, Call, Exploration
from routing.terms.words import ProviderKind
from routing.views.guides import Told, guides
from tests.clients.overheard import Sent, requests
from tests.cortex.processes import Managed, get, until
from tests.doubles import Act
from tests.faults.cut import Cut
from tests.routing.two_providers import World, two_providers

ROOT = Path(__file__).resolve().parents[2]
# Where `make clients` puts them.
MODULES = Path(os.environ.get("CORTEX_TEST_CLIENTS") or ROOT / "var" / "clients") / "node_modules"
ROOMY_S = 240  # for one step on a busy machine


@dataclass
class Served:
    """The server, and a key for it. `folder` is its data dir."""

    world: World
    kind: ProviderKind  # of the primary
    url: str  # without a slash at its end; overheard
    key: str
    folder: Path
    log: Path  # at level DEBUG
    _wire: Cut

    def sent(self) -> list[Sent]:
        """What clients have put on the wire."""
        return requests(self._wire.heard)

    def calls(self, count: int) -> list[Call]:
        """The rows of the `count` calls that were made, in order, as soon as they are all there."""
        until(lambda: Call.objects.count() >= count, ROOMY_S)
        rows = list(Call.objects.order_by("started_at"))
        assert len(rows) == count
        return rows

    def attempts(self) -> list[tuple[str, str, str]]:
        """(provider, status, credential kind) of all attempts of recorded calls, in order."""
        rows = Attempt.objects.order_by("call_id", "attempt")
        return list(rows.values_list("provider", "status", "credential_kind"))

    def pasted(self, guide: str, where: str, *, beside: bool = False) -> str:
        """What the Connect page tells to paste for a client: with a Cortex key alone, or with its own credential beside it."""
        told = Told(self.url, self.key, "talk", claude="claude", gpt="gpt")
        (ways,) = (each.ways for each in guides(told) if each.slug == guide)
        (text,) = (paste.text for paste in ways[int(beside)].pastes if paste.where == where)
        return text


@dataclass
class Ran:
    code: int
    out: str
    err: str

    def __str__(self) -> str:
        return f"exit {self.code}\n{self.out[-4000:]}\n{self.err[-4000:]}"


@dataclass
class Cli:
    """One of the command lines, with a home and a folder to work in."""

    script: Path
    home: Path
    work: Path
    env: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, env: Mapping[str, str] | None = None, fails: bool = False) -> Ran:
        """What it printed; it must have ended well, or badly if it `fails`."""
        own = {"HOME": str(self.home), "PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1", "TERM": "dumb"}
        ended = subprocess.run(
            ["node", str(self.script), *arguments],
            cwd=self.work,
            env=own | self.env | dict(env or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ROOMY_S,
            check=False,
        )
        ran = Ran(ended.returncode, ended.stdout, ended.stderr)
        assert (ran.code != 0) == fails, str(ran)
        return ran


def exported(text: str) -> dict[str, str]:
    """The variables that a shell's lines export."""
    lines = [shlex.split(line) for line in text.splitlines()]
    return dict(line[1].split("=", 1) for line in lines if line and line[0] == "export")


@pytest.fixture
def cli(tmp_path: Path) -> Callable[[str], Cli]:
    """Makes a command line of the script of that name among the npm packages."""

    def of(script: str) -> Cli:
        assert shutil.which("node"), "needs Node.js 18 or newer on PATH: install it (sudo apt-get install nodejs npm)"
        assert (MODULES / script).is_file(), (
            f"needs {MODULES / script}: run `make clients`, or name its folder in CORTEX_TEST_CLIENTS"
        )
        made = Cli(MODULES / script, tmp_path / "home", tmp_path / "work")
        made.home.mkdir()
        made.work.mkdir()
        return made

    return of


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts a test's server on providers of these kinds, the first of which plays the acts; the second gets the share that `explores` names."""
    with ExitStack() as stack:

        def start(kinds: tuple[ProviderKind, ProviderKind], *acts: Act, explores: float = 0) -> Served:
            made = stack.enter_context(two_providers(kinds=kinds, first=acts))
            if explores:
                _explore(explores)
            key = clients.create_key("cli", by=SYSTEM).key
            folder, log = tmp_path / "data", tmp_path / "log"
            process = Managed(
                *("serve", "--bind", "127.0.0.1:0", "--workers", "1"), output=log, env=_environment(folder, made)
            )
            stack.callback(process.clear_up)
            url = until(lambda: process.said("Serving on"), ROOMY_S).split()[2].rstrip("/")  # type: ignore[union-attr]
            until(lambda: _is_ready(url), ROOMY_S)
            wire = stack.enter_context(Cut("127.0.0.1", urlsplit(url).port or 0, hears=True))
            return Served(made, kinds[0], f"http://127.0.0.1:{wire.port}", key, folder, log, wire)

        yield start


def _environment(folder: Path, world: World) -> dict[str, str | None]:
    connection.ensure_connection()
    info = connection.connection.info
    return {
        "CORTEX_DATA_DIR": str(folder),
        "DATABASE_URL": f"postgresql://{info.user}@/{info.dbname}?host={info.host}&port={info.port}",
        "CORTEX_ALLOW_PRIVATE_UPSTREAMS": "*",
        "CORTEX_CALLER_CREDENTIAL_UPSTREAMS": f"127.0.0.1:{world.primary.port}",
        "CORTEX_LOG_LEVEL": "DEBUG",
    }


def _explore(share: float) -> None:
    """As a person would set it, but from today on: a share otherwise begins with the next night."""
    today = timezone.now().date()
    trial = {"task_type": "talk", "share": share, "challengers": ["second:two"], "usd_cap": "100"}
    document = {"explorations": [trial | {"until": (today + timedelta(days=7)).isoformat()}]}
    changes.publish(document, by=SYSTEM, reason="a trial", source="load")
    Exploration.objects.update(starts_on=today)


def _is_ready(url: str) -> bool:
    try:
        return bool(get(f"{url}/readyz"))
    except OSError:
        return False
