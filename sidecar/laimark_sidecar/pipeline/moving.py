"""Refs and runner move together, or not at all: the intent is written first, undone or redone after a crash.

Order of a move: intent → register with the runner → ask it (post-condition) → refs → point the names → intent done.
Until the refs move, the old version answers; once they have, the names follow, at the latest at the next start.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from laimark_sidecar.errors import LaimarkError, StateError
from laimark_sidecar.files import exclusive
from laimark_sidecar.logs import action
from laimark_sidecar.pipeline.artefact import merged_answers
from laimark_sidecar.pipeline.base import require_same
from laimark_sidecar.pipeline.following import LATEST, PREV, follow, point, taken
from laimark_sidecar.pipeline.postcondition import verify
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.registry import reflog
from laimark_sidecar.registry import refs as refs_file
from laimark_sidecar.registry.documents import DamagedError
from laimark_sidecar.registry.intent import Intent, Kind
from laimark_sidecar.registry.version import Version
from laimark_sidecar.runners.runner import Runner

log = logging.getLogger(__name__)
LOCK_WAIT_S = 30.0
"""A move takes a second or two; whoever is refused after this long is told who holds it."""


@contextmanager
def moving(workshop: Workshop) -> Iterator[Runner]:
    """Keep other movers out, the daemon and the command line alike, and settle first what a crash left half done.

    Raises:
        LockedError: another process is moving the names.
        RunnerError: something is to be settled, and the runner is not reachable.
    """
    with _alone(workshop):
        runner = workshop.runner()
        _repair(workshop, runner)
        yield runner


def move(
    workshop: Workshop,
    runner: Runner,
    kind: Kind,
    target: str,
    refs: Mapping[str, str | None],
    *,
    ref: str = LATEST,
    reason: str,
) -> None:
    """Serve `target` and set `refs` (None removes one), as one step; nothing changes when it fails.

    Args:
        workshop: whose names.
        runner: as `moving` gave it.
        kind: of the intent, for messages.
        target: the version that must answer before anything points at it; empty for the base.
        refs: what changes.
        ref: the one of them that tells, after a crash, whether the move counts.
        reason: for the reflog.

    Raises:
        BaseChangedError, StateError, RunnerError: as `promote` does.
    """
    require_same(workshop.base.identity, runner.base(), where="the runner")
    old = workshop.registry.refs()
    for name in (one for one, version in refs.items() if version is not None):
        # A name of somebody else's must be found before the refs move: afterwards nothing can follow them.
        runner.require_movable(workshop.ref(name))
    intent = Intent(
        kind=kind,
        target=target,
        ref=ref,
        previous_latest=old.get(LATEST, ""),
        previous_prev=old.get(PREV, ""),
        created_s=workshop.clock.now_s(),
    )
    workshop.registry.intent.begin(intent)
    try:
        if target:
            _serve(workshop, runner, workshop.registry.get(target))
        expected = {one: old.get(one, "") for one in refs}
        workshop.registry.set_refs(refs, reason=reason, expected=expected)
    except LaimarkError:
        workshop.registry.intent.done()
        raise
    _point(workshop, runner, intent)
    workshop.registry.intent.done()
    gone = ref in refs and refs[ref] is None
    log.info(
        "%s -> %s", workshop.ref(ref), "-" if gone else target or "base", extra=action(f"pipeline.{kind}")
    )


def _serve(workshop: Workshop, runner: Runner, version: Version) -> None:
    require_same(version.base, workshop.base.identity, where=version.name)
    # A flipped bit may change the answers by less than the post-condition can see: the digest decides.
    if not workshop.registry.objects.verify(version.objects["adapter.gguf"]):
        raise StateError(
            f"{version.name}: its adapter.gguf is damaged, so it is not served",
            hint="see: laimark-sidecar check",
        )
    adapter = workshop.registry.objects.path(version.objects["adapter.gguf"])
    runner.register(version.name, adapter)
    verify(runner, version, merged=merged_answers(workshop, adapter))


def _point(workshop: Workshop, runner: Runner, intent: Intent) -> None:
    point(workshop, runner)
    gone = intent.ref not in workshop.registry.refs()
    if gone and not taken(runner, workshop.ref(intent.ref)):
        runner.withdraw(workshop.ref(intent.ref))


def synchronise(workshop: Workshop, runner: Runner) -> None:
    """Make the runner serve what the registry says: the newest versions of this base, and the refs. Safe to repeat.

    A version that cannot be served is logged and left out; one that is neither new nor pointed at is withdrawn.

    Raises:
        RunnerError: the runner is not reachable.
        BaseChangedError: it serves another base.
        LockedError: another process is moving the names.
    """
    with _alone(workshop):
        follow(workshop, runner)


def repair(workshop: Workshop) -> str:
    """Finish or undo a move that a crash interrupted; returns what was done, for the log.

    The refs decide: they moved in one atomic step, so either the move counts and the runner follows, or it never
    happened and the runner is put back. What a damaged intent said is therefore not needed: it is set aside.

    Raises:
        RunnerError: the runner is not reachable; the intent stays.
        StateError: the refs are damaged, or a newer program wrote the intent; it stays.
    """
    if not workshop.registry.intent.pending():
        return ""
    with _alone(workshop):
        return _repair(workshop, workshop.runner())


@contextmanager
def _alone(workshop: Workshop) -> Iterator[None]:
    # Without it an intent that is just being carried out would look like one that a crash left behind.
    holder = f"a move of {workshop.ref(LATEST)} (pid {os.getpid()})"
    with exclusive(workshop.home.control / "move.lock", holder, wait_s=LOCK_WAIT_S):
        yield


def _repair(workshop: Workshop, runner: Runner) -> str:
    try:
        intent = workshop.registry.intent.current()
    except DamagedError as error:
        return _repair_by_refs(workshop, runner, error)
    if intent is None:  # also when whoever began it has just ended it
        return ""
    refs = workshop.registry.refs()
    moved = intent.ref not in refs if intent.kind == "rm" else refs.get(intent.ref, "") == intent.target
    _settle(workshop, runner)
    _point(workshop, runner, intent)
    workshop.registry.intent.done()
    return f"{intent.kind} of {intent.target or 'base'}: {'completed' if moved else 'undone'}"


def _repair_by_refs(workshop: Workshop, runner: Runner, error: DamagedError) -> str:
    _settle(workshop, runner)
    place = workshop.registry.intent.set_aside(now_s=workshop.clock.now_s())
    latest = workshop.registry.refs().get(LATEST, "") or "base"
    log.warning("%s: set aside as %s", error, place.name, extra=action("pipeline.damaged-intent"))
    return f"a move that cannot be read any more: {workshop.ref(LATEST)} stays at {latest}"


def _settle(workshop: Workshop, runner: Runner) -> None:
    """Make the runner and the reflog follow the refs."""
    follow(workshop, runner)
    registry = workshop.registry
    with registry.locked():
        reflog.catch_up(registry.reflog_path, refs_file.read(registry.refs_path, registry.reflog_path).last)
