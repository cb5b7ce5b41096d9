"""Is somebody using the runner? What it tells itself, and what the gateway sees, which misses no request that passes it."""

from __future__ import annotations

from dataclasses import replace

from laimark_sidecar.gateway.desk import GatewayActivity
from laimark_sidecar.pipeline.gateway import gateway_activity
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.runners.runner import Activity


def usage(workshop: Workshop, *, timeout_s: float) -> Activity:
    """Return the busier of both views; without a gateway the runner's own.

    Raises:
        RunnerError: the runner is not reachable.
    """
    told = workshop.runner(timeout_s=timeout_s).activity()
    return busier(told, gateway_activity(workshop.config))


def busier(told: Activity, seen: GatewayActivity | None) -> Activity:
    """Return the busier of what the runner tells and what the gateway, where one runs, has seen."""
    if seen is None:
        return told
    return replace(told, busy=told.busy or seen.busy, idle_s=min(told.idle_s, seen.idle_s))
