"""A home whose gateway runs as its own process in front of a real runner, and what it has recorded."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support import llama_server
from tests.support.homes import free_port, only_version, opened, reconfigure
from tests.support.ollama_homes import BASE, beside
from tests.support.processes import PATIENCE_S, command, runner, started, wait_until

from laimark_sidecar.config.load import load
from laimark_sidecar.gateway.desk import GatewayActivity
from laimark_sidecar.journal.exchange import Exchange, Feedback, decode
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.connect import runner_url
from laimark_sidecar.pipeline.gateway import gateway_activity
from laimark_sidecar.pipeline.promote import promote
from laimark_sidecar.pipeline.router import managed_server, start_router
from laimark_sidecar.pipeline.workshop import Workshop


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """A running gateway."""

    home: Home
    url: str
    direct: str
    """Address of the runner behind it."""
    model: str
    process: subprocess.Popen[bytes]
    runner_pid: int | None = None
    """The runner's process, where it is one of this test's own."""

    def activity(self) -> GatewayActivity:
        found = gateway_activity(load(self.home.config), timeout_s=10.0)
        assert found is not None
        return found

    @contextmanager
    def recording(self, count: int) -> Iterator[list[Exchange]]:
        """Give a list that holds, after the block, exactly the exchanges that were recorded of what it did."""
        before = self.activity().recorded
        known = {one.id for one in self.exchanges()}
        found: list[Exchange] = []
        yield found
        wait_until(lambda: self.activity().recorded >= before + count, f"{count} are recorded")
        wait_until(lambda: not self.activity().busy, "all answers have ended")
        assert self.activity().recorded == before + count
        found += [one for one in self.exchanges() if one.id not in known]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the runner from going on with an answer: a tiny model ends one while a busy machine looks elsewhere."""
        assert self.runner_pid is not None
        os.kill(self.runner_pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.runner_pid, signal.SIGCONT)

    def exchanges(self) -> list[Exchange]:
        """Return what the gateway has recorded, in the order of time."""
        mine = [one for one in self.records() if isinstance(one, Exchange) and one.source == "gateway"]
        return sorted(mine, key=lambda one: one.time_s)

    def records(self) -> list[Exchange | Feedback]:
        """Return all that the journal holds."""
        return [
            decode(line)
            for path in self.home.journal.glob("*.jsonl")
            for line in path.read_bytes().splitlines(keepends=True)
        ]

    def stop(self) -> None:
        """Tell it to stop, as a user does; what it was to write is written then."""
        self.process.terminate()
        assert self.process.wait(PATIENCE_S) == 0


@contextmanager
def in_front_of_ollama(home: Home, gguf: Path) -> Iterator[Front]:
    """Run a gateway in front of the Ollama stand-in."""
    with beside(home, gguf, "0.33.0") as (_, server), gateway(home, direct=server.url, model=BASE) as front:
        yield front


@contextmanager
def in_front_of_llama_server(home: Home, gguf: Path) -> Iterator[Front]:
    """Run a gateway in front of a real llama-server with one model."""
    settings = llama_server.single_settings(home.root / "llama-server", gguf)
    with llama_server.single_started(settings) as server:
        reconfigure(home, "runner", kind="llama-server", mode="single", port=settings.port)
        direct = f"http://127.0.0.1:{settings.port}"
        with gateway(home, direct=direct, model="demo", runner_pid=server.pid()) as front:
            yield front


@contextmanager
def in_front_of_embedded_runner(home: Home) -> Iterator[Front]:
    """Run a gateway in front of the sidecar's own runner."""
    port = load(home.config).runner.port
    direct = f"http://127.0.0.1:{port}"
    with (
        runner(home, port) as process,
        gateway(home, direct=direct, model="base", runner_pid=process.pid) as front,
    ):
        yield front


@contextmanager
def in_front_of_own_server(home: Home, gguf: Path) -> Iterator[Front]:
    """Run a gateway in front of the Ollama stand-in, and of a real llama-server that serves a trained home's version."""
    with (
        beside(home, gguf, "0.34.1", route="own-server") as (workshop, server),
        _promoted(workshop),
        gateway(home, direct=server.url, model="me:latest") as front,
    ):
        yield front


@contextmanager
def in_front_of_router(home: Home) -> Iterator[Front]:
    """Run a gateway in front of a real llama-server that serves a trained home's base and version by their names."""
    reconfigure(home, "runner", kind="llama-server", mode="router")
    workshop = opened(home)
    direct = runner_url(workshop.config)
    with _promoted(workshop), gateway(home, direct=direct, model="me:latest") as front:
        yield front


@contextmanager
def _promoted(workshop: Workshop) -> Iterator[None]:
    """Run the llama-server of a home, its one version promoted."""
    start_router(workshop)
    try:
        promote(workshop, only_version(workshop))
        yield
    finally:
        managed_server(workshop).stop()


@contextmanager
def gateway(home: Home, *, direct: str, model: str, runner_pid: int | None = None) -> Iterator[Front]:
    """Run a gateway in front of what the home's configuration names."""
    reconfigure(home, "gateway", port=free_port())
    config = load(home.config)
    log = home.root.parent / "gateway.log"
    with started(command(home, "gateway"), log) as process:
        wait_until(lambda: gateway_activity(config) is not None, "the gateway listens", log=log)
        url = f"http://127.0.0.1:{config.gateway.port}"
        yield Front(home=home, url=url, direct=direct, model=model, process=process, runner_pid=runner_pid)
    assert "Traceback" not in log.read_text(encoding="utf-8")
