"""One server for the tests that only talk to it, and adapters to register with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.lora import write_lora

from laimark_sidecar.journal.exchange import Exchange, Feedback, decode
from laimark_sidecar.llamacpp.base import Base
from laimark_sidecar.runners.embedded.client import EmbeddedRunner
from laimark_sidecar.runners.embedded.serve import serving
from laimark_sidecar.runners.embedded.settings import ServeSettings

TOKEN = "the-administrator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    url: str
    journal: Path

    @property
    def runner(self) -> EmbeddedRunner:
        return EmbeddedRunner(self.url, TOKEN)

    @property
    def admin(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {TOKEN}"}

    def records(self) -> list[Exchange | Feedback]:
        return read_journal(self.journal)

    def exchanges(self, client: str) -> list[Exchange]:
        """Return what one test's client said: the server is shared."""
        return [
            record for record in self.records() if isinstance(record, Exchange) and record.client == client
        ]


def read_journal(folder: Path) -> list[Exchange | Feedback]:
    lines = [
        line
        for file in sorted(folder.glob("*.jsonl"))
        for line in file.read_bytes().splitlines(keepends=True)
    ]
    return [decode(line) for line in lines]


@pytest.fixture(scope="session")
def adapters(demo_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("adapters")
    one, two = (write_lora(demo_gguf, folder / f"{seed}.gguf", seed=seed) for seed in (1, 2))
    return one, two


@pytest.fixture(scope="session")
def settings(demo_gguf: Path) -> Callable[..., ServeSettings]:
    def make(**changes: object) -> ServeSettings:
        fields: dict[str, object] = {
            "base_path": demo_gguf,
            "base_name": "demo",
            "port": 0,
            "token": TOKEN,
            "threads": 1,
            "context": 1024,
        }
        return ServeSettings(**(fields | changes))  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def server(
    settings: Callable[..., ServeSettings],
    adapters: tuple[Path, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Running]:
    journal = tmp_path_factory.mktemp("served") / "journal"
    initial = {"me:one": adapters[0]}
    with serving(settings(journal_folder=journal, adapters=initial, names={"me:fixed": "me:one"})) as url:
        yield Running(url=url, journal=journal)


@pytest.fixture(scope="session")
def base(demo_gguf: Path) -> Iterator[Base]:
    with Base(demo_gguf, context=256, threads=1) as loaded:
        yield loaded
