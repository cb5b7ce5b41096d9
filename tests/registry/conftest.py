"""An empty registry in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.registry.drafts import SetClock

from laimark_sidecar.registry.registry import Registry


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def registry(tmp_path: Path, clock: SetClock) -> Registry:
    return Registry.open(tmp_path / "registry", clock=clock, who="test")
