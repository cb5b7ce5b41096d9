"""The demo base loaded once, and a LoRA that visibly changes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.lora import write_lora

from laimark_sidecar.llamacpp.base import Base


@pytest.fixture(scope="session")
def base(demo_gguf: Path) -> Iterator[Base]:
    with Base(demo_gguf, context=512, threads=1) as loaded:
        yield loaded


@pytest.fixture(scope="session")
def lora(demo_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lora(demo_gguf, tmp_path_factory.mktemp("lora") / "one.gguf", seed=1)
