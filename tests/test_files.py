from __future__ import annotations

import errno
import hashlib
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from laimark_sidecar import files
from laimark_sidecar.errors import DataError, LockedError


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.tmp"))


FULL_DISK = """
import resource, sys
from pathlib import Path
from laimark_sidecar import files
folder = Path(sys.argv[1])
source = folder / "source"
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
for write in (
    lambda: files.write_atomic(folder / "target", b"new" * 3000),
    lambda: files.copy_atomic(source, folder / "target", sha256=files.sha256_file(source)),
    lambda: files.append_durable(folder / "log", b"x" * 5000),
    lambda: files.append_durable(folder / "log", b"x" * 5000),
):
    try:
        write()
        print("written")
    except OSError as error:
        print(Path(error.filename).relative_to(folder))
"""


def test_a_full_disk_keeps_the_old_file_and_no_leftovers_and_is_told_with_the_path(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "source").write_bytes(b"y" * 9000)
    child = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert child.stdout.split() == ["target", "target", "log", "log"]
    assert (tmp_path / "target").read_bytes() == b"old"
    assert leftovers(tmp_path) == []


def test_a_written_file_is_owner_only_in_owner_only_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c"
    files.write_atomic(path, b"x")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    files.write_atomic(path, b"y", mode=0o400)
    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    assert path.read_bytes() == b"y"


def test_a_copy_has_the_promised_bytes_or_is_not_made(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"z" * 3_000_000)
    files.copy_atomic(source, target, sha256=sha256(b"z" * 3_000_000), mode=0o400)
    assert target.read_bytes() == source.read_bytes()
    assert stat.S_IMODE(target.stat().st_mode) == 0o400
    source.write_bytes(b"changed")
    with pytest.raises(DataError, match="expected"):
        files.copy_atomic(source, target, sha256=sha256(b"z" * 3_000_000))
    assert target.stat().st_size == 3_000_000
    assert leftovers(tmp_path) == []


def test_a_published_folder_replaces_the_old_one_whole(tmp_path: Path) -> None:
    new, target = tmp_path / "new", tmp_path / "target"
    (new / "deep").mkdir(parents=True)
    (new / "deep" / "file").write_bytes(b"x")
    target.mkdir()
    (target / "old").touch()
    files.publish_dir(new, target)
    assert [path.name for path in target.iterdir()] == ["deep"]
    assert not new.exists()


def test_lines_are_appended_in_order(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "log"
    files.append_durable(path, b"1\n")
    files.append_durable(path, b"2\n")
    assert path.read_bytes() == b"1\n2\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_sha256_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    content = os.urandom(2_500_000)
    (tmp_path / "f").write_bytes(content)
    assert files.sha256_file(tmp_path / "f") == sha256(content)


HOLDER = """
import sys
from pathlib import Path
from laimark_sidecar import files
with files.exclusive(Path(sys.argv[1]), "the other one (pid 7)"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_refuses_with_the_holders_name_and_dies_with_its_process(tmp_path: Path) -> None:
    lock = tmp_path / "x.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        with pytest.raises(LockedError, match=r"the other one \(pid 7\)"), files.exclusive(lock, "me"):
            pass
        (tmp_path / "x.holder").write_bytes(b"\xff")
        with pytest.raises(LockedError, match="in use by"), files.exclusive(lock, "me"):
            pass
        child.kill()
    with files.exclusive(lock, "me"):
        assert (tmp_path / "x.holder").read_text() == "me"
    assert not (tmp_path / "x.holder").exists()


def test_a_lock_that_may_wait_gets_its_turn(tmp_path: Path) -> None:
    lock = tmp_path / "x.lock"
    turns: list[str] = []
    held, go = threading.Event(), threading.Event()

    def first() -> None:
        with files.exclusive(lock, "first"):
            held.set()
            go.wait()
            turns.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    held.wait()
    go.set()
    with files.exclusive(lock, "second", wait_s=30):
        turns.append("second")
    thread.join()
    assert turns == ["first", "second"]


def test_the_error_of_a_short_append_is_that_of_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, line: real(fd, line[:3]))
    with pytest.raises(OSError, match="only 3 of 5 bytes") as refused:
        files.append_durable(tmp_path / "log", b"1234\n")
    assert refused.value.errno == errno.ENOSPC


def test_what_is_set_aside_keeps_its_bytes_and_overwrites_nothing(tmp_path: Path) -> None:
    path = tmp_path / "intent.json"
    places = []
    for content in (b"first", b"second", b"third"):
        path.write_bytes(content)
        places.append(files.set_aside(path, "damaged-2026-11-24"))
        assert not path.exists()
    assert [place.name for place in places] == [
        "intent.json.damaged-2026-11-24",
        "intent.json.damaged-2026-11-24-2",
        "intent.json.damaged-2026-11-24-3",
    ]
    assert [place.read_bytes() for place in places] == [b"first", b"second", b"third"]


def test_a_lock_is_seen_to_be_held_and_to_be_free(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    assert not files.is_held(path)
    assert not path.exists()
    with files.exclusive(path, "holder"):
        assert files.is_held(path)
    assert not files.is_held(path)
