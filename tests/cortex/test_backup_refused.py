"""What is no whole backup of ours, or finds no room, changes nothing and says what to do."""

import errno
import hashlib
import json
import os
import re
import zipfile
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection

from cortex.backup import tables
from cortex.backup.archive import MANIFEST, PURPOSE, SEAL, BackupError, Writer
from routing import drain, recorder
from routing.secrets import seals
from tests.cortex.backups import contents, elsewhere, fill, leave_undrained, source, told  # noqa: F401

pytestmark = pytest.mark.django_db(transaction=True)


def refused(command: str, *words: object) -> str:
    """What a command says that must change nothing."""
    before = contents()
    with pytest.raises(CommandError) as raised:
        call_command(command, *map(str, words))
    assert contents() == before
    return str(raised.value)


@pytest.fixture
def whole(tmp_path: Path, client: Any) -> Path:
    """A backup that nothing is wrong with."""
    fill(client)
    leave_undrained()
    told("backup", file := tmp_path / "whole.zip")
    return file


def test_a_file_that_is_no_whole_backup_of_ours_changes_nothing(whole: Path, tmp_path: Path) -> None:
    held, file = whole.read_bytes(), tmp_path / "other.zip"
    for content in (b"", b"{}", b"\0" * 100_000, b"PGDMP" + bytes(1000), os.urandom(5_000)):
        file.write_bytes(content)
        assert "is no backup of Cortex" in refused("restore", file)
    for end in (4, 1_000, len(held) // 2, len(held) - 10):
        file.write_bytes(held[:end])
        assert "is damaged or not whole" in refused("restore", file), end
    with zipfile.ZipFile(whole) as members:
        ends = [(each.filename, each.header_offset) for each in members.infolist()[1:] if each.compress_size > 100]
    for name, end in ends:  # a byte of the member before each of these: between members there is nothing else
        file.write_bytes(held[: end - 30] + bytes([held[end - 30] ^ 1]) + held[end - 29 :])
        assert re.search("is damaged|sealed under none", refused("restore", file)), name
    with zipfile.ZipFile(file, "w") as other:
        other.writestr("holiday.jpg", b"x")
    assert "is no backup of Cortex" in refused("restore", file)
    assert "cannot be read" in refused("restore", tmp_path / "nothing.zip")
    assert "cannot be read" in refused("restore", tmp_path)


def changed(
    whole: Path, file: Path, *, manifest: Callable[[dict[str, Any]], object] = id, **members: bytes | None
) -> Path:
    """The backup, with its manifest and members otherwise, and sealed as if it were one of ours."""
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(file, "w") as new:
        content = {name: old.read(name) for name in old.namelist()}
        told = json.loads(content[MANIFEST])
        manifest(told)
        content |= {MANIFEST: (text := json.dumps(told)).encode(), SEAL: seals(text, PURPOSE)[0].encode()}
        for name, raw in (content | members).items():
            if raw is not None:
                new.writestr(name, raw)
    return file


def test_a_file_that_says_what_it_does_not_hold_changes_nothing(whole: Path, tmp_path: Path) -> None:
    file = tmp_path / "other.zip"
    assert "is damaged" in refused("restore", changed(whole, file, **{"tables/routing_call": b""}))
    assert "is damaged" in refused("restore", changed(whole, file, **{"tables/routing_call": None}))
    assert "is damaged" in refused("restore", changed(whole, file, **{"secrets/encryption_keys": b"x"}))
    assert "is damaged" in refused("restore", changed(whole, file, manifest=lambda told: told.pop("tables")))
    assert "does not hold the tables" in refused(
        "restore", changed(whole, file, manifest=lambda told: told["tables"].pop("routing_call"))
    )
    empty = {"sha256": hashlib.sha256(b"").hexdigest(), "mtime": 0}
    for name in ("../../evil", "spool/../../evil.log", "/etc/evil", "secrets/encryption_keys"):
        stray = changed(
            whole, file, manifest=lambda told, name=name: told["members"].update({name: empty}), **{name: b""}
        )
        assert "does not hold the tables" in refused("restore", stray)


def test_a_newer_file_says_to_update(whole: Path, tmp_path: Path) -> None:
    file = tmp_path / "newer.zip"
    changed(whole, file, manifest=lambda told: told["migrations"].append(["routing", "9999_moon"]))
    said = refused("restore", file)
    assert "routing.9999_moon" in said
    assert "update this one" in said
    assert "newest Cortex" in refused(
        "restore", changed(whole, file, manifest=lambda told: told.update(format="cortex backup 2"))
    )


def test_a_full_database_or_a_running_cortex_is_not_restored_over(whole: Path) -> None:
    assert "holds something: auth_user" in refused("restore", whole)
    with drain.held_lock(recorder.folder()):
        assert "A Cortex runs on this data dir" in refused("restore", whole)


def test_a_strangers_database_is_not_restored_over_and_keys_are_missed_before_anything_is_done(
    settings: Any, tmp_path: Path, whole: Path
) -> None:
    with elsewhere(settings, tmp_path / "restored"):
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE holiday ()")
            assert "holds something: holiday" in refused("restore", whole)
            cursor.execute("DROP TABLE holiday")
        settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
        assert "sealed under none of CORTEX_ENCRYPTION_KEYS" in refused("restore", whole)

        out = StringIO()
        with pytest.raises(CommandError, match="All rows are restored, but the audit chain is broken"):
            call_command("restore", str(whole), "--without-keys", stdout=out)
        assert "To be stored anew, for no key opens them: credential openai/spare" in out.getvalue()
        told("audit", "reseal", "--reason", "The keys burned with the house.")
        assert "is whole" in told("audit", "verify")


def test_a_backup_takes_no_other_files_place_and_leaves_no_half_of_itself(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = whole.read_bytes()
    assert "is there already" in refused("backup", whole)
    assert whole.read_bytes() == held
    assert "was not written: No such file" in refused("backup", tmp_path / "no" / "folder.zip")
    before = set(tmp_path.iterdir())

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tables, "sequences", full)
    assert "No space left" in refused("backup", tmp_path / "new.zip")
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("links", [True, False], ids=["with hard links", "without hard links"])
def test_a_file_that_came_while_the_backup_was_made_keeps_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def none(*arguments: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", none)
    before = set(tmp_path.iterdir())
    for name, comes in (("alone.zip", False), ("another.zip", True)):
        with Writer(tmp_path / name) as made:
            made.add("rows", [b"1"])
            if comes:
                (tmp_path / name).write_bytes(b"of another")
                with pytest.raises(BackupError, match="is there already"):
                    made.finish()
            else:
                made.finish()
    assert (tmp_path / "another.zip").read_bytes() == b"of another"
    assert set(tmp_path.iterdir()) - before == {tmp_path / "alone.zip", tmp_path / "another.zip"}
