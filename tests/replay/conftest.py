"""An empty buffer on the disk, and one in memory for the tests of single queries."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.replay.examples import HandClock

from laimark_sidecar.replay.migrations import migrate
from laimark_sidecar.replay.store import ReplayStore


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "replay.db"


@pytest.fixture
def store(path: Path, clock: HandClock) -> Iterator[ReplayStore]:
    with ReplayStore.open(path, clock=clock, capacity=100) as opened:
        yield opened


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    opened = sqlite3.connect(":memory:", isolation_level=None)
    opened.execute("PRAGMA foreign_keys = ON")
    migrate(opened, path=Path(":memory:"), now_s=0.0)
    yield opened
    opened.close()
