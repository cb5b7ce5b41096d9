"""Deletes what nothing needs any more: objects of no version, what a cycle trained whose version is gone, old conversation."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from laimark_sidecar.errors import LockedError
from laimark_sidecar.files import exclusive
from laimark_sidecar.pipeline.folder import cycles
from laimark_sidecar.pipeline.retention import expire, too_old
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.registry.prune import MIN_AGE_S, Pruned, prune


def prune_home(workshop: Workshop, *, dry_run: bool = True) -> Pruned:
    """Remove what no version needs; with `dry_run`, only say what. The records of cycles stay, their weights go.

    Where the daemon or a training is at work, objects younger than an hour stay: a version may be about to need them.

    Raises:
        StateError: a version or the end of a cycle cannot be read, so nobody knows what is needed. Nothing was removed.
        LockedError: the registry is being written.
    """
    results = tuple(_results_of_nobody(workshop))
    weights = tuple(path for result in results for path in sorted(result.rglob("*")) if path.is_file())
    old = too_old(workshop).old
    size_bytes = sum(path.stat().st_size for path in weights) + sum(one.size_bytes for one in old)
    with ExitStack() as stack:
        try:
            # Who makes versions holds it meanwhile: without them nobody is about to register anything.
            stack.enter_context(
                exclusive(workshop.home.daemon_lock, f"laimark-sidecar prune (pid {os.getpid()})")
            )
            min_age_s = 0.0
        except LockedError:
            min_age_s = MIN_AGE_S
        done = prune(workshop.registry, dry_run=dry_run, min_age_s=min_age_s)
    if not dry_run:
        for result in results:
            shutil.rmtree(result)
        expire(workshop)
    segments = tuple(workshop.home.journal / one.segment.name for one in old)
    return replace(done, paths=(*done.paths, *weights, *segments), size_bytes=done.size_bytes + size_bytes)


def _results_of_nobody(workshop: Workshop) -> Iterator[Path]:
    """Yield what ended cycles have trained of which there is no version: it was refused, or removed since."""
    names = workshop.registry.names()
    for cycle in cycles(workshop.home.cycles):
        closed = cycle.closed()
        if closed is not None and closed.version not in names and cycle.result.is_dir():
            yield cycle.result
