from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.converters import oracle

from laimark_converters.adapter_output import write_adapter
from laimark_converters.errors import ConversionError
from laimark_converters.gguf_output import OutputTensor


def tensor(value: float) -> OutputTensor:
    values = np.full((4, 32), value, np.float32)
    return OutputTensor(name="t.lora_a", shape=(4, 32), dtype="f16", blocks=lambda: iter([values]))


def test_keys_are_those_that_llama_cpp_asks_for_and_the_lineage(tmp_path: Path) -> None:
    out = tmp_path / "x.gguf"
    metadata = {"version": "1", "laimark.parent": "ü"}
    size = write_adapter(out, [tensor(1.5)], architecture="granite", alpha=16, metadata=metadata)
    assert size == out.stat().st_size
    assert oracle.keys(out) == {
        "general.architecture": "granite",
        "general.type": "adapter",
        "adapter.type": "lora",
        "adapter.lora.alpha": 16.0,
        "general.quantization_version": 2,
        "laimark.parent": "ü",
        "laimark.version": "1",
    }


def test_value_that_does_not_fit_leaves_the_old_file(tmp_path: Path) -> None:
    out = tmp_path / "x.gguf"
    out.write_bytes(b"served today")
    with pytest.raises(ConversionError, match="too large for f16"):
        write_adapter(out, [tensor(1e6)], architecture="llama", alpha=1.0, metadata={})
    assert out.read_bytes() == b"served today"
