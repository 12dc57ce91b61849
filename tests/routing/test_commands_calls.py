"""`manage.py calls` and `manage.py spool`, as a person in a terminal meets them."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from routing import drain, recorder
from routing.models import Call
from routing.recorder import Spool
from tests.routing.files import csv_of, row
from tests.routing.spooled import intent, outcome

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out, stderr=out)
    return out.getvalue()


def test_a_file_goes_in_and_comes_out(tmp_path: Path) -> None:
    file, copy = tmp_path / "calls.csv", tmp_path / "copy.ndjson"
    file.write_bytes(csv_of(row(), row(client="ci"), row(task_type="other")))
    assert "3 added, 0 filled in, 0 there already, 0 bad" in run("calls", "import", str(file))
    assert json.loads(run("calls", "import", str(file), "--json"))["unchanged"] == 3
    run("calls", "export", "--task-type", "triage", "--form", "ndjson", "--out", str(copy))
    assert len(copy.read_text().splitlines()) == 2
    assert len(run("calls", "export", "--client", "ci").splitlines()) == 2  # with its header
    assert len(run("calls", "export", "--since", "2026-11-21").splitlines()) == 1


def test_a_bad_line_is_printed_and_nothing_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "calls.csv"
    file.write_bytes(csv_of(row(), row(ts="never")))
    err = io.StringIO()
    with pytest.raises(CommandError, match="nothing was imported, 1 of 2 lines are bad"):
        call_command("calls", "import", str(file), stderr=err)
    assert err.getvalue() == "line 3: ts: 'never' is not an ISO 8601 time\n"
    assert not Call.objects.exists()
    assert "1 added" in run("calls", "import", str(file), "--skip-bad")


@pytest.mark.parametrize("name", ["nothing.csv", ""], ids=["missing", "folder"])
def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(CommandError, match=r"(No such file|Is a directory)"):
        run("calls", "import", str(tmp_path / name))


def test_the_spool_of_a_host_that_is_gone_is_adopted(tmp_path: Path, settings: Any) -> None:
    settings.DATA_DIR = tmp_path
    gone = tmp_path / "spool" / "gone"
    for folder in (gone, recorder.folder()):
        spool, call = Spool(folder), intent()
        spool.start(call)
        spool.finish(outcome(call.id))
        spool.close()
    assert "bytes to drain" in run("spool", "status")
    run("spool", "drain", "--dir", str(gone))
    assert Call.objects.count() == 1
    (state,) = json.loads(run("spool", "drain", "--json"))["items"]
    assert (state["pending_bytes"], state["segments"], Call.objects.count()) == (0, 0, 2)
    assert len(drain.host_folders(tmp_path)) == 2
    with pytest.raises(CommandError, match="no such folder"):
        run("spool", "status", "--dir", str(tmp_path / "nowhere"))
