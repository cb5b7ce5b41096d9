from __future__ import annotations

import hashlib
import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from laimark_sidecar.errors import DataError, StateError
from laimark_sidecar.registry.objects import ObjectStore

HELLO = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"  # printf hello | sha256sum


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "objects")


def overwrite(path: Path, content: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(content)


def test_an_object_is_where_its_sha256_says(store: ObjectStore) -> None:
    assert store.put_bytes(b"hello") == HELLO
    assert store.path(HELLO) == store.folder / "2c" / HELLO[2:]
    assert store.path(HELLO).read_bytes() == b"hello"
    assert list(store.all()) == [(HELLO, store.path(HELLO))]


def test_a_file_and_its_bytes_are_one_object(store: ObjectStore, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"hello" * 500_000)  # more than one chunk
    assert store.put_file(source) == store.put_bytes(b"hello" * 500_000)
    assert len(list(store.all())) == 1


def test_objects_are_read_only_and_owner_only(store: ObjectStore) -> None:
    store.put_bytes(b"hello")
    assert stat.S_IMODE(store.path(HELLO).stat().st_mode) == 0o400
    assert stat.S_IMODE(store.path(HELLO).parent.stat().st_mode) == 0o700


def test_putting_again_writes_nothing_but_refreshes_the_age(store: ObjectStore) -> None:
    store.put_bytes(b"hello")
    os.utime(store.path(HELLO), (0, 0))
    before = store.path(HELLO).stat()
    store.put_bytes(b"hello")
    after = store.path(HELLO).stat()
    assert after.st_ino == before.st_ino
    assert after.st_mtime > before.st_mtime


def test_one_flipped_bit_is_found_and_healed_by_putting_again(store: ObjectStore) -> None:
    store.put_bytes(b"hello")
    assert store.verify(HELLO)
    overwrite(store.path(HELLO), b"hellp")
    assert not store.verify(HELLO)
    store.put_bytes(b"hello")
    assert store.verify(HELLO)


def test_a_missing_object_is_named(store: ObjectStore) -> None:
    with pytest.raises(StateError, match=HELLO):
        store.path(HELLO)


def test_an_address_that_leaves_the_store_is_refused(store: ObjectStore) -> None:
    with pytest.raises(DataError):
        store.path("../../../etc/passwd")


def test_strangers_are_not_objects(store: ObjectStore) -> None:
    store.put_bytes(b"hello")
    (store.folder / "2c" / "notes.txt").write_text("x")
    (store.folder / "2c" / f".{HELLO[2:]}.x.tmp").write_text("x")
    assert [sha256 for sha256, _ in store.all()] == [HELLO]


FULL_DISK = """
import resource, sys
from pathlib import Path
from laimark_sidecar.registry.objects import ObjectStore
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
store, source = ObjectStore(Path(sys.argv[1])), Path(sys.argv[2])
for put in (lambda: store.put_bytes(b"y" * 9000), lambda: store.put_file(source)):
    try:
        put()
    except OSError as error:
        print(error.strerror)
"""


def test_a_full_disk_stores_nothing_and_leaves_nothing(store: ObjectStore, tmp_path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 4096
    source = tmp_path / "source"
    source.write_bytes(b"z" * 9000)
    child = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(store.folder), str(source)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert child.stdout.splitlines() == ["File too large", "File too large"]
    assert [path for path in store.folder.rglob("*") if path.is_file()] == []


def test_a_file_that_is_not_readable_stores_nothing(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        store.put_file(tmp_path / "absent")
    assert list(store.all()) == []


def test_the_empty_object_is_an_object(store: ObjectStore) -> None:
    sha256 = store.put_bytes(b"")
    assert sha256 == hashlib.sha256().hexdigest()
    assert store.verify(sha256)
