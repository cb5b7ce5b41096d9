"""The managed llama-server of a home: started from what the registry says, looked at, found again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from laimark_sidecar.errors import ConfigError, RunnerError
from laimark_sidecar.pipeline.connect import driver, managed, server_settings
from laimark_sidecar.pipeline.following import adapters, pointers
from laimark_sidecar.pipeline.presence import shared
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.runners.llama_server.presets import Presets
from laimark_sidecar.runners.llama_server.process import ManagedServer
from laimark_sidecar.runners.llama_server.sections import Section
from laimark_sidecar.runners.llama_server.settings import RouterSettings, SingleSettings
from laimark_sidecar.runners.llama_server.single_names import NamesFile

STATUS_TIMEOUT_S = 5.0


def router_sections(workshop: Workshop) -> dict[Section, Path | None]:
    """Return what the managed llama-server starts from, with the adapter of each name: what the registry says."""
    versions = adapters(workshop)
    digests = {name: workshop.registry.get(name).objects["adapter.gguf"] for name in versions}
    sections: dict[Section, Path | None] = {Section(name=workshop.config.base.name, kind="base"): None}
    for name, adapter in versions.items():
        sections[Section(name=name, kind="version", version=name, sha256=digests[name])] = adapter
    for name, version in pointers(workshop, versions).items():
        moving = Section(name=name, kind="moving", version=version, sha256=digests.get(version, ""))
        sections[moving] = versions.get(version)
    return sections


def managed_server(workshop: Workshop) -> ManagedServer:
    """Return the llama-server of this home, running or not.

    Raises:
        ConfigError: the configuration names another runner.
    """
    return managed(_settings(workshop))


def start_router(workshop: Workshop) -> int:
    """Start llama-server with what the registry says, unless it runs; returns its process id once it answers.

    Raises:
        ConfigError: it is not the configured runner, or there is no program to run.
        RunnerError: it does not come up; quotes its log.
    """
    settings = _settings(workshop)
    names = Presets(settings) if isinstance(settings, RouterSettings) else NamesFile(settings)
    return managed(settings).start(prepare=lambda: names.seed(router_sections(workshop)))


def revive(workshop: Workshop) -> bool:
    """Start the llama-server of this home again if it was started, not stopped since, and is gone; says whether it did.

    One that runs and is silent is left alone: from outside a slow one and a wedged one look the same.

    Raises:
        ConfigError, RunnerError: as `start_router` does.
    """
    if driver(workshop.config) != "llama-server":
        return False
    server = managed_server(workshop)
    if not server.wanted() or server.pid() is not None:
        return False
    start_router(workshop)
    return True


def _settings(workshop: Workshop) -> RouterSettings | SingleSettings:
    if driver(workshop.config) != "llama-server":
        raise ConfigError(
            f'runner.kind is "{workshop.config.runner.kind}": there is no llama-server to look after',
            hint='set runner.kind to "llama-server" (or, for Ollama, ollama.route to "own-server") in config.toml; '
            "the embedded runner is: laimark-sidecar serve",
        )
    return server_settings(workshop.home, workshop.config, workshop.base.gguf)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterStatus:
    """The managed llama-server at one moment."""

    url: str
    pid: int | None
    """None: it does not run."""
    answers: bool
    names: dict[str, str]
    """Served name to version (`""`: the base); empty where it does not answer."""
    everyone: str
    """In single mode: the one name whose answers every client gets, whatever it asks for; else empty."""
    trouble: str
    """Why it does not answer, and what to do; empty where it does."""
    log: str
    """Path of its log."""

    def told(self) -> str:
        """Return it as a person reads it."""
        running = f"pid {self.pid}" if self.pid is not None else "not running"
        shown = [f"{name} -> {version or 'base'}" for name, version in sorted(self.names.items())]
        if self.everyone and self.names:
            shown = [shared(self.everyone, self.names)]
        lines = [f"llama-server at {self.url}: {running}", *(f"  {line}" for line in shown)]
        return "\n".join([*lines, *([self.trouble] if self.trouble else []), f"log: {self.log}"])


def router_status(workshop: Workshop) -> RouterStatus:
    """Look at the managed llama-server without changing anything; that it does not answer is no error here.

    Raises:
        ConfigError: the configuration names another runner.
    """
    settings = _settings(workshop)
    pid = managed(settings).pid()
    names: dict[str, str] = {}
    trouble = ""
    try:
        names = workshop.runner(timeout_s=STATUS_TIMEOUT_S).names()
    except RunnerError as error:
        # That nothing listens is said by "not running" already.
        gone = pid is None and isinstance(error.__cause__, ConnectionRefusedError)
        trouble = error.hint if gone else f"{error} ({error.hint})" if error.hint else str(error)
    return RouterStatus(
        url=settings.url,
        pid=pid,
        answers=not trouble,
        names=names,
        everyone=settings.answering if isinstance(settings, SingleSettings) else "",
        trouble=trouble,
        log=str(settings.log),
    )
