"""What a hurried person types: one clear sentence on standard error, a code that is not 0, no traceback, nothing half-written."""

import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command

from tests.cortex.processes import ROOT
from tests.hostile.test_who_may_what import counts
from tests.routing.conftest import _as_a_new_process  # noqa: F401
from tests.routing.files import csv_of, row

COLUMNS = csv_of().decode().strip()
Run = Callable[..., str]


@pytest.fixture
def refused(seeded: str, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command that must fail, and returns what it says."""

    def run(*words: str) -> str:
        before = counts()
        with pytest.raises((CommandError, SystemExit)) as raised:
            call_command(words[0], *words[1:])
        code = raised.value.returncode if isinstance(raised.value, CommandError) else raised.value.code
        assert code not in (0, None), words
        said = str(raised.value) if isinstance(raised.value, CommandError) else ""
        said += capsys.readouterr().err
        assert said.strip(), words
        assert "Traceback" not in said
        assert len(said) < 3_000, said[:500]
        assert counts() == before, f"{words}: something was written"
        return said

    return run


def test_only_a_whole_document_is_loaded(refused: Run, tmp_path: Path) -> None:
    file = tmp_path / "table.json"
    model = '{"provider": "anthropic", "slug": "new", "upstream_id": "x"}'
    for content in (
        b"", b"{", b"[]", b"null", b"1", b'"x"', b"\xff\xfe", b"\x00" * 1000, bytes(range(256)) * 50, b"[" * 100_000, b'{"models": NaN}',
        b'{"models": []' + b" " * 1000, b'{"models": [], "models": []}', b'{"nonsense": []}', b'{"models": {}}', b'{"models": [1]}',
        b'{"models": [' + model.encode() + b', {"provider": "nobody", "slug": "y"}]}',
        b'{"routes": [{"task_type": "vibe_coding", "steps": ["openai:nothing"]}]}',
        b'{"models": [{"provider": "anthropic", "slug": "a\\u0000b", "upstream_id": "x"}]}',
        b'{"projects": [{"slug": "p", "name": "\\ud800"}]}',
        b'{"providers": [{"slug": "x", "kind": "openai", "base_url": "file:///etc/passwd"}]}',
        b'{"budgets": [{"scope": "client:ci", "monthly_usd": ' + b"9" * 5_000 + b"}]}",
        b'{"budgets": [{"scope": "client:ci", "monthly_usd": "1e400"}]}',
        b'{"task_types": [{"slug": "t", "margin": 1e400}]}',
        b'{"curves": [{"name": "default", "steps": [{"from": "x", "allowed": 5}]}]}',
        b'{"routing": {"task_routing": {"x": {"provider": "mars", "model": "y"}}, "fallback": {"cooldown_seconds": "soon"}}}',
        gzip.compress(b"{}"),
    ):  # fmt: skip
        file.write_bytes(content)
        said = refused("load", str(file))
        assert "Nothing was loaded" in said, (content[:80], said)
        refused("load", str(file), "--dry-run")
    refused("load", str(tmp_path))
    refused("load", str(tmp_path / "nothing.json"))
    refused("load")


def test_every_error_of_a_document_has_its_path(refused: Run, tmp_path: Path) -> None:
    file = tmp_path / "table.json"
    file.write_text('{"models": [{"provider": "x"}], "routes": [{"task_type": "no", "steps": ["?"]}], "fallbck": 1}')
    said = refused("load", str(file))
    assert {"models[0]", "fallbck"} <= {line.partition(":")[0].partition(".")[0] for line in said.splitlines()}


def test_only_a_whole_file_of_calls_is_imported(refused: Run, tmp_path: Path) -> None:
    file = tmp_path / "calls.csv"
    good = csv_of(row())
    for content in (
        b"", b"\n\n\n", b"\x00" * 10_000, bytes(range(256)) * 50, b"\xff\xfe" + "ts,task".encode("utf-16-le"), b"a,b,c\n1,2,3\n",
        COLUMNS.encode() + b"\n" + b"," * 10_000 + b"\n", COLUMNS.encode() + b'\n"' + b"x" * 300_000, good + b"nonsense\n",
        good + b"\xff,\xfe\n", csv_of(row(), row(cost_usd="1e400")), csv_of(row(), row(input_tokens="9" * 5_000)),
        csv_of(row(), row(propensity="NaN")), csv_of(row(), row(model="a\0b")), csv_of(row(), row(ts="9999-99-99")),
        csv_of(row(), row(attempt="-1")), csv_of(row(), row(task_type="<script>alert(1)</script>" * 50)),
        gzip.compress(good)[:-12], gzip.compress(b"\0" * 50_000_000), b"{}", b"[1, 2]", b'{"ts": ' + b"[" * 100_000, b"| a | b |\n|---|---|\n",
    ):  # fmt: skip
        file.write_bytes(content)
        refused("calls", "import", str(file))
    refused("calls", "import", str(tmp_path))
    refused("calls", "import", str(tmp_path / "nothing.csv"))
    refused("calls", "export", "--since", "yesterday")
    refused("calls", "export", "--out", str(tmp_path / "no" / "folder.csv"))


LINES = [
    "nightly --as-of nonsense",
    "nightly --as-of 2026-02-30",
    "nightly --as-of 9999-12-31",
    "nightly --from 2026-01-01",
    "nightly --from 2026-01-02 --to 2026-01-01",
    "nightly --from 2099-01-01 --to 2099-01-02",
    "nightly --from 0001-01-01 --to 2026-11-01",
    "weekly --week 2026-W60",
    "weekly --week 2026-47",
    "weekly --week nonsense",
    "weekly --week 9999-W52",
    "weekly --week 0000-W01",
    "proposals approve 999 --by nobody",
    "proposals approve 999",
    "proposals approve x --by nobody",
    "proposals show 999",
    "proposals show -1",
    "proposals show 99999999999999999999999",
    "proposals list --status nonsense",
    "proposals",
    "client_key create",
    "client_key create --client Bad!Name",
    "client_key create --client ../etc",
    f"client_key create --client {'a' * 200}",
    "client_key create --client ci --scopes root",
    "client_key create --client ci --scopes ,",
    "client_key create --client ci --budget-usd NaN",
    "client_key create --client ci --budget-usd -5",
    "client_key create --client ci --budget-usd 1e99",
    "client_key create --client ci --budget-usd 0",
    "client_key create --client ci --budget-usd 0.00000000001",
    "client_key create --client new --project nothing",
    "client_key revoke ck_none",
    "client_key",
    "routing explain --task nonsense",
    "routing explain",
    "routing check --task nonsense",
    "routing reset mars",
    "routing exhaust mars --until 2099-02-03",
    "routing exhaust codex-cli --until Feb",
    "routing exhaust codex-cli --until 0001-01-01",
    "routing exhaust codex-cli --until 9999-12-31T23:59:59-14:00",
    "routing release mars",
    "routing usage mars weekly 50",
    "routing usage openai weekly NaN",
    "routing explain --task coding --override mars",
    "routing init",
    "routing nonsense",
    "routing",
    "spool drain --dir /nowhere",
    "spool status --dir /etc/passwd",
    "spool nonsense",
    "audit",
    "audit nonsense",
    "backup",
    "backup /nowhere/backup.zip",
    "backup /etc/passwd",
    "restore",
    "restore /nowhere",
    "restore /etc/passwd",
    "restore /etc",
]


def test_a_hurried_line_is_refused_in_one_sentence(refused: Run) -> None:
    for line in LINES:
        refused(*line.split(" "))


@pytest.mark.parametrize(
    "line",
    [
        "nightly --as-of nonsense",
        "weekly --week 2026-W60",
        "load /nowhere",
        "calls import /nowhere",
        "proposals show 9",
    ],
)
def test_a_terminal_shows_no_traceback(line: str, transactional_db: None) -> None:
    from django.db import connection

    environment = {**os.environ, "CORTEX_TRIAL": "1"}
    # The whole of the address but its path: what follows the ? may be where the server's socket lies.
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
    environment["DATABASE_URL"] = url.geturl()
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *line.split()],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()


def test_a_database_that_does_not_serve_is_one_sentence() -> None:
    environment = {**os.environ, "CORTEX_TRIAL": "1", "DATABASE_URL": "postgres://nobody@127.0.0.1:1/nowhere"}
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "proposals", "list"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("manage.py: the database that DATABASE_URL names does not serve: ")
    assert done.stderr.count("\n") == 1
