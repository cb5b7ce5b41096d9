"""Names of the user's own: `cp` gives a version one more name, `rm` takes a name or a version away."""

from __future__ import annotations

import re
from dataclasses import dataclass

from laimark_sidecar.errors import StateError
from laimark_sidecar.pipeline.folder import cycles
from laimark_sidecar.pipeline.following import LATEST, PREV
from laimark_sidecar.pipeline.moving import move, moving
from laimark_sidecar.pipeline.rebuild import unlearn
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.registry.names import validate_ref

_OWN = frozenset({LATEST, PREV})
_LIKE_A_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}-[0-9a-f]{4}|\.unchecked$")
"""As versions are called, and as they are called in Ollama while they are tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What `rm` would take away."""

    name: str
    """As it is served: `me:work`, or a version."""
    version: bool
    """A version itself, for good; else a name that points at one."""


def copy(workshop: Workshop, source: str, name: str) -> tuple[str, str]:
    """Let a version answer to one more name, which stays at it; returns that name and the version (`""`: the base).

    A name that is there already moves. What it points at is kept ready by the runner, and never pruned.

    Args:
        workshop: whose names.
        source: any version, ref, or `base`.
        name: `work`, or whole: `me:work`.

    Raises:
        DataError: the name is malformed or reserved.
        StateError: it is one of the names that the sidecar moves, or a version's; or no version is meant by `source`.
        BaseChangedError, RunnerError: as for `use`.
    """
    ref = _ref(workshop, name)
    if ref in _OWN:
        raise StateError(
            f"{workshop.ref(ref)} is moved by the sidecar",
            hint="make a version answer to it with: laimark-sidecar use NAME",
        )
    if _LIKE_A_VERSION.search(ref) or workshop.ref(ref) in workshop.registry.names():
        raise StateError(
            f"{workshop.ref(ref)} is named like a version, which never moves", hint="choose another name"
        )
    with moving(workshop) as runner:
        target = workshop.registry.resolve_name(source)
        move(workshop, runner, "cp", target, {ref: target}, ref=ref, reason=f"cp {source} {name}")
    return workshop.ref(ref), target


def removal(workshop: Workshop, name: str) -> Removal:
    """Return what `rm NAME` means, looked at only: a name of the user's own first, else a version.

    Raises:
        StateError: nothing or several versions are meant; it is the base, a name that the sidecar moves, or a version
            that something needs: a name other than `prev`, a version made from it, or a cycle under way.
    """
    registry = workshop.registry
    refs = registry.refs()
    ref = name.removeprefix(f"{workshop.config.promotion.name}:")
    if ref in refs:
        if ref in _OWN:
            raise StateError(
                f"{workshop.ref(ref)} is moved by the sidecar and cannot be removed",
                hint="serve the base instead: laimark-sidecar use base"
                if ref == LATEST
                else "remove the version that it points at: it then points further back",
            )
        return Removal(name=workshop.ref(ref), version=False)
    version = registry.resolve_name(name)
    if not version:
        raise StateError("the base cannot be removed", hint="that is for its own runner to do")
    if refs.get(LATEST, "") == version:
        raise StateError(
            f"{version} is still needed: {workshop.ref(LATEST)} points at it",
            hint="serve something else first: laimark-sidecar rollback, or: laimark-sidecar use base",
        )
    if needing := _needing(workshop, version):
        raise StateError(f"{version} is still needed: {needing[0]}", hint="remove that first, or keep it")
    return Removal(name=version, version=True)


def remove(workshop: Workshop, found: Removal) -> None:
    """Take a name or a version away, from the runner first. The files of a version go with the next `prune`.

    `prev` steps away from a version that goes, to what a `rollback` would leave there: the parent of what answers.

    Raises:
        StateError: something needs it by now.
        RunnerError: the runner is not reachable; nothing was removed.
    """
    with moving(workshop) as runner:
        removal(workshop, found.name)
        if found.version:
            if workshop.registry.refs().get(PREV, "") == found.name:
                before = _further_back(workshop)
                move(workshop, runner, "use", before, {PREV: before}, ref=PREV, reason=f"rm {found.name}")
            runner.withdraw(found.name)
            unlearn(workshop, {found.name})
            workshop.registry.remove(found.name)
        else:
            ref = _ref(workshop, found.name)
            move(workshop, runner, "rm", "", {ref: None}, ref=ref, reason=f"rm {found.name}")


def _ref(workshop: Workshop, name: str) -> str:
    return validate_ref(name.removeprefix(f"{workshop.config.promotion.name}:"))


def _further_back(workshop: Workshop) -> str:
    latest = workshop.registry.refs().get(LATEST, "")
    return workshop.registry.get(latest).parent if latest else ""


def _needing(workshop: Workshop, name: str) -> list[str]:
    registry = workshop.registry
    plans = [cycle.plan() for cycle in cycles(workshop.home.cycles) if cycle.closed() is None]
    return [
        *(
            f"{workshop.ref(ref)} points at it"
            for ref, target in registry.refs().items()
            if target == name and ref != PREV
        ),
        *(f"{one.name} was made from it" for one in registry.versions() if one.parent == name),
        *("a cycle that is under way goes on from it" for plan in plans if plan and plan.parent == name),
    ]
