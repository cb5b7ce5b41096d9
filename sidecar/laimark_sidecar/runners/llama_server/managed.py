"""The managed llama-server of a home, in the mode that it is meant to run in."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from laimark_sidecar.runners.llama_server.command import arguments
from laimark_sidecar.runners.llama_server.process import ManagedServer
from laimark_sidecar.runners.llama_server.settings import RouterSettings


def router_server(settings: RouterSettings, *, environment: Mapping[str, str]) -> ManagedServer:
    """Return the router, running or not; `Presets.seed` prepares its start."""
    return ManagedServer(settings, environment=environment, command=partial(arguments, settings))
