"""Is everything that was promised still there? Registry, buffer, names, cycles: read all, change nothing."""

from __future__ import annotations

from laimark_sidecar.errors import LaimarkError
from laimark_sidecar.pipeline import other_base
from laimark_sidecar.pipeline.folder import cycles
from laimark_sidecar.pipeline.following import pointers, servable, taken
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.registry.check import Problem, check
from laimark_sidecar.runners.runner import Runner


def checkup(workshop: Workshop) -> tuple[Problem, ...]:
    """Return every problem found, errors of the registry first; empty when all is well.

    A runner that is not running is no problem; one that serves something else under our names is.
    """
    return (
        *check(workshop.registry),
        *_other_base(workshop),
        *_buffer(workshop),
        *_cycles(workshop),
        *_runner(workshop),
    )


def _other_base(workshop: Workshop) -> list[Problem]:
    return [_error(one.ref, one.message, other_base.HINT) for one in other_base.estranged(workshop)]


def _buffer(workshop: Workshop) -> list[Problem]:
    try:
        with workshop.store() as store:
            found = store.check()
    except LaimarkError as error:
        return [_error("replay buffer", str(error), error.hint)]
    return [
        _error("replay buffer", text, "move replay.db away; the journal is read into a new one")
        for text in found
    ]


def _cycles(workshop: Workshop) -> list[Problem]:
    problems: list[Problem] = []
    for cycle in cycles(workshop.home.cycles):
        try:
            cycle.plan(), cycle.judgement(), cycle.closed()
        except LaimarkError as error:
            problems.append(_error(f"cycle {cycle.id}", str(error), error.hint))
    return problems


def _runner(workshop: Workshop) -> list[Problem]:
    try:
        return _served(workshop, workshop.runner())
    except LaimarkError as error:
        cause = error.__cause__
        if isinstance(cause, ConnectionRefusedError):
            return []
        # A runner that is silent may only be busy; one that answers wrongly, or whose files are unreadable, fails every move.
        silent = isinstance(cause, OSError) and cause.filename is None
        return [
            Problem(
                severity="warning" if silent else "error",
                where="runner",
                message=str(error),
                hint=error.hint,
            )
        ]


def _served(workshop: Workshop, runner: Runner) -> list[Problem]:
    served = runner.names()
    if runner.base().sha256 != workshop.base.identity.sha256:
        return [
            _error(
                "runner", "it serves another base than the configured one", "restart: laimark-sidecar serve"
            )
        ]
    # A ref to a version of another base answers as the base on purpose.
    expected = pointers(workshop, {version.name for version in servable(workshop)})
    return [
        _error(name, str(refusal), refusal.hint)
        if (refusal := taken(runner, name))
        else _error(
            name,
            f"the registry says {version or 'base'}, the runner "
            + (f"serves {served[name] or 'base'}" if name in served else "has no such name"),
            "laimark-sidecar use latest puts it right",
        )
        for name, version in expected.items()
        if served.get(name, "") != version
    ]


def _error(where: str, message: str, hint: str) -> Problem:
    return Problem(severity="error", where=where, message=message, hint=hint)
