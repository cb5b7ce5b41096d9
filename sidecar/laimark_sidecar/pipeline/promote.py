"""Ref and runner move together, or not at all: the intent is written first, undone or redone after a crash.

Order of a move: intent → register with the runner → ask it (post-condition) → refs → point the names → intent done.
Until the refs move, the old version answers; once they have, the names follow, at the latest at the next start.
"""

from __future__ import annotations

import logging
from typing import Literal

from laimark_sidecar.errors import RejectedError, RunnerError, StateError
from laimark_sidecar.logs import action
from laimark_sidecar.pipeline.base import require_same
from laimark_sidecar.pipeline.postcondition import verify
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.registry.intent import Intent
from laimark_sidecar.registry.version import Version
from laimark_sidecar.runners.runner import Runner

log = logging.getLogger(__name__)
LATEST, PREV = "latest", "prev"
Move = Literal["promote", "rollback", "use"]


def promote(workshop: Workshop, version: Version, *, reason: str = "promoted") -> None:
    """Make `version` answer to `me:latest`; the one that did becomes `me:prev`. Nothing changes when it fails.

    Raises:
        RejectedError: its verdict was not "accepted".
        BaseChangedError: it was made for another base than the runner serves.
        RunnerError: the runner refused it or does not answer as the validated artefact did.
    """
    if version.verdict != "accepted":
        raise RejectedError(
            f"{version.name} did not pass the gate: {version.verdict}", hint="see: laimark-sidecar show"
        )
    refs = workshop.registry.refs()
    if refs.get(LATEST, "") == version.name:
        synchronise(workshop, workshop.runner())
        return
    _move(
        workshop, "promote", version.name, {LATEST: version.name, PREV: refs.get(LATEST, "")}, reason=reason
    )


def rollback(workshop: Workshop) -> str:
    """Step `me:latest` back to `me:prev` and return what answers now (`""`: the base).

    `prev` then is the parent of what answers, so that stepping back again goes further back.

    Raises:
        StateError: there is nothing to go back to.
    """
    refs = workshop.registry.refs()
    if not refs.get(LATEST):
        raise StateError("nothing has been promoted yet: the base answers", hint="see: laimark-sidecar log")
    target = refs.get(PREV, "")
    before = workshop.registry.get(target).parent if target else ""
    _move(workshop, "rollback", target, {LATEST: target, PREV: before}, reason="rollback")
    return target


def use(workshop: Workshop, name: str) -> str:
    """Make any version, or `base`, answer to `me:latest`; returns the immutable name (`""`: the base)."""
    target = "" if name == "base" else workshop.registry.resolve(name).name
    latest = workshop.registry.refs().get(LATEST, "")
    if target == latest:
        synchronise(workshop, workshop.runner())
    else:
        _move(workshop, "use", target, {LATEST: target, PREV: latest}, reason=f"use {name}")
    return target


def _move(workshop: Workshop, kind: Move, target: str, refs: dict[str, str], *, reason: str) -> None:
    repair(workshop)
    runner = workshop.runner()
    require_same(workshop.base.identity, runner.base(), where="the runner")
    old = workshop.registry.refs()
    intent = Intent(
        kind=kind,
        target=target,
        previous_latest=old.get(LATEST, ""),
        previous_prev=old.get(PREV, ""),
        created_s=workshop.clock.now_s(),
    )
    workshop.registry.intent.begin(intent)
    try:
        if target:
            _serve(workshop, runner, workshop.registry.get(target))
        workshop.registry.set_refs(refs, reason=reason)
    except (RunnerError, StateError):
        workshop.registry.intent.done()
        raise
    _point(workshop, runner)
    workshop.registry.intent.done()
    log.info("%s -> %s", workshop.ref(LATEST), target or "base", extra=action(f"pipeline.{kind}"))


def _serve(workshop: Workshop, runner: Runner, version: Version) -> None:
    require_same(version.base, workshop.base.identity, where=version.name)
    adapter = workshop.registry.objects.path(version.objects["adapter.gguf"])
    runner.register(version.name, adapter)
    verify(runner, version)


def _point(workshop: Workshop, runner: Runner) -> None:
    refs = workshop.registry.refs()
    for ref in (LATEST, PREV):
        runner.point(workshop.ref(ref), refs.get(ref, ""))


def repair(workshop: Workshop) -> str:
    """Finish or undo a move that a crash interrupted; returns what was done, for the log.

    The refs decide: they moved in one atomic step, so either the move counts and the runner follows, or it never
    happened and the runner is put back.
    """
    intent = workshop.registry.intent.current()
    if intent is None:
        return ""
    moved = workshop.registry.refs().get(LATEST, "") == intent.target
    synchronise(workshop, workshop.runner())
    workshop.registry.intent.done()
    return f"{intent.kind} of {intent.target or 'base'}: {'completed' if moved else 'undone'}"


def synchronise(workshop: Workshop, runner: Runner) -> None:
    """Make the runner serve what the registry says: every version of this base, and the refs. Safe to repeat.

    Raises:
        RunnerError: the runner is not reachable.
        BaseChangedError: it serves another base.
    """
    require_same(workshop.base.identity, runner.base(), where="the runner")
    served = runner.names()
    for version in servable(workshop):
        if version.name not in served:
            runner.register(version.name, workshop.registry.objects.path(version.objects["adapter.gguf"]))
    _point(workshop, runner)


def servable(workshop: Workshop) -> tuple[Version, ...]:
    """Return the accepted versions that were made for the base being served."""
    return tuple(
        version
        for version in workshop.registry.versions()
        if version.verdict == "accepted" and version.base.sha256 == workshop.base.identity.sha256
    )
