"""The managed llama-server of a home, in the mode that it is meant to run in."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from laimark_sidecar.runners.llama_server import single_command
from laimark_sidecar.runners.llama_server.command import arguments
from laimark_sidecar.runners.llama_server.process import ManagedServer
from laimark_sidecar.runners.llama_server.settings import RouterSettings, SingleSettings
from laimark_sidecar.runners.llama_server.single_names import NamesFile


def router_server(settings: RouterSettings, *, environment: Mapping[str, str]) -> ManagedServer:
    """Return the router, running or not; `Presets.seed` prepares its start."""
    return ManagedServer(settings, environment=environment, command=partial(arguments, settings))


def single_server(settings: SingleSettings, *, environment: Mapping[str, str]) -> ManagedServer:
    """Return the llama-server with one model, running or not; `NamesFile.seed` prepares its start.

    It loads the adapters that the table names at that moment; everybody gets the answering name's from the first
    request on.
    """

    def command(binary: Path) -> list[str]:
        file = NamesFile(settings)
        names = file.read()
        applied = names.versions.get(names.moving.get(settings.answering, ""), "")
        adapters = [
            (file.adapters.path(digest), float(digest == applied))
            for digest in names.preloaded(settings.answering, settings.preloaded)
        ]
        told = single_command.help_of(binary, environment)
        return single_command.arguments(settings, binary, told, adapters)

    return ManagedServer(settings, environment=environment, command=command)
