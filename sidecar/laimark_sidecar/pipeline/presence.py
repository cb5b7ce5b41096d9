"""What the runner serves now: asked of the runner, not of the registry."""

from __future__ import annotations

from dataclasses import dataclass

from laimark_sidecar.pipeline.connect import runner_url
from laimark_sidecar.pipeline.workshop import Workshop


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """A runner at one moment."""

    runner: str
    """Its kind and where it listens."""
    base: str
    """Name and beginning of the sha256 of the base that it serves."""
    names: dict[str, str]
    """Served name to what answers: a version, or empty for the base. In order of the names."""
    busy: bool
    idle_s: float
    served: int

    @property
    def state(self) -> str:
        """Return what it does, as people say it."""
        state = "busy" if self.busy else f"idle for {self.idle_s:.0f} s"
        return f"{state}, {self.served} requests served"


def presence(workshop: Workshop) -> Presence:
    """Ask the runner.

    Raises:
        RunnerError: it is not reachable.
    """
    runner = workshop.runner()
    base, activity = runner.base(), runner.activity()
    return Presence(
        runner=f"{workshop.config.runner.kind} at {runner_url(workshop.config)}",
        base=f"{base.name} {base.sha256[:12]}",
        names=dict(sorted(runner.names().items())),
        busy=activity.busy,
        idle_s=activity.idle_s,
        served=activity.served,
    )
