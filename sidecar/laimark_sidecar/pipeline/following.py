"""What the runner should serve, by the registry, and making it so. The registry is the truth, the runner a cache."""

from __future__ import annotations

import logging
from collections.abc import Container
from pathlib import Path

from laimark_sidecar.errors import ConversionError, LaimarkError, RunnerError, StateError
from laimark_sidecar.logs import action
from laimark_sidecar.pipeline.base import require_same
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.registry.version import Version
from laimark_sidecar.runners.runner import Runner

log = logging.getLogger(__name__)
LATEST, PREV = "latest", "prev"


def follow(workshop: Workshop, runner: Runner) -> dict[str, LaimarkError]:
    """Make the runner serve what the registry says; the caller keeps other movers out. Safe to repeat.

    A version that cannot be served is logged and left out; one that is neither new nor pointed at is withdrawn.

    Returns:
        Why each of those that were left out could not be served, by name.

    Raises:
        RunnerError: the runner is not reachable.
        BaseChangedError: it serves another base.
    """
    require_same(workshop.base.identity, runner.base(), where="the runner")
    kept = _kept(workshop, runner)
    served = runner.names()
    refused: dict[str, LaimarkError] = {}
    for name, adapter in adapters(workshop, kept=kept, besides=served).items():
        try:
            runner.register(name, adapter)
        except (RunnerError, ConversionError, StateError) as error:  # the last two where a model is merged
            refused[name] = error
            log.warning("not serving %s: %s", name, error, extra=action("pipeline.unservable"))
    point(workshop, runner)
    _withdraw_old(workshop, runner, kept)
    return refused


def point(workshop: Workshop, runner: Runner) -> None:
    """Make every moving name of the runner answer with what its ref says.

    A name that somebody else gave to something meanwhile is logged and left alone: it must not block every later move.

    Raises:
        RunnerError: the runner is not reachable, or a name did not become quiet in time.
    """
    served = runner.names()
    for name, version in pointers(workshop, served).items():
        if refusal := taken(runner, name):
            log.warning("%s is not moved: %s", name, refusal, extra=action("pipeline.taken"))
        else:
            runner.point(name, version)


def taken(runner: Runner, name: str) -> RunnerError | None:
    """Return why a moving name cannot be ours in this runner; None where it can.

    Raises:
        RunnerError: the runner is not reachable.
    """
    try:
        runner.require_movable(name)
    except RunnerError as error:
        runner.names()  # raises where it is not the name that is wrong
        return error
    return None


def pointers(workshop: Workshop, served: Container[str]) -> dict[str, str]:
    """Return what each moving name answers with: its ref's version, or the base where that is not `served`.

    A ref to a damaged version, or to one of another base, must neither stop the runner nor block every later move.
    """
    refs = {LATEST: "", PREV: ""} | workshop.registry.refs()
    return {workshop.ref(ref): version if version in served else "" for ref, version in refs.items()}


def adapters(workshop: Workshop, *, kept: int | None = None, besides: Container[str] = ()) -> dict[str, Path]:
    """Return the file of every version to install that is whole, by name, newest first; damaged ones are logged."""
    whole: dict[str, Path] = {}
    objects = workshop.registry.objects
    for version in installed(workshop, kept=kept):
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


def installed(workshop: Workshop, *, kept: int | None = None) -> tuple[Version, ...]:
    """Return the versions that the runner holds ready: the newest `kept`, and those that refs point at."""
    count = workshop.config.runner.kept if kept is None else kept
    pointed_at = set(workshop.registry.refs().values())
    return tuple(
        version
        for place, version in enumerate(servable(workshop))
        if place < count or version.name in pointed_at
    )


def servable(workshop: Workshop) -> tuple[Version, ...]:
    """Return the accepted versions that were made for the base being served, newest first."""
    return tuple(
        version
        for version in workshop.registry.versions()
        if version.verdict == "accepted" and version.base.sha256 == workshop.base.identity.sha256
    )


def _kept(workshop: Workshop, runner: Runner) -> int:
    """Return how many of the newest stay ready; where each is a whole merged model, that is a matter of gigabytes."""
    kept = workshop.config.runner.kept
    return kept if runner.capabilities().adapters else min(kept, workshop.config.ollama.kept_merged)


def _withdraw_old(workshop: Workshop, runner: Runner, kept: int) -> None:
    served = runner.names()
    wanted = {version.name for version in installed(workshop, kept=kept)}
    # What somebody else's name points at stays: the runner would refuse, and be right.
    pointed_at = {version for name, version in served.items() if name != version}
    for version in servable(workshop):
        if version.name in served and version.name not in wanted | pointed_at:
            runner.withdraw(version.name)
