"""What the runner serves now: asked of the runner, not of the registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from laimark_sidecar.pipeline.connect import runner_url
from laimark_sidecar.pipeline.following import LATEST
from laimark_sidecar.pipeline.gateway import gateway_activity
from laimark_sidecar.pipeline.usage import busier
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.runners.runner import Runner


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """A runner at one moment."""

    runner: str
    """Its kind and where it listens."""
    base: str
    """Name and beginning of the sha256 of the base that it serves."""
    names: dict[str, str]
    """Served name to what answers: a version, or empty for the base. In order of the names."""
    everyone: str
    """The one of them that every client gets, whatever it asks for; empty where clients choose."""
    busy: bool
    idle_s: float
    served: int | None
    """Requests finished since it started; None where it does not tell."""

    @property
    def state(self) -> str:
        """Return what it does, as people say it."""
        state = "busy" if self.busy else f"idle for {self.idle_s:.0f} s"
        return state if self.served is None else f"{state}, {self.served} requests served"

    @property
    def shared(self) -> str:
        """Return what every client gets, as people say it; empty where clients choose."""
        return shared(self.everyone, self.names) if self.everyone else ""


def shared(name: str, names: Mapping[str, str]) -> str:
    """Say what every client gets that may ask for any of `names` and always gets `name`."""
    version = names.get(name, "something else than it should be: runner stop, then start")
    return f"every client gets {name} -> {version or 'base'}, whatever name it asks for"


def everyone(workshop: Workshop, runner: Runner) -> str:
    """Return the one name whose answers every client gets, whatever it asks for; empty where clients choose.

    Raises:
        RunnerError: it is not reachable.
    """
    return "" if runner.capabilities().switch_per_request else workshop.ref(LATEST)


def presence(workshop: Workshop) -> Presence:
    """Ask the runner.

    Raises:
        RunnerError: it is not reachable.
    """
    runner = workshop.runner()
    base = runner.base()
    activity = busier(runner.activity(), gateway_activity(workshop.config))
    return Presence(
        runner=f"{workshop.config.runner.kind} at {runner_url(workshop.config)}",
        base=f"{base.name} {base.sha256[:12]}",
        names=dict(sorted(runner.names().items())),
        everyone=everyone(workshop, runner),
        busy=activity.busy,
        idle_s=activity.idle_s,
        # What such a runner is seen to do is a guess, good enough for idleness but not for a count.
        served=activity.served if runner.capabilities().tells_busy else None,
    )
