"""A home whose gateway runs as its own process in front of a real runner, and what it has recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support import llama_server
from tests.support.homes import free_port, reconfigure
from tests.support.ollama_homes import BASE, beside
from tests.support.processes import command, started, wait_until

from laimark_sidecar.config.load import load
from laimark_sidecar.gateway.desk import GatewayActivity
from laimark_sidecar.journal.exchange import Exchange, decode
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.gateway import gateway_activity


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """A running gateway."""

    home: Home
    url: str
    direct: str
    """Address of the runner behind it."""
    model: str

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

    def exchanges(self) -> list[Exchange]:
        """Return what the gateway has recorded, in the order of time."""
        records = [
            decode(line)
            for path in self.home.journal.glob("*.jsonl")
            for line in path.read_bytes().splitlines(keepends=True)
        ]
        mine = [one for one in records if isinstance(one, Exchange) and one.source == "gateway"]
        return sorted(mine, key=lambda one: one.time_s)


@contextmanager
def in_front_of_ollama(home: Home, gguf: Path) -> Iterator[Front]:
    """Run a gateway in front of the Ollama stand-in."""
    with beside(home, gguf, "0.33.0") as (_, server), _gateway(home, direct=server.url, model=BASE) as front:
        yield front


@contextmanager
def in_front_of_llama_server(home: Home, gguf: Path) -> Iterator[Front]:
    """Run a gateway in front of a real llama-server with one model."""
    settings = llama_server.single_settings(home.root / "llama-server", gguf)
    with llama_server.single_started(settings):
        reconfigure(home, "runner", kind="llama-server", mode="single", port=settings.port)
        direct = f"http://127.0.0.1:{settings.port}"
        with _gateway(home, direct=direct, model="demo") as front:
            yield front


@contextmanager
def _gateway(home: Home, *, direct: str, model: str) -> Iterator[Front]:
    reconfigure(home, "gateway", port=free_port())
    config = load(home.config)
    log = home.root.parent / "gateway.log"
    with started(command(home, "gateway"), log):
        wait_until(lambda: gateway_activity(config) is not None, "the gateway listens", log=log)
        yield Front(home=home, url=f"http://127.0.0.1:{config.gateway.port}", direct=direct, model=model)
    assert "Traceback" not in log.read_text(encoding="utf-8")
