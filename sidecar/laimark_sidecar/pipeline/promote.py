"""Ref and runner move together, or not at all: the intent is written first, undone or redone after a crash.

Order of a move: intent → register with the runner → ask it (post-condition) → refs → point the names → intent done.
Until the refs move, the old version answers; once they have, the names follow, at the latest at the next start.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from laimark_sidecar.errors import LaimarkError, RejectedError, RunnerError, StateError
from laimark_sidecar.files import exclusive
from laimark_sidecar.logs import action
from laimark_sidecar.pipeline.base import require_same
from laimark_sidecar.pipeline.postcondition import verify
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.registry import reflog
from laimark_sidecar.registry import refs as refs_file
from laimark_sidecar.registry.documents import DamagedError
from laimark_sidecar.registry.intent import Intent
from laimark_sidecar.registry.version import Version
from laimark_sidecar.runners.runner import Runner

log = logging.getLogger(__name__)
LATEST, PREV = "latest", "prev"
Move = Literal["promote", "rollback", "use"]
KEPT_SERVED = 8
"""The newest versions that the runner holds in memory, beside those that refs point at; `use` brings an older one."""
LOCK_WAIT_S = 30.0
"""A move takes a second or two; whoever is refused after this long is told who holds it."""


def promote(workshop: Workshop, version: Version, *, reason: str = "promoted") -> None:
    """Make `version` answer to `me:latest`; the one that did becomes `me:prev`. Nothing changes when it fails.

    Raises:
        RejectedError: its verdict was not "accepted".
        BaseChangedError: it was made for another base than the runner serves.
        StateError: its files are missing or damaged.
        RunnerError: the runner refused it or does not answer as the validated artefact did.
        LockedError: another process is moving the names.
    """
    if version.verdict != "accepted":
        raise RejectedError(
            f"{version.name} did not pass the gate: {version.verdict}", hint="see: laimark-sidecar show"
        )
    with _moving(workshop) as runner:
        latest = workshop.registry.refs().get(LATEST, "")
        if latest == version.name:
            _synchronise(workshop, runner)
        else:
            refs = {LATEST: version.name, PREV: latest}
            _move(workshop, runner, "promote", version.name, refs, reason=reason)


def rollback(workshop: Workshop) -> str:
    """Step `me:latest` back to `me:prev` and return what answers now (`""`: the base).

    `prev` then is the parent of what answers, so that stepping back again goes further back.

    Raises:
        StateError: there is nothing to go back to, or the files of what was there are damaged.
    """
    with _moving(workshop) as runner:
        refs = workshop.registry.refs()
        if not refs.get(LATEST):
            raise StateError(
                "nothing has been promoted yet: the base answers", hint="see: laimark-sidecar log"
            )
        target = refs.get(PREV, "")
        before = workshop.registry.get(target).parent if target else ""
        _move(workshop, runner, "rollback", target, {LATEST: target, PREV: before}, reason="rollback")
        return target


def use(workshop: Workshop, name: str) -> str:
    """Make any version, or `base`, answer to `me:latest`; returns the immutable name (`""`: the base)."""
    with _moving(workshop) as runner:
        target = "" if name == "base" else workshop.registry.resolve_name(name)
        latest = workshop.registry.refs().get(LATEST, "")
        if target == latest:
            _synchronise(workshop, runner)
        else:
            _move(workshop, runner, "use", target, {LATEST: target, PREV: latest}, reason=f"use {name}")
        return target


@contextmanager
def _moving(workshop: Workshop) -> Iterator[Runner]:
    """Keep other movers out, the daemon and the command line alike, and settle first what a crash left half done."""
    with _alone(workshop):
        runner = workshop.runner()
        _repair(workshop, runner)
        yield runner


@contextmanager
def _alone(workshop: Workshop) -> Iterator[None]:
    # Without it an intent that is just being carried out would look like one that a crash left behind.
    holder = f"a move of {workshop.ref(LATEST)} (pid {os.getpid()})"
    with exclusive(workshop.home.control / "move.lock", holder, wait_s=LOCK_WAIT_S):
        yield


def _move(
    workshop: Workshop, runner: Runner, kind: Move, target: str, refs: dict[str, str], *, reason: str
) -> None:
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
        expected = {LATEST: intent.previous_latest, PREV: intent.previous_prev}
        workshop.registry.set_refs(refs, reason=reason, expected=expected)
    except LaimarkError:
        workshop.registry.intent.done()
        raise
    _point(workshop, runner)
    workshop.registry.intent.done()
    log.info("%s -> %s", workshop.ref(LATEST), target or "base", extra=action(f"pipeline.{kind}"))


def _serve(workshop: Workshop, runner: Runner, version: Version) -> None:
    require_same(version.base, workshop.base.identity, where=version.name)
    # A flipped bit may change the answers by less than the post-condition can see: the digest decides.
    if not workshop.registry.objects.verify(version.objects["adapter.gguf"]):
        raise StateError(
            f"{version.name}: its adapter.gguf is damaged, so it is not served",
            hint="see: laimark-sidecar check",
        )
    runner.register(version.name, workshop.registry.objects.path(version.objects["adapter.gguf"]))
    verify(runner, version)


def _point(workshop: Workshop, runner: Runner) -> None:
    served = runner.names()
    for name, version in pointers(workshop, served).items():
        runner.point(name, version)


def pointers(workshop: Workshop, served: Container[str]) -> dict[str, str]:
    """Return what each moving name answers with: its ref's version, or the base where that is not `served`.

    A ref to a damaged version, or to one of another base, must neither stop the runner nor block every later move.
    """
    refs = workshop.registry.refs()
    wanted = {workshop.ref(ref): refs.get(ref, "") for ref in (LATEST, PREV)}
    return {name: version if version in served else "" for name, version in wanted.items()}


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


def _repair(workshop: Workshop, runner: Runner) -> str:
    try:
        intent = workshop.registry.intent.current()
    except DamagedError as error:
        return _repair_by_refs(workshop, runner, error)
    if intent is None:  # also when whoever began it has just ended it
        return ""
    moved = workshop.registry.refs().get(LATEST, "") == intent.target
    _settle(workshop, runner)
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
    _synchronise(workshop, runner)
    _complete_reflog(workshop)


def _complete_reflog(workshop: Workshop) -> None:
    registry = workshop.registry
    with registry.locked():
        reflog.catch_up(registry.reflog_path, refs_file.read(registry.refs_path, registry.reflog_path).last)


def synchronise(workshop: Workshop, runner: Runner) -> None:
    """Make the runner serve what the registry says: the newest versions of this base, and the refs. Safe to repeat.

    A version that cannot be served is logged and left out; one that is neither new nor pointed at is withdrawn.

    Raises:
        RunnerError: the runner is not reachable.
        BaseChangedError: it serves another base.
        LockedError: another process is moving the names.
    """
    with _alone(workshop):
        _synchronise(workshop, runner)


def _synchronise(workshop: Workshop, runner: Runner) -> None:
    require_same(workshop.base.identity, runner.base(), where="the runner")
    served = runner.names()
    for name, adapter in adapters(workshop, besides=served).items():
        try:
            runner.register(name, adapter)
        except RunnerError as error:
            log.warning("not serving %s: %s", name, error, extra=action("pipeline.unservable"))
    _point(workshop, runner)
    _withdraw_old(workshop, runner)


def _withdraw_old(workshop: Workshop, runner: Runner) -> None:
    served = runner.names()
    wanted = {version.name for version in installed(workshop)}
    # What somebody else's name points at stays: the runner would refuse, and be right.
    pointed_at = {version for name, version in served.items() if name != version}
    for version in servable(workshop):
        if version.name in served and version.name not in wanted | pointed_at:
            runner.withdraw(version.name)


def adapters(workshop: Workshop, *, besides: Container[str] = ()) -> dict[str, Path]:
    """Return the file of every version to install that is whole, by name, newest first; damaged ones are logged."""
    whole: dict[str, Path] = {}
    objects = workshop.registry.objects
    for version in installed(workshop):
        if version.name in besides:
            continue
        try:
            sha256 = version.objects["adapter.gguf"]
            if objects.verify(sha256):
                whole[version.name] = objects.path(sha256)
                continue
            reason = "its adapter.gguf is damaged"
        except StateError as error:
            reason = str(error)
        log.warning("not serving %s: %s", version.name, reason, extra=action("pipeline.damaged"))
    return whole


def installed(workshop: Workshop) -> tuple[Version, ...]:
    """Return the versions that the runner holds ready: the newest `KEPT_SERVED`, and those that refs point at."""
    candidates = servable(workshop)
    pointed_at = set(workshop.registry.refs().values())
    return tuple(
        version
        for place, version in enumerate(candidates)
        if place < KEPT_SERVED or version.name in pointed_at
    )


def servable(workshop: Workshop) -> tuple[Version, ...]:
    """Return the accepted versions that were made for the base being served, newest first."""
    return tuple(
        version
        for version in workshop.registry.versions()
        if version.verdict == "accepted" and version.base.sha256 == workshop.base.identity.sha256
    )
