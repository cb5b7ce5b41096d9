"""Which version answers to the stable name: forwards, back, anywhere. Each is one move; see `moving`."""

from __future__ import annotations

from laimark_sidecar.errors import RejectedError, RunnerError, StateError
from laimark_sidecar.pipeline.following import LATEST, PREV, follow
from laimark_sidecar.pipeline.moving import move, moving
from laimark_sidecar.pipeline.parity import parity_before_promotion
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.registry.version import Version
from laimark_sidecar.runners.runner import Runner


def promote(workshop: Workshop, version: Version, *, reason: str = "promoted") -> None:
    """Make `version` answer to `me:latest`; the one that did becomes `me:prev`. Nothing changes when it fails.

    Raises:
        RejectedError: its verdict was not "accepted".
        BaseChangedError: it was made for another base than the runner serves.
        ConfigError: the runner makes other tokens of a conversation than the version was trained on.
        StateError: its files are missing or damaged.
        RunnerError: the runner refused it or does not answer as the validated artefact did.
        LockedError: another process is moving the names.
    """
    if version.verdict != "accepted":
        raise RejectedError(
            f"{version.name} did not pass the gate: {version.verdict}", hint="see: laimark-sidecar show"
        )
    with moving(workshop) as runner:
        latest = workshop.registry.refs().get(LATEST, "")
        if latest == version.name:
            _answer_again(workshop, runner, latest)
        else:
            parity_before_promotion(workshop, runner, version)
            refs = {LATEST: version.name, PREV: latest}
            move(workshop, runner, "promote", version.name, refs, reason=reason)


def rollback(workshop: Workshop) -> str:
    """Step `me:latest` back to `me:prev` and return what answers now (`""`: the base).

    `prev` then is the parent of what answers, so that stepping back again goes further back.

    Raises:
        StateError: there is nothing to go back to, or the files of what was there are damaged.
    """
    with moving(workshop) as runner:
        refs = workshop.registry.refs()
        if not refs.get(LATEST):
            raise StateError(
                f"{workshop.ref(LATEST)} is the base already: there is nothing to go back to",
                hint="see: laimark-sidecar log",
            )
        target = refs.get(PREV, "")
        before = workshop.registry.get(target).parent if target else ""
        move(workshop, runner, "rollback", target, {LATEST: target, PREV: before}, reason="rollback")
        return target


def use(workshop: Workshop, name: str, *, reason: str = "") -> str:
    """Make any version, or `base`, answer to `me:latest`; returns the immutable name (`""`: the base)."""
    with moving(workshop) as runner:
        target = "" if name == "base" else workshop.registry.resolve_name(name)
        latest = workshop.registry.refs().get(LATEST, "")
        if target == latest:
            _answer_again(workshop, runner, target)
        else:
            move(
                workshop,
                runner,
                "use",
                target,
                {LATEST: target, PREV: latest},
                reason=reason or f"use {name}",
            )
        return target


def _answer_again(workshop: Workshop, runner: Runner, target: str) -> None:
    """Put the runner right where the refs are already; raises where something else answers in the end."""
    refused = follow(workshop, runner)
    if target in refused:
        raise refused[target]
    answers = runner.names().get(workshop.ref(LATEST), "")
    if answers != target:
        raise RunnerError(
            f"{workshop.ref(LATEST)} is {target or 'base'} by the registry, but {answers or 'base'} answers",
            hint="see: laimark-sidecar check",
        )
