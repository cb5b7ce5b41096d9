from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.registry.drafts import NOON_S, added

from laimark_sidecar.errors import StateError
from laimark_sidecar.registry.check import check
from laimark_sidecar.registry.prune import prune
from laimark_sidecar.registry.registry import Registry

OLD_S = NOON_S - 7200


def old_garbage(registry: Registry) -> list[Path]:
    garbage = [
        registry.objects.path(registry.objects.put_bytes(b"nobody's")),
        registry.folder / "versions" / ".me@x.json.abc.tmp",
        registry.folder / ".refs.json.abc.tmp",
    ]
    for path in garbage:
        path.touch(mode=0o600)
        os.utime(path, (OLD_S, OLD_S))
    return sorted(garbage)


def test_a_dry_run_only_tells(registry: Registry) -> None:
    garbage = old_garbage(registry)
    told = prune(registry)
    assert told.dry_run
    assert sorted(told.paths) == garbage
    assert told.size_bytes == len(b"nobody's")
    assert all(path.exists() for path in garbage)


def test_only_garbage_goes_and_all_is_well_after(registry: Registry) -> None:
    version = added(registry, "a")
    for sha256 in version.objects.values():
        os.utime(registry.objects.path(sha256), (OLD_S, OLD_S))
    garbage = old_garbage(registry)
    assert sorted(prune(registry, dry_run=False).paths) == garbage
    assert not any(path.exists() for path in garbage)
    assert check(registry) == ()
    assert prune(registry, dry_run=False).paths == ()


def test_what_is_young_stays_because_somebody_may_be_about_to_use_it(registry: Registry) -> None:
    path = registry.objects.path(registry.objects.put_bytes(b"being registered"))
    os.utime(path, (NOON_S - 10, NOON_S - 10))
    assert (prune(registry).paths, prune(registry).young) == ((), 1)
    assert prune(registry, dry_run=False).paths == ()
    done = prune(registry, dry_run=False, min_age_s=5)
    assert (done.paths, done.young) == ((path,), 0)


def test_a_temporary_file_stays_an_hour_whoever_asks(registry: Registry) -> None:
    path = registry.folder / ".refs.json.abc.tmp"
    path.touch(mode=0o600)
    os.utime(path, (NOON_S - 10, NOON_S - 10))
    assert prune(registry, dry_run=False, min_age_s=0).paths == ()
    assert path.exists()


def test_an_object_that_is_put_again_is_young_again(registry: Registry) -> None:
    path = registry.objects.path(registry.objects.put_bytes(b"x"))
    os.utime(path, (OLD_S, OLD_S))
    registry.objects.put_bytes(b"x")
    assert path.stat().st_mtime > OLD_S


def test_nothing_goes_while_a_version_cannot_be_read(registry: Registry) -> None:
    version = added(registry, "a")
    file = next((registry.folder / "versions").iterdir())
    file.chmod(0o600)
    file.write_bytes(file.read_bytes()[:30])
    garbage = old_garbage(registry)
    with pytest.raises(StateError, match="damaged"):
        prune(registry, dry_run=False)
    assert all(path.exists() for path in garbage)
    assert all(registry.objects.verify(sha256) for sha256 in version.objects.values())
