"""What is written of a call survives, or the call is not made."""

import errno
import json
import os
import threading
from pathlib import Path

import pytest

from routing import segments
from routing.recorder import Full, Spool
from routing.segments import line_of, listed, lock_if_orphan, read_line
from tests.routing.spooled import attempt, failed, intent, outcome


def written(folder: Path) -> list[dict[str, object]]:
    lines = [read_line(line) for path in listed(folder) for line in path.read_bytes().splitlines()]
    return [line for line in lines if line is not None]


def is_free(path: Path) -> bool:
    with path.open("rb") as file:
        return lock_if_orphan(file.fileno())


def test_a_call_is_two_lines_and_the_second_says_it_all(tmp_path: Path) -> None:
    spool, call = Spool(tmp_path), intent(session="sæ\nsion")
    spool.start(call)
    spool.finish(outcome(call.id))
    first, second = written(tmp_path)
    assert first["intent"] == second["intent"]
    assert second["intent"]["session"] == "sæ\nsion"  # type: ignore[index]
    assert second["outcome"]["attempts"][0]["usage"]["cache_read_tokens"] == 900  # type: ignore[index]


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: line[:-5],
        lambda line: b"00000000" + line[8:],
        lambda line: line.replace(b"a", b"b", 1),
        lambda line: b"",
        lambda line: b"\xff" * 40,
        lambda line: line[:8] + line[9:],
        lambda line: line_of(b"[1]").rstrip(),
        lambda line: line_of(b"{").rstrip(),
    ],
    ids=["torn", "other checksum", "one byte", "empty", "garbage", "no space", "no object", "no json"],
)
def test_a_damaged_line_is_recognised(damage: "object") -> None:
    line = line_of(json.dumps({"aa": 1}).encode()).rstrip()
    assert read_line(line) == {"aa": 1}
    assert read_line(damage(line)) is None  # type: ignore[operator]


def test_an_outcome_needs_its_start(tmp_path: Path) -> None:
    spool, call = Spool(tmp_path), intent()
    with pytest.raises(LookupError, match="was not started"):
        spool.finish(outcome(call.id))
    spool.start(call)
    spool.finish(outcome(call.id))
    with pytest.raises(LookupError):
        spool.finish(outcome(call.id))


def test_a_segment_is_locked_until_the_last_of_its_calls_has_finished(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment_bytes=10)  # every call finds the last segment full
    slow, quick = intent(), intent()
    spool.start(slow)
    (older,) = listed(tmp_path)
    spool.start(quick)
    spool.finish(outcome(quick.id))
    (newer,) = set(listed(tmp_path)) - {older}  # of the same millisecond, perhaps
    assert not is_free(older)
    spool.finish(outcome(slow.id))
    assert is_free(older)
    assert not is_free(newer)
    spool.close()
    assert is_free(newer)


def test_a_slow_fsync_does_not_keep_a_finished_segment_locked(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    call = intent()
    spool.start(call)
    (segment,) = spool._segments()
    held = os.dup(segment.fd)  # as the background fsync does
    spool.finish(outcome(call.id))
    spool.close()
    assert is_free(segment.path)
    os.close(held)


def test_a_full_disk_refuses_the_call_before_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "_allocate", lambda *_: errno.ENOSPC)
    spool = Spool(tmp_path)
    with pytest.raises(Full, match="No space left"):
        spool.start(intent())
    assert spool.in_flight() == 0
    assert written(tmp_path) == []


def test_a_full_disk_loses_no_outcome_of_a_call_that_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, calls = Spool(tmp_path), [intent() for _ in range(20)]
    for call in calls:
        spool.start(call)
    (segment,) = listed(tmp_path)
    kept = segment.stat().st_blocks * 512
    monkeypatch.setattr(segments, "_allocate", lambda *_: errno.ENOSPC)
    for call in calls:
        spool.finish(outcome(call.id, failed(1, error_message="x" * 500), attempt(2)))
    assert segment.stat().st_size <= kept  # every outcome went to blocks that were there before the disk filled up
    assert len(written(tmp_path)) == 40


def test_room_is_looked_for_where_the_file_system_cannot_keep_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "_allocate", lambda *_: errno.EOPNOTSUPP)
    spool, call = Spool(tmp_path), intent()
    spool.start(call)
    disk = os.statvfs(tmp_path)
    full = os.statvfs_result((*disk[:4], 0, *disk[5:]))
    monkeypatch.setattr(os, "fstatvfs", lambda _: full)
    with pytest.raises(Full):
        spool.start(intent())
    spool.finish(outcome(call.id))
    assert len(written(tmp_path)) == 2


def test_half_a_line_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool, call = Spool(tmp_path), intent()
    spool.start(call)
    whole = os.write
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda fd, line: whole(fd, line[:100]))
        with pytest.raises(Full):
            spool.start(intent())
    spool.finish(outcome(call.id))
    assert len(written(tmp_path)) == 2


def test_a_data_dir_that_cannot_be_written_is_no_place_for_calls(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Full, match="Not a directory"):
        Spool(tmp_path / "file" / "spool").start(intent())


def test_a_forked_child_writes_its_own_segment(tmp_path: Path) -> None:
    spool, call = Spool(tmp_path), intent()
    spool.start(call)
    child = os.fork()
    if child == 0:
        spool.start(intent())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    ours, childs = listed(tmp_path)
    if f"-{child}-" in ours.name:  # both may be of one millisecond
        ours, childs = childs, ours
    assert f"-{child}-" in childs.name
    assert is_free(childs)
    assert not is_free(ours)
    spool.finish(outcome(call.id))
    assert len(written(tmp_path)) == 3


def test_many_threads_write_whole_lines(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment_bytes=20_000)

    def calls() -> None:
        for _ in range(50):
            call = intent()
            spool.start(call)
            spool.finish(outcome(call.id))

    threads = [threading.Thread(target=calls) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(written(tmp_path)) == 400
    assert spool.in_flight() == 0
