"""Fixtures that more than one part needs: the demo base as a Hugging Face folder and as the GGUF that is served."""

from __future__ import annotations

from pathlib import Path

import pytest

from laimark_converters.base_gguf import write_base_gguf
from laimark_sidecar.paths import modelfiles


@pytest.fixture(scope="session")
def demo_base_dir() -> Path:
    return modelfiles() / "demo_base"


@pytest.fixture(scope="session")
def demo_gguf(demo_base_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("base") / "demo.gguf"
    write_base_gguf(demo_base_dir, path)
    return path
