"""Removes what nothing refers to: objects of no version and the leftovers of interrupted writes. Versions stay."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from laimark_sidecar import files
from laimark_sidecar.logs import action
from laimark_sidecar.registry.check import is_temporary
from laimark_sidecar.registry.registry import Registry

MIN_AGE_S = 3600.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What was removed, or would be."""

    paths: tuple[Path, ...]
    size_bytes: int
    young: int
    """Objects that stay only because they are younger than was asked for."""
    dry_run: bool


def prune(registry: Registry, *, dry_run: bool = True, min_age_s: float = MIN_AGE_S) -> Pruned:
    """Remove unreferenced objects and temporary files; with `dry_run`, only say which.

    Args:
        registry: what to clean.
        dry_run: change nothing.
        min_age_s: younger objects stay: another process may be about to register them. Temporary files stay for
            `MIN_AGE_S` in any case: whoever writes one takes no lock before.

    Raises:
        StateError: a version cannot be read, so nobody knows what it needs. Nothing was removed.
        LockedError: another process is writing.
    """
    with registry.locked():
        used = {sha256 for name in registry.names() for sha256 in registry.get(name).objects.values()}
        now_s = registry.clock.now_s()
        objects = _stats(path for sha256, path in registry.objects.all() if sha256 not in used)
        old = _older(objects, now_s - min_age_s)
        found = old | _older(_stats(_temporary(registry)), now_s - MIN_AGE_S)
        garbage, size_bytes = tuple(found), sum(found.values())
        if not dry_run:
            for path in garbage:
                path.unlink(missing_ok=True)
            for folder in {path.parent for path in garbage}:
                files.fsync_dir(folder)
            log.info("removed %d files, %d bytes", len(garbage), size_bytes, extra=action("registry.prune"))
    return Pruned(paths=garbage, size_bytes=size_bytes, young=len(objects) - len(old), dry_run=dry_run)


def _stats(paths: Iterable[Path]) -> dict[Path, os.stat_result]:
    found: dict[Path, os.stat_result] = {}
    for path in paths:
        with suppress(FileNotFoundError):  # another process has just renamed its temporary file
            found[path] = path.stat()
    return found


def _older(found: Mapping[Path, os.stat_result], newest_s: float) -> dict[Path, int]:
    """Return the sizes of what was last written by then."""
    return {path: stat.st_size for path, stat in found.items() if stat.st_mtime <= newest_s}


def _temporary(registry: Registry) -> Iterator[Path]:
    for path in sorted(registry.folder.rglob(".*.tmp")):
        if is_temporary(path) and path.is_file():
            yield path
